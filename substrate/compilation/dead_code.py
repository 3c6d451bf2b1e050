"""Gather only the arrays that a score depends on.

XLA removes unused results of a single loop, but not values that are carried through nested loops, as here through
chunks of steps. So JAX's own dead-code elimination is applied first, repeatedly, until the set of needed arrays no
longer grows.
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
    """Which array arguments the results of a function depend on; `outputs` selects some of the results."""
    traced = jax.make_jaxpr(function)(list(arguments)).jaxpr
    _, used = dce_jaxpr(traced, outputs or [True] * len(traced.outvars))
    return used


def needed(
    start: Any, update: Callable[[Any], Any], use: Callable[[Any], Any]
) -> tuple[Callable[[Any], list[Any]], Callable[[list[Any]], Any]]:
    """Find the arrays of a tree that `use` depends on, after `update` has changed the tree any number of times.

    Returns
    -------
    A function that takes these arrays from such a tree, as a list, and one that makes a tree of such a list, with
    zeros in place of the other arrays.
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
