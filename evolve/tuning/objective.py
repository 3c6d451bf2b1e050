"""What tuning maximises: the score of one rule as a function of its constants, with its slope, compiled once.

Points are lanes of one compiled program, so a batch costs little more than one of them. Slopes are computed forward
in time, one tangent per constant: constants are few, and the loop over steps ends early, which only forward
differentiation allows. On the default task this is three times as fast as going backwards, and a lane that diverged
cannot spoil the slope of another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from evolve.evaluation.arena import (
    INSTANCES_PER_GROUP,
    WORST,
    Arena,
    Bounds,
    Scores,
    can_merge_lanes,
    learn,
)
from substrate.compilation.lowering import lower
from substrate.networks.base import require_compatible
from substrate.rule import Rule
from substrate.simulate import merge_lanes

#: Points of one call: without slopes, and with them.
LANES, SLOPE_LANES = 16, 8
#: Below the worst score, which is flat, the guide falls on by so much per factor e of the badness, so that a climb
#: finds its way back; an instance that diverged counts as this many factors.
LEAK, DIVERGED = 0.1, 20.0


class Points(NamedTuple):
    """What points achieved; `guide` equals the fitness where every instance scores above the worst."""

    constants: np.ndarray  # (point, constant)
    fitness: np.ndarray  # (point,), as a search sees it
    guide: np.ndarray  # (point,), what a climb follows
    scores: np.ndarray  # (point, setting, instance), normalised
    slopes: np.ndarray | None  # (point, constant, setting, instance) of the guide, or None


class Objective:
    """Scores of one rule's structure at many values of its constants.

    Parameters
    ----------
    rule
        Its structure is compiled, once for points and once for points with slopes; its constants are arguments.
    arena
        The instances to train on.
    bounds
        What 0 and 1 mean on them.

    Raises
    ------
    UserError
        If the rule reads what the task's network does not show.
    """

    def __init__(self, rule: Rule, arena: Arena, bounds: Bounds) -> None:
        require_compatible(rule, arena.observables)
        self.rule, self.arena, self.bounds = rule, arena, bounds
        self.names = tuple(rule.constants)
        self.evaluations = 0  # simulated rules; a slope counts as one per constant
        self.compilations = 0
        self._values = jax.jit(self._qualities)
        self._slopes = jax.jit(self._tangents)

    def _qualities(self, constants: Array, arena: Any) -> Array:
        """Qualities (setting, group, GROUP, lane) at constants (constant, lane)."""
        self.compilations += 1
        lanes = constants.shape[1]

        def setting_of(index: int, episodes: Any) -> Array:
            setting, merged = (
                self.arena.settings[index],
                can_merge_lanes(episodes, lanes, leading=1),
            )

            def wide(row: Array) -> Array:
                row = jnp.broadcast_to(row, (INSTANCES_PER_GROUP, lanes))
                return merge_lanes(row, lanes) if merged else row

            named = {name: wide(constants[i]) for i, name in enumerate(self.names)}
            gains = jnp.ones(lanes, jnp.float32)

            def group(episode: Any) -> Array:
                return learn(setting, lower(self.rule, named), episode, gains, merged, full=False)[
                    0
                ]

            return lax.map(group, episodes)

        return jnp.stack([setting_of(i, episodes) for i, episodes in enumerate(arena)])

    def _tangents(self, constants: Array, arena: Any) -> tuple[Array, Array]:
        """Qualities, and their derivatives (constant, setting, group, GROUP, lane); lanes do not meet."""
        count, lanes = constants.shape
        basis = jnp.broadcast_to(jnp.eye(count)[:, :, None], (count, count, lanes))

        def along(tangent: Array) -> tuple[Array, Array]:
            return jax.jvp(lambda c: self._qualities(c, arena), (constants,), (tangent,))

        return jax.vmap(along, out_axes=(None, 0))(basis)

    def score(self, constants: np.ndarray) -> Points:
        """Score points (point, constant)."""
        parts = _calls(self._values, constants, LANES, self.arena.episodes)
        self.evaluations += len(constants)
        return self._points(constants, _ordered(np.concatenate(parts, axis=-1)), None)

    def climb(self, constants: np.ndarray) -> Points:
        """Score points (point, constant) and find their slopes, nan where there is none."""
        parts = _calls(self._slopes, constants, SLOPE_LANES, self.arena.episodes)
        self.evaluations += len(constants) * (1 + len(self.names))
        quality = _ordered(np.concatenate([q for q, _ in parts], axis=-1))
        slopes = _ordered(np.concatenate([s for _, s in parts], axis=-1))
        return self._points(constants, quality, slopes)

    def _points(
        self, constants: np.ndarray, quality: np.ndarray, slopes: np.ndarray | None
    ) -> Points:
        """Normalise qualities (point, setting, instance) and slopes (point, constant, setting, instance)."""
        floor, ceiling = self.bounds
        span = (ceiling - floor).mean(axis=1, keepdims=True)
        raw = (quality - floor) / span
        lost, low = np.isnan(raw), raw < WORST
        beyond = np.log(np.where(low, -raw, 1.0))  # 0 at the worst score
        leaky = np.where(low, WORST - LEAK * beyond, raw)
        guide = np.where(lost, WORST - LEAK * DIVERGED, leaky).mean(axis=(1, 2))
        score = self.bounds.normalise(quality)
        fitness = Scores(score, quality, {}).fitness
        if slopes is not None:
            flat = np.where(low, LEAK * np.exp(-beyond), np.where(lost, 0.0, 1.0))
            slopes = np.where(lost[:, None], 0.0, slopes) * (flat / span)[:, None]
        return Points(constants, fitness, guide, score, slopes)


def _calls(program: Callable[..., Any], points: np.ndarray, lanes: int, arena: Any) -> list[Any]:
    """Run a program on points (point, constant), `lanes` at a time; the last call is filled up."""
    answers = []
    for first in range(0, len(points), lanes):
        some = points[first : first + lanes]
        full = np.concatenate([some, np.repeat(some[:1], lanes - len(some), axis=0)])
        answer = program(np.asarray(full.T, np.float32), arena)
        answers.append(jax.tree.map(lambda a: np.asarray(a)[..., : len(some)], answer))  # noqa: B023
    return answers


def _ordered(array: np.ndarray) -> np.ndarray:
    """(..., setting, group, GROUP, point) -> (point, ..., setting, instance)."""
    *front, groups, size, points = array.shape
    return np.moveaxis(array.reshape(*front, groups * size, points), -1, 0).astype(float, order="C")
