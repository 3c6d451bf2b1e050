"""One rule on a grid of formats: bits x rounding x mismatch x update period, compiled once for each rounding.

What is a number in a profile (bits, mismatch, period) is an argument of the compiled program; only the way of
rounding is part of its structure.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from evolve.evaluation.arena import Arena, Bounds, can_merge_lanes, learn
from substrate.compilation.lowering import lower
from substrate.hardware import Profile, as_implemented, changed
from substrate.rule import Rule


class Point(NamedTuple):
    """One combination of the grid."""

    bits: int
    rounding: str
    mismatch: float
    period: int


@dataclass(frozen=True)
class Cell:
    """What a rule is worth at a point, on the scale of the ideal network."""

    point: Point
    score: float  # mean over instances and chips
    worst: float  # of the chips
    quality: np.ndarray  # (setting, instance)


def points(
    bits: Sequence[int],
    roundings: Sequence[str],
    mismatches: Sequence[float],
    periods: Sequence[int],
) -> list[Point]:
    """The grid, the last varying fastest."""
    return [Point(*p) for p in itertools.product(bits, roundings, mismatches, periods)]


def sweep(rule: Rule, arena: Arena, bounds: Bounds, grid: Sequence[Point]) -> list[Cell]:
    """Score a rule at every point.

    Parameters
    ----------
    arena
        Instances on the hardware whose format is varied.
    bounds
        What 0 and 1 mean, measured on the ideal network.
    """
    base = arena.hardware
    assert base is not None, "a sweep varies a profile"
    rule = as_implemented(base, rule)
    programs = {r: _program(rule, arena, base, r) for r in dict.fromkeys(p.rounding for p in grid)}
    cells = []
    for point in grid:
        numbers = jnp.float32(point.bits), jnp.float32(point.mismatch), jnp.uint32(point.period)
        quality = np.asarray(programs[point.rounding](numbers, arena.episodes))
        score = bounds.normalise(quality[None])[0]
        cells.append(Cell(point, float(score.mean()), worst(score, base.chips), quality))
    return cells


def worst(score: np.ndarray, chips: int) -> float:
    """Mean score of the worst chip, from scores (setting, instance) whose instances take turns."""
    used = min(chips, score.shape[-1])
    return min(float(score[:, chip::chips].mean()) for chip in range(used))


def _program(rule: Rule, arena: Arena, base: Profile, rounding: str) -> Any:
    """Qualities (setting, instance) as a function of the numbers of a point."""

    @jax.jit
    def run(numbers: tuple[Array, Array, Array], arenas: Any) -> Array:
        bits, gain, period = numbers
        chip = changed(base, rounding=rounding, bits=bits, gain=gain, period=period)
        gains = jnp.ones(1, jnp.float32)
        rows = []
        for setting, episodes in zip(arena.settings, arenas, strict=True):
            own = replace(setting, profile=chip)
            merged = can_merge_lanes(episodes, 1, leading=1)

            def group(episode: Any, own: Any = own, merged: bool = merged) -> Array:
                return learn(own, lower(rule), episode, gains, merged, full=False)[0]

            rows.append(lax.map(group, episodes).reshape(-1))
        return jnp.stack(rows)

    return run


def as_table(cells: Sequence[Cell]) -> tuple[list[int], list[str], np.ndarray]:
    rows = list(dict.fromkeys(c.point.bits for c in cells))

    def name(cell: Cell) -> str:
        _, rounding, mismatch, period = cell.point
        return f"{rounding}, {mismatch:.0%}, every {period}"

    columns = list(dict.fromkeys(map(name, cells)))
    values = np.full((len(rows), len(columns)), np.nan)
    for cell in cells:
        values[rows.index(cell.point.bits), columns.index(name(cell))] = cell.score
    return rows, columns, values
