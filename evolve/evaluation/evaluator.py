"""What scores rules for a search: the interpreter, or programs compiled for them."""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np

from evolve.evaluation import compiled
from evolve.evaluation.arena import INSTANCES_PER_GROUP, WORST, Arena, Bounds, Raw, Scores, join
from evolve.evaluation.interpreter import Interpreter
from evolve.evaluation.layout import ScheduledRule
from evolve.evaluation.pending import PendingScores
from rules_zoo import RULES
from substrate.compilation.graph import Graph
from substrate.rule import Slow


class Evaluator(Protocol):
    """The seam between searches and engines; both give the same scores up to rounding."""

    @property
    def lanes(self) -> int:
        """Formulas that cost as much as one: so many are worth a look ahead."""

    @property
    def width(self) -> int:
        """The same for each of several searches."""

    @property
    def asynchronous(self) -> bool:
        """Whether rules are scored while the process does something else."""

    @property
    def races(self) -> bool:
        """Whether hurdles can save instances."""

    def warm(self) -> None:
        """Compile what does not depend on rules."""

    def begin(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None = None,
    ) -> PendingScores:
        """Start on the fitness of the rules of several searches, each on its training instances.

        Of a rule that cannot reach its hurdle anything below it may be said.
        """

    def score_graphs(
        self, graphs: Sequence[Sequence[Graph]], arenas: Sequence[Arena]
    ) -> list[np.ndarray]:
        """Scores of rules on the arena in their place: (individual, instance of all settings)."""

    def bounds(self, arena: Arena) -> Bounds:
        """Floor and ceiling of an arena."""

    def bounds_of(self, arenas: Sequence[Arena]) -> list[Bounds]:
        """Floors and ceilings of several."""


class Interpreted(Interpreter):
    """The interpreter, for runs that begin and end together."""

    def warm(self) -> None:
        """Compile every machine, and measure all floors in one call: alone, each arena would stay on the devices."""
        super().warm()
        self.bounds_of(self.arenas)

    def score_graphs(
        self, graphs: Sequence[Sequence[Graph]], arenas: Sequence[Arena]
    ) -> list[np.ndarray]:
        """Scores of rules given as graphs, on the arena in their place: (individual, instance of all settings)."""
        codes = [self._schedule(some) for some in graphs]
        raw = self.each([list(own.values()) for own in codes], arenas)
        answers = []
        for some, own, arena, bounds, (quality, _, _) in zip(
            graphs, codes, arenas, self.bounds_of(arenas), raw, strict=True
        ):
            scores = np.full((len(some), len(arena.settings) * arena.instances), WORST)
            if own:
                scores[list(own)] = bounds.normalise(quality).reshape(len(own), -1)
            answers.append(scores)
        return answers

    def each(
        self,
        populations: Sequence[Sequence[ScheduledRule]],
        arenas: Sequence[Arena],
        gains: Sequence[Sequence[float]] | None = None,
        full: bool = False,
    ) -> list[Raw]:
        """Score populations, each on the arena in its place; the arenas have as many instances as each other."""
        answers: list[Raw] = []
        for first in range(0, len(arenas), len(self.arenas)):
            here = slice(first, first + len(self.arenas))
            some, own = arenas[here], populations[here]
            runs = [run for run, population in enumerate(own) for _ in population]
            flat = [codes for population in own for codes in population]
            factors = np.ones(len(flat))
            if gains is not None:
                factors = np.array([g for x in gains[here] for g in x])
            raw: Raw
            if not flat:
                nothing = np.empty((0, len(some[0].settings), some[0].instances))
                raw = nothing, nothing, {}
            elif len(some) == 1:
                raw = self._instances(flat, factors, full, some[0])
            else:
                calls = (self._send(some, rows) for rows in self._rows(some[0]))
                raw = join([self._call(flat, factors, full, e, runs) for e in calls], axis=2)
            for run, arena in enumerate(some):
                mine = np.flatnonzero(np.array(runs) == run)
                cut = partial(_cut, mine=mine, instances=arena.instances)
                answers.append((cut(raw[0]), cut(raw[1]), {k: cut(m) for k, m in raw[2].items()}))
        return answers

    def bounds_of(self, arenas: Sequence[Arena]) -> list[Bounds]:
        """Floors and ceilings of several arenas, measured together: at rate 0 nothing learns, nor does company."""
        missing = [arena for arena in arenas if arena.bounds is None]
        raw = self.each([[self._still(0)]] * len(missing), missing, [[0.0]] * len(missing))
        for arena, (quality, ceiling, _) in zip(missing, raw, strict=True):
            arena.bounds = Bounds(quality[0], ceiling[0])
        return [self.bounds(arena) for arena in arenas]

    def _rows(self, arena: Arena) -> list[np.ndarray]:
        """The groups of an arena that are scored in each call."""
        total = arena.instances // INSTANCES_PER_GROUP
        firsts = range(0, total, self.groups)
        return [np.minimum(np.arange(f, f + self.groups), total - 1) for f in firsts]


def _cut(array: np.ndarray, mine: np.ndarray, instances: int) -> np.ndarray:
    return array[mine, ..., :instances]


class Compiled:
    """Compiles every rule that it meets, up to `RULES_PER_PROGRAM` in one program, and forgets the program.

    Parameters
    ----------
    arenas
        The training instances of the searches.
    slow
        Scope and initial value of slow variables that rules may have.
    """

    lanes = width = 1  # every rule costs
    asynchronous = races = False

    def __init__(self, arenas: Sequence[Arena], slow: tuple[Slow, ...] = ()) -> None:
        self.arenas, self.slow = tuple(arenas), slow

    def warm(self) -> None:
        """Nothing can be compiled before its rule is known."""

    def begin(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None = None,
    ) -> PendingScores:
        """Fitness of the rules of several searches, each on its training instances; the work is done when asked."""
        yield [
            self._scores(graphs, arena).fitness if graphs else np.empty(0)
            for graphs, arena in zip(wanted, self.arenas, strict=True)
        ]

    def score_graphs(
        self, graphs: Sequence[Sequence[Graph]], arenas: Sequence[Arena]
    ) -> list[np.ndarray]:
        """Scores of rules on the arena in their place: (individual, instance of all settings)."""
        return [
            self._scores(some, arena).score.reshape(len(some), -1)
            for some, arena in zip(graphs, arenas, strict=True)
        ]

    def _scores(self, graphs: Sequence[Graph], arena: Arena) -> Scores:
        quality = compiled.qualities(graphs, arena, self.slow)
        return Scores(self.bounds(arena).normalise(quality), quality, {})

    def bounds(self, arena: Arena) -> Bounds:
        """Floor and ceiling of an arena; measured once, by not learning."""
        if arena.bounds is None:
            quality, ceiling, _ = compiled.instances([RULES["frozen"]], arena, (0.0,))[0]
            arena.bounds = Bounds(quality[0], ceiling[0])
        return arena.bounds

    def bounds_of(self, arenas: Sequence[Arena]) -> list[Bounds]:
        """Floors and ceilings of several arenas."""
        return [self.bounds(arena) for arena in arenas]
