"""What a search knows before it begins: all short rules, scored on its training instances.

The best of them found the islands and the archives, so that the search spends its time on what is longer. Without
this a search over a rich alphabet is lost: of the 15,580 rules of up to three operations over six observables, say,
it meets only some, and follows the first that is better than nothing.

Where functions are dear or slow variables make many rules, sums and products alone are listed up to a larger size
than everything. Where rules are scored at the best of several rates, all are looked at with the task's rate, and the
best of them with the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evolve.config.run_config import RunConfig
from evolve.config.survey_config import SurveyConfig
from evolve.evaluation.evaluator import Evaluator
from evolve.evaluation.pending import wait
from evolve.ranking.on_chip import apply_admission
from evolve.search.encode import encode
from evolve.search.genome import express
from evolve.search.individual import Individual
from evolve.search.lookahead import Lookahead
from evolve.search.score_cache import Key
from evolve.survey.forecast import listed, seconds_of
from evolve.survey.formulas import Formulas
from evolve.survey.rules import Rules, rules
from substrate.compilation.graph import Graph
from substrate.errors import UserError

#: Seconds that may be spent where nobody says how much should be known, half of them on all rules; and the smallest
#: and the largest size that is worth it. The seconds are those of the forecast, which depends on the configuration
#: alone.
SECONDS, SMALLEST, LARGEST = 6.0, 2, 5
#: Formulas that are listed at most to find out how many rules there are.
LISTED = 60_000
#: Functions of the larger list.
PLAIN = ("add", "sub", "mul")
#: Rules of one call, and how many of the best are looked at with several rates.
BATCH, BEST = 2048, 512


@dataclass(frozen=True)
class ShortRules:
    """Rules that a search is to know, each once, shortest first.

    Parameters
    ----------
    lists
        Everything up to `complete` operations, and perhaps sums and products up to more.
    """

    lists: tuple[Rules, ...]
    entries: tuple[tuple[int, int], ...]  # list and place
    complete: int

    @classmethod
    def of(cls, everything: Rules, sums: Rules | None, complete: int) -> "ShortRules":
        """Both lists together."""
        lists = (everything,) if sums is None else (everything, sums)
        known: set[Key] = set()
        entries = []
        for number, some in enumerate(lists):
            for place in range(len(some)):
                key = some.keys(place)
                if key not in known:
                    known.add(key)
                    entries.append((number, place))
        entries.sort(key=lambda entry: int(lists[entry[0]].sizes[entry[1]]))
        return cls(lists, tuple(entries), complete)

    def __len__(self) -> int:
        return len(self.entries)

    def graph(self, rule: int) -> Graph:
        """One of them, ready to be scored."""
        number, place = self.entries[rule]
        return self.lists[number].graph(place)

    def key(self, rule: int) -> Key:
        """Its fingerprint."""
        number, place = self.entries[rule]
        return self.lists[number].keys(place)

    @property
    def plain(self) -> int:
        """Operations up to which it has all sums and products."""
        return max(rules.formulas.size for rules in self.lists)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Operations of every rule."""
        return np.array([self.lists[number].sizes[place] for number, place in self.entries])


def list_short_rules(config: RunConfig) -> ShortRules | None:
    """The rules up to `variation.survey` operations, or what is affordable; None if that is nothing.

    Raises
    ------
    UserError
        If so many cannot be listed or scored, or if the rules have several equations for the weights.
    """
    size, grid = config.variation.survey, config.grid
    if size == 0:
        return None
    if size is not None:
        everything, _ = listed(config, SurveyConfig(size=size))
        return ShortRules.of(everything, None, size)
    if config.variation.start is not None or len(config.genes.equations) > 1:
        return None
    plain = tuple(name for name in grid.primitives if name in PLAIN)
    if plain == grid.primitives and not config.genes.slow:
        whole, sums = _largest(config, grid.terminals, plain, SECONDS), None
    else:
        whole = _largest(config, grid.terminals, grid.primitives, SECONDS / 2)
        leaves = tuple(leaf for leaf in grid.terminals if leaf not in config.genes.slow)
        sums = _largest(config, leaves, plain, SECONDS / 2)
    if whole is None or max(r.formulas.size for r in (whole, sums) if r) < SMALLEST:
        return None
    return ShortRules.of(whole, sums, whole.formulas.size)


def _largest(
    config: RunConfig, leaves: Sequence[object], functions: tuple[str, ...], seconds: float
) -> Rules | None:
    """All rules up to the largest size that is affordable."""
    found = Formulas(leaves, functions)  # type: ignore[arg-type]
    if not functions or found.expected(1)[-1] > LISTED:
        return None
    best = None
    while found.size < LARGEST and found.expected(found.size + 1)[-1] <= LISTED:
        found.extend()
        larger = rules(found.up_to(found.size), config.grid.outputs)
        if not _affordable(config, len(larger), functions, seconds):
            break
        best = larger
    return best


def _affordable(config: RunConfig, count: int, functions: tuple[str, ...], seconds: float) -> bool:
    most = config.stop.evaluations
    variation = config.variation
    children = variation.islands * variation.children * config.stop.generations
    if count > children or (most is not None and 2 * count > most):
        return False
    return seconds_of(config, SurveyConfig(), count, functions) <= seconds


def score(
    short: ShortRules,
    configs: Sequence[RunConfig],
    evaluator: Evaluator,
    ended: Callable[[], bool],
) -> tuple[int, list[dict[int, float]]]:
    """How many rules were scored, and fitness by rule on the training instances of every search.

    Parameters
    ----------
    ended
        Asked after every call whether to end there.
    """
    at_task_rate: list[list[float]] = [[] for _ in configs]
    stopped = False
    for first in range(0, len(short), BATCH):
        places = range(first, min(first + BATCH, len(short)))
        graphs = [[short.graph(place) for place in places]] * len(configs)
        scores = wait(evaluator.begin(graphs, None, [[1.0] * len(places)] * len(configs)))
        for own, config, values, some in zip(at_task_rate, configs, scores, graphs, strict=True):
            own += apply_admission(config, some, values).tolist()
        stopped = ended()
        if stopped:
            break
    found = [dict(enumerate(own)) for own in at_task_rate]
    if not configs[0].at_best_rate or stopped:
        return len(found[0]), found
    best = []
    for own in at_task_rate:
        values = np.array(own)
        promising = _best_of_all(values, BEST) + _best_of_sizes(values, short.sizes)
        best.append(list(dict.fromkeys(promising)))
    graphs = [[short.graph(place) for place in own] for own in best]
    scores = wait(evaluator.begin(graphs))
    pairs = zip(best, scores, strict=True)
    return len(short), [dict(zip(own, values.tolist(), strict=True)) for own, values in pairs]


def _best_of_all(scores: np.ndarray, count: int) -> list[int]:
    """Places of the best rules, the best first and the shorter of equals first."""
    best: list[int] = np.argsort(-scores, kind="stable")[:count].tolist()
    return best


def _best_of_sizes(scores: np.ndarray, sizes: np.ndarray) -> list[int]:
    """Places of the best rule of every size."""
    own = (np.flatnonzero(sizes == size) for size in range(int(sizes.max()) + 1))
    return [int(places[np.argmax(scores[places])]) for places in own if len(places)]


def give(
    short: ShortRules,
    found: dict[int, float],
    looked_at: int,
    config: RunConfig,
    search: Lookahead,
) -> None:
    """Tell a search that has not begun what is known; `looked_at` rules were scored for that."""
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(0x5E,)))

    def individual(place: int) -> Individual | None:
        try:
            genome = encode(config.grid, short.graph(place), rng)
        except UserError:  # a grid of few columns
            return None
        return Individual(genome, express(config.grid, genome), found[place])

    places, scores = np.array(list(found)), np.array(list(found.values()))

    def individuals(best: list[int]) -> list[Individual]:
        some = (individual(int(place)) for place in places[best])
        return [one for one in some if one is not None]

    search.begin_with(
        individuals(_best_of_all(scores, config.variation.islands)),
        individuals(_best_of_sizes(scores, short.sizes[places])),
        {short.key(place): score for place, score in found.items()},
        looked_at,
    )
