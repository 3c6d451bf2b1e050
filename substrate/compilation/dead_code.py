"""Gather only what matters: a reading cut down to what somebody makes of it.

XLA drops what a single loop computes in vain, but not what is carried through a loop in a loop, as steps in chunks
are. So it is found out beforehand, from how the results are computed, which of the numbers they depend on.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Var


def inputs_of(
    function: Callable[[list[Any]], Sequence[Any]],
    arguments: Sequence[Any],
    outputs: Sequence[bool] | None = None,
) -> list[bool]:
    """Which of a function's array arguments its results depend on; of some results only, if they are given."""
    traced = jax.make_jaxpr(function)(list(arguments)).jaxpr
    chosen = outputs or [True] * len(traced.outvars)
    needed = {v for v, on in zip(traced.outvars, chosen, strict=True) if on and isinstance(v, Var)}
    for equation in reversed(traced.eqns):
        if needed.intersection(equation.outvars):
            needed.update(v for v in equation.invars if isinstance(v, Var))
    return [v in needed for v in traced.invars]


def needed(
    start: Any, update: Callable[[Any], Any], use: Callable[[Any], Any]
) -> tuple[Callable[[Any], list[Any]], Callable[[list[Any]], Any]]:
    """Which arrays of a tree, moved by `update` again and again, matter to what `use` makes of it in the end.

    Returns
    -------
    What picks the arrays that matter from such a tree, as a list; and what makes a tree of such a list, zero where
    nothing matters.
    """
    arrays, structure = jax.tree.flatten(start)

    def moved(some: list[Any]) -> list[Any]:
        return jax.tree.leaves(update(jax.tree.unflatten(structure, some)))

    def used(some: list[Any]) -> list[Any]:
        return jax.tree.leaves(use(jax.tree.unflatten(structure, some)))

    matters = inputs_of(used, arrays)
    while (
        more := [a | b for a, b in zip(matters, inputs_of(moved, arrays, matters), strict=True)]
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
