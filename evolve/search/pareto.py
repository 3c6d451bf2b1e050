"""Two objectives: NSGA-II within a search (Deb et al. 2002), and the front that a person chooses from.

A search maximises the score and minimises the number of operations. The front of a run holds the rules of which none
is both shorter and better on validation instances; what each adds to the one before it, per operator, says whether
its length pays.
"""

from collections.abc import Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from deap import base, tools

from evolve.search.individual import Individual
from evolve.search.score_cache import Key

#: The knee is looked for among rules whose distance from a perfect score is at most so many times the best rule's.
TOLERANCE = 1.5


class ScoreAndSize(base.Fitness):
    """Score up, number of operations down."""

    weights = (1.0, -1.0)


class ScoreSizeAndCost(base.Fitness):
    """Score up, number of operations and cost on a chip down."""

    weights = (1.0, -1.0, -1.0)


class Point:
    """An individual with a fitness of its own, on which DEAP may write: individuals live on several islands."""

    __slots__ = ("fitness", "individual")

    def __init__(self, individual: Individual, cost: bool = False) -> None:
        self.individual = individual
        own = individual.score, individual.size
        self.fitness = (
            ScoreSizeAndCost((*own, individual.phenotype.cost)) if cost else ScoreAndSize(own)
        )

    def __deepcopy__(self, memo: object) -> "Point":
        """DEAP's archives copy what they keep."""
        return self


def nsga2(candidates: Sequence[Individual], count: int, cost: bool = False) -> list[Individual]:
    """The individuals that NSGA-II keeps, those that win tournaments first.

    They are ordered by rank, within a rank by crowding distance, and the best score stands first of all. Each formula
    takes part once, in its shortest form and of equal forms in the one listed first, or copies would fill the front;
    so fewer than `count` may be left. With `cost`, what a rule costs on a chip is a third objective, to be small.
    """
    distinct: dict[Key, Individual] = {}
    for candidate in candidates:
        rival = distinct.setdefault(candidate.phenotype.key, candidate)
        if rival is not candidate and candidate.size < rival.size:
            distinct[candidate.phenotype.key] = candidate
    points = [Point(i, cost) for i in distinct.values()]
    kept = tools.selNSGA2(points, count, nd="log")
    return [
        point.individual
        for rank in tools.sortLogNondominated(kept, count)
        for point in sorted(rank, key=lambda p: (-p.fitness.crowding_dist, -p.individual.score))
    ]


def front(individuals: Iterable[Individual]) -> list[Individual]:
    """Those that no other one beats in score and size, simplest first."""
    archive = tools.ParetoFront()
    archive.update([Point(i) for i in individuals])
    return sorted((point.individual for point in archive), key=lambda i: i.size)


class Judged(Protocol):
    """A rule with its number of operators and its validation score."""

    @property
    def operators(self) -> int:
        """How long it is."""

    @property
    def validation(self) -> float:
        """How good it is."""


J = TypeVar("J", bound=Judged)


class Step(NamedTuple, Generic[J]):
    """A rule of the front, and the score it gains per operator over the one before; the first gains nothing."""

    rule: J
    gain: float


def steps(candidates: Iterable[J], chosen: J | None = None) -> list[Step[J]]:
    """The front of operators against validation score, simplest first; the chosen rule is on it in any case."""
    found: list[Step[J]] = []
    best: float | None = None
    for one in sorted(candidates, key=lambda c: (c.operators, -c.validation)):
        if one is not chosen and best is not None and one.validation <= best:
            continue
        before = found[-1].rule if found else one
        length = one.operators - before.operators
        found.append(Step(one, (one.validation - before.validation) / length if length else 0.0))
        best = one.validation if best is None else max(best, one.validation)
    return found


def knee(candidates: Iterable[J]) -> J:
    """The rule that gains most per operator, among those of the front that are good enough.

    Good enough is a loss, the distance from a perfect score of 1, of at most `TOLERANCE` times the least; so a first
    step out of doing nothing is not what wins. The longer of two rules that gain the same comes second.
    """
    on_front = steps(candidates)
    best = on_front[-1].rule.validation
    least = best - (TOLERANCE - 1) * max(0.0, 1 - best)
    return max((s for s in on_front if s.rule.validation >= least), key=lambda s: s.gain).rule
