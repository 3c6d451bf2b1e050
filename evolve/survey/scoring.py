"""Score every rule of a list, at one learning rate or at the best of several, with none lost that matters.

At one rate every rule learns on all training instances. At several it is a race in two passes:

1. Every rule learns at every rate on the first group of instances of the first setting. What it scores there bounds
   its score on all instances, for nothing is better than perfect on the rest.
2. Pairs of a rule and a rate learn on everything, the most promising first, as long as their bound is above what
   their rule has reached at another rate and either reaches the best score of their size, or comes within a margin of
   the best of all and is above the `keep`-th best.

So the best rule of every size is known, and the `keep` best that come within the margin, each with its exact score
and the rate at which it has it. A rule that diverges at all rates has the worst score. (Where a family has no ceiling
that nothing exceeds, nothing bounds a score, and every pair learns on everything.)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evolve.evaluation.arena import WORST
from evolve.evaluation.evaluator import Evaluator
from evolve.evaluation.pending import wait
from substrate.compilation.graph import Graph

#: Pairs of a rule and a rate of one call: enough to fill every block, few enough for progress to be seen.
BATCH = 2048
#: Rounding in a bound, of scores that are means of some hundred numbers in float32.
ROUNDING = 1e-5


def geometric(count: int, span: float = 16.0) -> tuple[float, ...]:
    """Factors on the task's learning rate: 1, or `count` from 1 / span to span with equal ratios."""
    if count == 1:
        return (1.0,)
    return tuple(float(f) for f in span ** np.linspace(-1, 1, count))


@dataclass
class Scores:
    """What a survey knows of its rules, arrays (rule,)."""

    rates: tuple[float, ...]
    keep: int  # how many of the best have exact scores, if they come within the margin
    score: np.ndarray  # training score where `exact`, else a bound that it cannot exceed
    rate: np.ndarray  # the factor on the task's rate at which it has that score
    exact: np.ndarray  # whether it has learned on all training instances, or diverged
    diverged: np.ndarray  # whether it diverges at every rate
    done: int = 0  # rules that were looked at; those after them were not reached
    certain: bool = False  # whether the best of those are known to be the best

    @classmethod
    def of(cls, rules: int, rates: Sequence[float], keep: int) -> "Scores":
        """Nothing is known yet."""
        return cls(
            rates=tuple(rates),
            keep=keep,
            score=np.full(rules, WORST),
            rate=np.ones(rules),
            exact=np.zeros(rules, bool),
            diverged=np.zeros(rules, bool),
        )

    @property
    def best(self) -> np.ndarray:
        """Places of the best rules, the best first and the shorter of equals first."""
        places = np.flatnonzero(self.exact)
        return places[np.argsort(-self.score[places], kind="stable")][: self.keep]

    def best_of(self, places: np.ndarray) -> int | None:
        """The best of these with an exact score, the first of equals."""
        known = places[self.exact[places]]
        return int(known[np.argmax(self.score[known])]) if len(known) else None


Graphs = Callable[[int], Graph]
#: Told how many of how many rules are done; whether to end, with what there is.
Progress = Callable[[int, int], bool]


def score_all(
    graph: Graphs,
    sizes: np.ndarray,
    evaluator: Evaluator,
    rates: Sequence[float] = (1.0,),
    keep: int = 300,
    margin: float = 0.1,
    progress: Progress = lambda done, of: False,
) -> Scores:
    """Score the rules of a list, shortest first.

    Parameters
    ----------
    graph
        Makes the rule of a place.
    sizes
        Operations of every rule of the list.
    evaluator
        Scores them on the training instances of its first arena.
    rates
        Factors on the task's learning rate.
    keep
        So many of the best rules have exact scores, ...
    margin
        ... if they come that close to the best.
    progress
        May end the scoring after any batch; rules that were not reached are left out.
    """
    scores = Scores.of(len(sizes), rates, keep)
    if len(rates) == 1 or not evaluator.races:
        _score_each(graph, scores, evaluator, progress)
    else:
        _race(graph, sizes, margin, scores, evaluator, progress)
    return scores


def _score_each(graph: Graphs, scores: Scores, evaluator: Evaluator, progress: Progress) -> None:
    """Every rule on everything, at every rate."""
    count, rates = len(scores.score), scores.rates
    for places in _batches(np.arange(count), max(1, BATCH // len(rates))):
        graphs = [graph(int(place)) for place in places]
        found = _fitness(evaluator, graphs * len(rates), np.repeat(rates, len(places)))
        found = found.reshape(len(rates), -1)
        best = found.argmax(axis=0)
        scores.score[places] = found.max(axis=0)
        scores.rate[places] = np.array(rates)[best]
        scores.exact[places] = True
        scores.diverged[places] = scores.score[places] <= WORST
        scores.done, scores.certain = int(places[-1]) + 1, True
        if progress(scores.done, count):
            return


def _race(
    graph: Graphs,
    sizes: np.ndarray,
    margin: float,
    scores: Scores,
    evaluator: Evaluator,
    progress: Progress,
) -> None:
    """Bound every pair, then let those learn that can matter."""
    count, rates = len(scores.score), np.array(scores.rates)
    bounds = np.full((count, len(rates)), WORST, np.float32)
    for places in _batches(np.arange(count), max(1, BATCH // len(rates))):
        graphs = [graph(int(place)) for place in places]
        found = _fitness(evaluator, graphs * len(rates), np.repeat(rates, len(places)), np.inf)
        bounds[places] = found.reshape(len(rates), -1).T
        scores.done = int(places[-1]) + 1
        if progress(scores.done, count):
            break
    done = scores.done
    scores.score[:done] = bounds[:done].max(axis=1)
    scores.diverged[:done] = scores.score[:done] <= WORST
    reached = np.full(count, -np.inf)  # on everything
    # One stable order: by bound, shorter rules and then lower rates first.
    pairs = np.argsort(-bounds[:done].ravel(), kind="stable")
    stopped = False
    while not stopped:
        least = _thresholds(reached, sizes, scores.keep, margin)
        rule, _ = np.divmod(pairs, len(rates))
        bound = bounds.ravel()[pairs] + ROUNDING
        matters = (bound >= least[sizes[rule]]) & (bound > reached[rule]) & ~scores.diverged[rule]
        pairs = pairs[matters]
        if not len(pairs):
            scores.certain = True
            break
        some, pairs = pairs[:BATCH], pairs[BATCH:]
        rule, rate = np.divmod(some, len(rates))
        found = _fitness(evaluator, [graph(int(r)) for r in rule], rates[rate])
        for place, factor, value in zip(rule, rates[rate], found, strict=True):
            if value > reached[place]:
                reached[place], scores.rate[place] = value, factor
        stopped = progress(count, count)
    learned = np.isfinite(reached)
    scores.score[learned] = reached[learned]
    scores.exact = learned | scores.diverged


def _thresholds(reached: np.ndarray, sizes: np.ndarray, keep: int, margin: float) -> np.ndarray:
    """The score from which a rule matters, by its number of operations."""
    best = np.full(sizes.max() + 1, -np.inf)
    np.maximum.at(best, sizes, reached)
    overall = best.max() - margin
    if keep <= len(reached):
        overall = max(overall, np.partition(reached, -keep)[-keep])
    return np.minimum(best, overall)


def _fitness(
    evaluator: Evaluator, graphs: Sequence[Graph], rates: np.ndarray, threshold: float | None = None
) -> np.ndarray:
    """Fitness of rules at rates of their own; below a threshold only a bound."""
    thresholds = None if threshold is None else [[threshold] * len(graphs)]
    return wait(evaluator.begin([graphs], thresholds, [rates.tolist()]))[0]


def _batches(places: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for first in range(0, len(places), size):
        yield places[first : first + size]
