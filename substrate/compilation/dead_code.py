"""Gather only what matters: a reading is cut down to the arrays that its score depends on.

XLA drops what a single loop computes in vain, but not what is carried through a loop inside a loop, as chunks of
steps are. So JAX's own dead-code elimination is asked beforehand, until the set of arrays no longer grows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr


def inputs_of(
    function: Callable[[list[Any]], Sequence[Any]],
    arguments: Sequence[Any],
    outputs: Sequence[bool] | None = None,
) -> list[bool]:
    """Which of a function's array arguments its results depend on; of some results only, if they are given."""
    traced = jax.make_jaxpr(function)(list(arguments)).jaxpr
    _, used = dce_jaxpr(traced, outputs or [True] * len(traced.outvars))
    return used


def needed(
    start: Any, update: Callable[[Any], Any], use: Callable[[Any], Any]
) -> tuple[Callable[[Any], list[Any]], Callable[[list[Any]], Any]]:
    """Which arrays of a tree matter to `use`, after `update` has changed the tree any number of times.

    Returns
    -------
    A function that picks the arrays that matter from such a tree, as a list, and one that makes a tree of such a
    list, with zeros for the rest.
    """
    arrays, structure = jax.tree.flatten(start)

    def updated(some: list[Any]) -> list[Any]:
        return jax.tree.leaves(update(jax.tree.unflatten(structure, some)))

    def used(some: list[Any]) -> list[Any]:
        return jax.tree.leaves(use(jax.tree.unflatten(structure, some)))

    matters = inputs_of(used, arrays)
    while (
        more := [a | b for a, b in zip(matters, inputs_of(updated, arrays, matters), strict=True)]
    ) != matters:
        matters = more

    def pick(tree: Any) -> list[Any]:
        return [a for a, on in zip(jax.tree.leaves(tree), matters, strict=True) if on]

    def whole(picked: list[Any]) -> Any:
        rest = iter(picked)
        some = [
            next(rest) if on else jnp.zeros_like(a) for a, on in zip(arrays, matters, strict=True)
        ]
        return jax.tree.unflatten(structure, some)

    return pick, whole
