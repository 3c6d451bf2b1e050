"""Every rule at the best of several learning rates, so that a score does not reward a rule for large numbers.

A rule that is k times another one learns the same, k times as fast; where a score is taken over time, the faster one
wins, and a search finds nothing but larger factors. Here a rule's fitness is its best over rates that are fixed
beforehand, found by a race:

1. Every rule learns on the first group of instances at the `COARSE` rates.
2. Where that comes near what matters, it learns there at the rates beside the best of them too.
3. At the `FINAL` most promising rates it learns on the other groups, if it can still matter.

Without thresholds everything is near what matters. A rule that diverges at all coarse rates counts as diverged.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from evolve.evaluation.arena import WORST, Arena, Bounds, Scores
from evolve.evaluation.evaluator import Evaluator, Gains
from evolve.evaluation.pending import PendingScores
from substrate.compilation.graph import Graph
from substrate.rule import Rule

#: Factors on the task's learning rate, and the places of those that every rule is tried at.
RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
COARSE = (1, 3, 5)
#: A score near what matters: the next rate may be better by that much, as a mean over all groups.
NEAR = 0.1
#: Rates of each rule that are tried on all instances.
FINAL = 2
#: Rounding in a bound.
ROUNDING = 1e-6

#: Of every search, the rules and the rates of pairs that learn, as places.
Pairs = list[tuple[np.ndarray, np.ndarray]]


class BestRate:
    """An evaluator whose fitness is that at the best of several rates; everything else is left to another one.

    Parameters
    ----------
    evaluator
        Scores rules at given rates.
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.inner = evaluator
        self.lanes = max(1, evaluator.lanes // len(COARSE))
        self.width = max(1, evaluator.width // len(COARSE))
        self.asynchronous, self.races = evaluator.asynchronous, evaluator.races

    def warm(self) -> None:
        """As the evaluator."""
        self.inner.warm()

    def begin(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None = None,
        gains: Sequence[Sequence[float]] | None = None,
    ) -> PendingScores:
        """Start on the fitness of rules, each at the best of the rates; with gains, at those."""
        if gains is not None:
            return self.inner.begin(wanted, thresholds, gains)
        if not self.races:
            pairs = [_all_pairs(len(own), range(len(RATES))) for own in wanted]
            fitness = [np.full(len(own), WORST) for own in wanted]
            return _best(fitness, pairs, self._begin(wanted, pairs))
        pairs = [_all_pairs(len(own), COARSE) for own in wanted]
        return self._race(wanted, thresholds, pairs, self._begin(wanted, pairs, tried=True))

    def _begin(
        self,
        wanted: Sequence[Sequence[Graph]],
        pairs: Pairs,
        tried: bool = False,
        thresholds: Sequence[np.ndarray] | None = None,
    ) -> PendingScores:
        """Let pairs of a rule and a rate learn: on the first group if that is a trial, else on all."""
        graphs = [[own[i] for i in r.tolist()] for own, (r, _) in zip(wanted, pairs, strict=True)]
        gains = [[RATES[i] for i in rate.tolist()] for _, rate in pairs]
        least = None
        if tried:
            least = [[np.inf] * len(own) for own in graphs]
        elif thresholds is not None:
            least = [t[r].tolist() for t, (r, _) in zip(thresholds, pairs, strict=True)]
        return self.inner.begin(graphs, least, gains)

    def _race(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None,
        coarse: Pairs,
        pending: PendingScores,
    ) -> PendingScores:
        """Go on with the rates that are promising on the first group."""
        least = [
            np.full(len(own), -np.inf) if thresholds is None else np.array(thresholds[i], float)
            for i, own in enumerate(wanted)
        ]
        bounds = [np.full((len(own), len(RATES)), WORST) for own in wanted]
        yield from _note(bounds, coarse, pending)
        beside = [_beside_the_best(*both) for both in zip(bounds, least, strict=True)]
        if any(len(rule) for rule, _ in beside):
            pending = self._begin(wanted, beside, tried=True)
            yield None
            yield from _note(bounds, beside, pending)
        fitness = [own.max(axis=1, initial=WORST) for own in bounds]
        going = [_promising(*both) for both in zip(bounds, least, strict=True)]
        if not any(len(rule) for rule, _ in going):
            yield fitness
            return
        pending = self._begin(wanted, going, thresholds=least)
        yield None
        for own, (rule, _) in zip(fitness, going, strict=True):
            own[rule] = WORST  # what was a bound
        yield from _best(fitness, going, pending)

    def score_graphs(
        self,
        graphs: Sequence[Sequence[Graph]],
        arenas: Sequence[Arena],
        gains: Sequence[Sequence[float]] | None = None,
    ) -> list[np.ndarray]:
        """As the evaluator: at the task's rate, or at given ones."""
        return self.inner.score_graphs(graphs, arenas, gains)

    def measure(
        self, rules: Sequence[Sequence[Rule]], arenas: Sequence[Arena], gains: Gains | None = None
    ) -> list[dict[str, Scores]]:
        """As the evaluator."""
        return self.inner.measure(rules, arenas, gains)

    def bounds(self, arena: Arena) -> Bounds:
        """As the evaluator."""
        return self.inner.bounds(arena)

    def bounds_of(self, arenas: Sequence[Arena]) -> list[Bounds]:
        """As the evaluator."""
        return self.inner.bounds_of(arenas)

    def on(self, arenas: Sequence[Arena], capacity: int) -> Evaluator:
        """As the evaluator."""
        return self.inner.on(arenas, capacity)


def _note(bounds: list[np.ndarray], pairs: Pairs, pending: PendingScores) -> Iterator[None]:
    """Wait for what pairs reach on the first group, and write it into arrays (rule, rate)."""
    for found in pending:
        if found is None:
            yield None
            continue
        for own, (rule, rate), values in zip(bounds, pairs, found, strict=True):
            own[rule, rate] = values


def _best(fitness: list[np.ndarray], pairs: Pairs, pending: PendingScores) -> PendingScores:
    """Fitness, raised to what the pairs of each rule reach."""
    for found in pending:
        if found is None:
            yield None
            continue
        for own, (rule, _), values in zip(fitness, pairs, found, strict=True):
            np.maximum.at(own, rule, values)
        yield fitness


def _all_pairs(rules: int, rates: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(np.arange(rules), len(rates)), np.tile(np.array(rates), rules)


def _beside_the_best(bounds: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rates beside the best one of each rule that is near what matters."""
    best = bounds.argmax(axis=1)
    highest = bounds.max(axis=1, initial=WORST)
    rules = np.flatnonzero((highest > WORST) & (highest + NEAR >= least))
    beside = best[rules][:, None] + np.array([-1, 1])
    return np.repeat(rules, 2), beside.ravel()


def _promising(bounds: np.ndarray, least: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rates of each rule that are most promising, if it can still matter there."""
    order = np.argsort(-bounds, axis=1, kind="stable")[:, :FINAL]
    best = np.take_along_axis(bounds, order, axis=1)
    rule, place = np.nonzero((best > WORST) & (best + ROUNDING >= least[:, None]))
    return rule, order[rule, place]


def rates_of_graphs(
    evaluator: Evaluator, graphs: Sequence[Sequence[Graph]], arenas: Sequence[Arena]
) -> list[list[float]]:
    """The rate at which each rule scores best on the training instances of its search."""
    repeated = [[graph for graph in own for _ in RATES] for own in graphs]
    scores = evaluator.score_graphs(repeated, arenas, [list(RATES) * len(own) for own in graphs])
    means = [own.mean(axis=1).reshape(-1, len(RATES)) for own in scores]
    return [[RATES[i] for i in own.argmax(axis=1).tolist()] for own in means]


def rates_of_rules(evaluator: Evaluator, rules: Sequence[Rule], arena: Arena) -> dict[str, float]:
    """The same for rules by their name, on one arena."""
    (tried,) = evaluator.measure([rules], [arena], dict.fromkeys((r.name for r in rules), RATES))
    return {name: RATES[int(np.argmax(s.fitness))] for name, s in tried.items()}
