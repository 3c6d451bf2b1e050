"""Every rule at the best of several learning rates, so that a score does not reward a rule for large numbers.

A rule that is k times another one learns the same, k times as fast; where a score is taken over time, the faster one
wins, and a search finds nothing but larger factors. Here a rule's fitness is its best over rates that are fixed
beforehand. That is a race: every rule learns at all rates on the first group of instances, and only at the `FINAL`
most promising ones, if they can still matter, on the others. A default search on `pca` takes 1.6 to 2.8 times as
long as at one rate.
"""

from collections.abc import Sequence

import numpy as np

from evolve.evaluation.arena import WORST, Arena, Bounds, Scores
from evolve.evaluation.evaluator import Evaluator, Gains
from evolve.evaluation.pending import PendingScores
from substrate.compilation.graph import Graph
from substrate.rule import Rule

#: Factors on the task's learning rate.
RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
#: Rates of each rule that are tried on all instances.
FINAL = 2
#: Rounding in a bound.
ROUNDING = 1e-6


class BestRate:
    """An evaluator whose fitness is that at the best of several rates; everything else is left to another one.

    Parameters
    ----------
    evaluator
        Scores rules at given rates.
    """

    def __init__(self, evaluator: Evaluator, rates: Sequence[float] = RATES) -> None:
        self.inner, self.rates = evaluator, tuple(rates)
        self.lanes = max(1, evaluator.lanes // len(self.rates))
        self.width = max(1, evaluator.width // len(self.rates))
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
        repeated = [[graph for graph in own for _ in self.rates] for own in wanted]
        factors = [list(self.rates) * len(own) for own in wanted]
        if not self.races:
            return self._best_of_all(self.inner.begin(repeated, None, factors))
        impossible = [[np.inf] * len(own) for own in repeated]
        tried = self.inner.begin(repeated, impossible, factors)
        return self._race(wanted, thresholds, tried)

    def _best_of_all(self, pending: PendingScores) -> PendingScores:
        for found in pending:
            if found is None:
                yield None
            else:
                yield [own.reshape(-1, len(self.rates)).max(axis=1, initial=WORST) for own in found]

    def _race(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None,
        tried: PendingScores,
    ) -> PendingScores:
        """Go on with the rates that are promising on the first group."""
        bounds: list[np.ndarray] = []
        for found in tried:
            if found is None:
                yield None
            else:
                bounds = [own.reshape(-1, len(self.rates)) for own in found]
        going = []  # of every search: rules and rates that go on
        for search, own in enumerate(bounds):
            least = -np.inf if thresholds is None else np.array(thresholds[search])[:, None]
            order = np.argsort(-own, axis=1, kind="stable")[:, :FINAL]
            best = np.take_along_axis(own, order, axis=1)
            rule, place = np.nonzero((best > WORST) & (best + ROUNDING >= least))
            going.append((rule, order[rule, place]))
        fitness = [own.max(axis=1, initial=WORST) for own in bounds]
        if any(len(rule) for rule, _ in going):
            graphs = [
                [own[i] for i in rule.tolist()]
                for own, (rule, _) in zip(wanted, going, strict=True)
            ]
            factors = [[self.rates[i] for i in rate.tolist()] for _, rate in going]
            least_of = None
            if thresholds is not None:
                least_of = [
                    [own[i] for i in rule.tolist()]
                    for own, (rule, _) in zip(thresholds, going, strict=True)
                ]
            pending = self.inner.begin(graphs, least_of, factors)
            yield None
            for found in pending:
                if found is None:
                    yield None
                    continue
                for own, (rule, _), values in zip(fitness, going, found, strict=True):
                    own[rule] = WORST  # what was a bound
                    np.maximum.at(own, rule, values)
        yield fitness

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
