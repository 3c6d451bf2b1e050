"""Simple values for tuned constants, where they cost nothing that could be measured.

A value is tried for one constant alone, and together with all constants that are still free scaled by the same
factor: rules often depend on ratios first, so that 4.1 and 4.2 may become 4 and 4.1 where 4 and 4.2 would not do.
Each round the simplest value that costs nothing is taken, for any constant, until none is left. Zero is the simplest
of all, since it drops a term.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from sympy import Expr, Float, Integer, Rational

from evolve.tuning.objective import Points
from evolve.tuning.optimise import Tuned
from evolve.tuning.parametrise import substituted
from substrate.rule import Rule

#: A loss in mean score up to this is nothing, whatever its standard error: scores are printed to three places.
NOTHING = 1e-4
#: Largest loss in mean score against the tuned constants, all constants together.
TOLERANCE = 1e-3
#: Values are tried within this factor of the tuned one.
WINDOW = 2.0

#: The simplest magnitudes, simplest rung first; decimals of one to three digits follow.
LADDER: tuple[tuple[Fraction, ...], ...] = (
    (Fraction(1),),
    (*map(Fraction, range(2, 11)), Fraction(1, 2), *(Fraction(10) ** p for p in range(-6, 7))),
    tuple(
        Fraction(n, d)
        for d, ns in {2: (3, 5, 7, 9), 3: (1, 2, 4, 5), 4: (1, 3)}.items()
        for n in ns
    ),
)
#: So many of a rung's values are tried, the nearest ones.
NEAREST = 2


class Proposal(NamedTuple):
    """A simple value for one constant, and what all constants then are."""

    rung: int  # of the ladder; -1 for zero
    constant: int
    value: Fraction
    constants: np.ndarray  # (constant,)


@dataclass(frozen=True)
class Rounded:
    """A rule with simple constants."""

    rule: Rule  # still with named constants
    exact: dict[str, Expr]  # the numbers to write, by constant
    score: float  # training fitness
    loss: float  # of mean score against the tuned constants
    evaluations: int  # of rounding alone

    @property
    def written(self) -> Rule:
        """The rule with its numbers in the equations."""
        return substituted(self.rule, self.exact)


def round_constants(tuned: Tuned, tolerance: float = TOLERANCE) -> Rounded:
    """Replace constants by simple values as long as that costs nothing measurable on the training instances.

    Parameters
    ----------
    tuned
        What `evolve.tuning.optimise.tune` returned; its compiled program is used again.
    tolerance
        Largest loss in mean score; besides, the loss must be within one standard error of the paired differences,
        unless it is below `NOTHING`. It is counted from the tuned constants, so losses do not add up.
    """
    objective, names = tuned.objective, tuned.objective.names
    spent = objective.evaluations
    constants = np.array([tuned.rule.constants[name] for name in names])
    may_vanish = [_finite(tuned.rule, name) for name in names]
    fixed: dict[int, Fraction] = {}
    score, scores = tuned.score, tuned.scores
    while len(fixed) < len(constants):
        proposals = list(_proposals(constants, fixed, may_vanish))
        points = objective.score(np.array([p.constants for p in proposals]))
        passed = [i for i in range(len(proposals)) if _costs_nothing(points, i, tuned, tolerance)]
        if not passed:
            break
        i = min(passed, key=lambda i: (proposals[i].rung, -points.fitness[i], i))
        fixed[proposals[i].constant] = proposals[i].value
        constants, score, scores = proposals[i].constants, points.fitness[i], points.scores[i]
    return Rounded(
        rule=tuned.rule.with_constants(**dict(zip(names, map(float, constants), strict=True))),
        exact={names[i]: _expression(value) for i, value in fixed.items()},
        score=float(score),
        loss=float((tuned.scores - scores).mean()),
        evaluations=objective.evaluations - spent,
    )


def _proposals(
    constants: np.ndarray, fixed: dict[int, Fraction], may_vanish: Sequence[bool]
) -> Iterator[Proposal]:
    """Values to try for every constant that is free."""
    free = np.array([i not in fixed for i in range(len(constants))])
    for i, c in enumerate(map(float, constants)):
        if not free[i]:
            continue

        def proposal(rung: int, value: Fraction, rest: np.ndarray, i: int = i) -> Proposal:
            changed = rest.copy()
            changed[i] = float(value)
            return Proposal(rung, i, value, changed)

        if may_vanish[i] or c == 0:
            yield proposal(-1, Fraction(0), constants)
        for rung, magnitude in _near(abs(c)) if c != 0 else ():
            value = magnitude if c > 0 else -magnitude
            yield proposal(rung, value, constants)
            if free.sum() > 1:
                yield proposal(
                    rung, value, np.where(free, constants * (float(value) / c), constants)
                )


def _near(magnitude: float) -> Iterator[tuple[int, Fraction]]:
    """The nearest values of each rung, within the window; then decimals."""
    seen: set[Fraction] = set()
    decimals = (_decimals(magnitude, digits) for digits in (1, 2, 3))
    for rung, values in enumerate((*LADDER, *decimals)):
        inside = [v for v in values if v not in seen and 1 / WINDOW <= v / magnitude <= WINDOW]
        inside.sort(key=lambda v: (abs(np.log(float(v) / magnitude)), v))
        seen.update(inside[:NEAREST])
        yield from ((rung, v) for v in inside[:NEAREST])


def _decimals(magnitude: float, digits: int) -> tuple[Fraction, ...]:
    """The two decimals of so many digits on either side."""
    unit = Fraction(10) ** (int(np.floor(np.log10(magnitude))) - digits + 1)
    below = int(magnitude / unit)
    return (below * unit, (below + 1) * unit)


def _finite(rule: Rule, name: str) -> bool:
    """Whether the rule can be written with this constant zero."""
    try:
        substituted(rule, {name: Integer(0)})
    except ArithmeticError:
        return False
    return True


def _costs_nothing(points: Points, i: int, tuned: Tuned, tolerance: float) -> bool:
    """Whether a point is as good as the tuned constants; one that diverges somewhere is not."""
    loss = tuned.scores - points.scores[i]
    error = float(loss.std(ddof=1)) / np.sqrt(loss.size)
    allowed = max(min(error, tolerance), NOTHING)
    return bool(tuned.score - points.fitness[i] <= allowed and loss.mean() <= allowed)


def _expression(value: Fraction) -> Expr:
    """Whole numbers, thirds and what is below 1 exactly where it is short; else decimals, as people write them."""
    short = value.denominator in (1, 3) or (value.denominator in (2, 4) and abs(value) < 1)
    return Rational(value.numerator, value.denominator) if short else Float(float(value))
