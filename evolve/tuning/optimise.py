"""Tuning of a rule's constants: by slopes through the compiled network, and by an evolution strategy.

A constant c moves on an axis u that starts at 0 from its first value,

    c = first * exp(u)        if first is not 0: its sign is kept, equal steps are equal factors
    c = 0.1 * sinh(u)         if it is 0

Climbs (BFGS with backtracking, several at once as lanes of one program) follow slopes; where a rule jumps, or slopes
lead nowhere, CMA-ES (Hansen & Ostermeier 2001, Evol. Comput. 9(2):159-195, as in the library `cmaes`) samples
instead. It also does the last polish, since the mean over few instances is rough at small scales: a neuron that
starts orthogonal to its goal turns either way at the slightest push. What is kept is the best point that was scored,
if it beats the start.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import sympy

from evolve.evaluation.arena import Arena, Bounds
from evolve.tuning.objective import LANES, SLOPE_LANES, Objective, Points
from substrate.rule import Rule

Method = Literal["auto", "gradient", "evolution"]

#: Functions whose slope is zero or nowhere.
_JUMPS = (sympy.sign, sympy.Heaviside)
#: A gain in score below this is no improvement.
WORTH = 1e-4
#: No constant leaves its first value by more than this factor (or grows beyond 0.1 sinh(7) from zero).
REACH = float(np.log(1e3))
#: Scale of a constant that starts from zero.
SMALL = 0.1
#: Share of the budget that goes to the evolution strategy's polish after the climbs.
POLISH = 0.25
#: First standard deviation of the evolution strategy [factors e]: of a search, of a polish.
WIDE, NARROW = 0.5, 0.1
#: A climb's step is at most this long [factors e], and ends below the shortest.
LONGEST, SHORTEST = 1.0, 1e-3
#: An instance's slope counts at most so much [score per factor e]: scores span 2, so more is a cliff.
STEEPEST = 10.0
#: The climbs end after so many rounds without an improvement that is worth it.
PATIENCE = 12


@dataclass(frozen=True)
class Tuned:
    """A rule whose constants were tuned."""

    rule: Rule
    score: float  # training fitness
    before: float  # training fitness of the constants that it came with
    evaluations: int  # rules simulated; a slope counts as one per constant
    method: str  # what made the last improvement: none, sampling, gradient, evolution
    scores: np.ndarray  # (setting, instance), on the training instances
    objective: Objective  # still compiled


class Axes(NamedTuple):
    """Where the constants start; see the head of this file."""

    first: np.ndarray  # (constant,)

    def constants(self, u: np.ndarray) -> np.ndarray:
        """Constants at positions (point, constant)."""
        u = np.clip(u, -REACH, REACH)
        return np.where(self.first != 0, self.first * np.exp(u), SMALL * np.sinh(u))

    def slopes(self, u: np.ndarray, points: Points) -> np.ndarray:
        """Slope of the guide along the axes (point, constant); 0 where there is none."""
        assert points.slopes is not None
        stretch = np.where(self.first != 0, points.constants, SMALL * np.cosh(u))
        steep = points.slopes * stretch[:, :, None, None]
        steep = np.clip(np.where(np.isfinite(steep), steep, 0.0), -STEEPEST, STEEPEST)
        return steep.mean(axis=(2, 3))


class Best:
    """The best point scored so far, by fitness, then by guide."""

    def __init__(self, start: Points) -> None:
        self.before = float(start.fitness[0])
        self.u = np.zeros(start.constants.shape[1])
        self.method = "none"
        self._take(start, 0)

    def _take(self, points: Points, i: int) -> None:
        self.fitness, self.guide = float(points.fitness[i]), float(points.guide[i])
        self.constants, self.scores = points.constants[i], points.scores[i]

    def see(self, u: np.ndarray, points: Points, method: str) -> bool:
        """Take note of points; tell whether one of them is an improvement that is worth it."""
        order = np.lexsort((points.guide, points.fitness))
        i = int(order[-1])
        before = (self.fitness, self.guide)
        if (points.fitness[i], points.guide[i]) <= before:
            return False
        self.u = np.clip(u[i], -REACH, REACH)
        self._take(points, i)
        improved = self.fitness > before[0] + WORTH or self.guide > before[1] + WORTH
        if improved or self.method == "none":
            self.method = method
        return improved


class Climb:
    """One ascent by BFGS with backtracking: `trial` is the next point to score, `tell` takes the answer."""

    def __init__(self, u: np.ndarray) -> None:
        self.u, self.trial = u, u
        self.value, self.slope = -np.inf, np.zeros_like(u)
        self._restart()

    def _restart(self) -> None:
        self.curved = False
        self.inverse = np.eye(len(self.u))  # of the curvature, negated
        self.step = 1.0

    def tell(self, value: float, slope: np.ndarray) -> None:
        """Take value and slope at the trial, then choose the next."""
        move = self.trial - self.u
        if value >= self.value + 1e-4 * float(self.slope @ move):  # Armijo
            if np.isfinite(self.value):
                self._bend(move, self.slope - slope)
            self.u, self.value, self.slope, self.step = self.trial, value, slope, 1.0
        else:
            self.step *= 0.3
            if self.step < SHORTEST and self.curved:
                self._restart()
        self.trial = self.u + self.step * self._direction()

    def _bend(self, move: np.ndarray, change: np.ndarray) -> None:
        curvature = float(move @ change)
        if curvature <= 1e-9:
            return
        if not self.curved:
            self.inverse *= curvature / float(change @ change)
        turn = np.eye(len(move)) - np.outer(move, change) / curvature
        self.inverse = turn @ self.inverse @ turn.T + np.outer(move, move) / curvature
        self.curved = True

    def _direction(self) -> np.ndarray:
        direction = self.inverse @ self.slope
        length = float(np.linalg.norm(direction))
        return direction * min(1.0, LONGEST / max(length, 1e-30))

    @property
    def over(self) -> bool:
        """Whether it arrived, or has no slope to follow."""
        reach = float(np.linalg.norm(self.trial - self.u))
        return np.isfinite(self.value) and reach < SHORTEST


def tune(
    rule: Rule,
    arena: Arena,
    bounds: Bounds,
    budget: int = 2000,
    *,
    method: Method = "auto",
    seed: int = 0,
    objective: Objective | None = None,
) -> Tuned:
    """Tune the constants of a rule on the instances of an arena.

    Parameters
    ----------
    rule
        Its constants are tuned; see `extract_constants` for one whose numbers are written into its equations.
    arena, bounds
        Training instances, and what 0 and 1 mean on them.
    budget
        Rules to simulate, a slope counting as one per constant. The last batch may exceed it by its size.
    method
        `auto` climbs, unless the rule jumps or no slope leads anywhere.
    objective
        Of a rule with the same equations on the same arena, such as an earlier result's: then nothing is compiled.

    Raises
    ------
    UserError
        If the rule reads what the task's network does not show.
    """
    objective = objective or Objective(rule, arena, bounds)
    rng, spent = np.random.default_rng(seed), objective.evaluations
    first = np.array([*rule.constants.values()], float)
    axes = Axes(first)
    start = objective.score(first[None])
    best = Best(start)
    if first.size:
        u = _scatter(first.size, rng)[: max(budget - 1, 1)]
        points = objective.score(axes.constants(u))
        best.see(u, points, "sampling")
        spread = WIDE
        if method == "gradient" or (method == "auto" and not jumps(rule)):
            share = budget if method == "gradient" else int(budget * (1 - POLISH))
            starts = u[np.argsort(-points.guide, kind="stable")]
            if _climb(objective, axes, best, starts, spent + share, rng):
                spread = NARROW
        if method != "gradient":
            _evolve(objective, axes, best, spread, spent + budget, rng)
    kept = best.fitness > best.before + WORTH
    values = dict(zip(objective.names, map(float, best.constants), strict=True))
    return Tuned(
        rule=rule.with_constants(**values) if kept else rule,
        score=best.fitness if kept else best.before,
        before=best.before,
        evaluations=objective.evaluations - spent,
        method=best.method if kept else "none",
        scores=best.scores if kept else start.scores[0],
        objective=objective,
    )


def jumps(rule: Rule) -> bool:
    """Whether an equation has a step, so that slopes miss part of what a constant does."""
    return any(e.has(*_JUMPS) for e in rule.equations.values())


def _scatter(count: int, rng: np.random.Generator) -> np.ndarray:
    """Where to look first: the start, all constants times powers of 2, and points around."""
    scaled = np.log(2.0) * np.arange(-3, 4)[:, None] * np.ones(count)
    around = rng.normal(size=(2 * LANES - len(scaled), count))
    return np.concatenate([scaled, around])


def _climb(
    objective: Objective,
    axes: Axes,
    best: Best,
    starts: np.ndarray,
    limit: int,
    rng: np.random.Generator,
) -> bool:
    """Climb from several points at once; who has arrived starts again near the best. Tells if any got higher."""
    climbs = [Climb(u) for u in starts[:SLOPE_LANES]]
    waited, rose = 0, False
    while objective.evaluations < limit and waited < PATIENCE:
        u = np.array([c.trial for c in climbs])
        points = objective.climb(axes.constants(u))
        improved = best.see(u, points, "gradient")
        waited, rose = 0 if improved else waited + 1, rose or improved
        for climb, value, slope in zip(climbs, points.guide, axes.slopes(u, points), strict=True):
            climb.tell(float(value), slope)
        climbs = [
            Climb(best.u + 0.3 * rng.normal(size=len(best.u))) if c.over else c for c in climbs
        ]
    return rose


def _evolve(
    objective: Objective,
    axes: Axes,
    best: Best,
    sigma: float,
    limit: int,
    rng: np.random.Generator,
) -> None:
    """CMA-ES around the best point, until the samples lie closer together than the shortest step."""
    from cmaes import CMA  # late: it imports SciPy's statistics, which take a second

    strategy = CMA(best.u, sigma, population_size=LANES, seed=int(rng.integers(2**31)))
    while objective.evaluations < limit and not strategy.should_stop():
        u = np.array([strategy.ask() for _ in range(LANES)])
        points = objective.score(axes.constants(u))
        best.see(u, points, "evolution")
        strategy.tell(list(zip(u, -points.guide, strict=True)))  # it minimises
        if u.std(axis=0).max() < SHORTEST:
            return
