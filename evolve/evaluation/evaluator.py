"""What scores rules for a search, a ranking or a test on chips, whatever engine does it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from evolve.evaluation.arena import Arena, Bounds, Scores
from evolve.evaluation.pending import PendingScores
from substrate.compilation.graph import Graph
from substrate.rule import Rule

#: Factors on the learning rate at which each rule is scored, by the rule's name.
Gains = Mapping[str, Sequence[float]]


class Evaluator(Protocol):
    """The seam between searches and engines; all engines give the same scores up to rounding."""

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
        """Whether thresholds can save instances."""

    def warm(self) -> None:
        """Compile what does not depend on rules."""

    def begin(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None = None,
        gains: Sequence[Sequence[float]] | None = None,
    ) -> PendingScores:
        """Start on the fitness of the rules of several searches, each on its training instances.

        For a rule that cannot reach its threshold, any fitness below it may be given. Gains are factors on the
        task's learning rate, one a rule (1 by default).
        """

    def score_graphs(
        self,
        graphs: Sequence[Sequence[Graph]],
        arenas: Sequence[Arena],
        gains: Sequence[Sequence[float]] | None = None,
    ) -> list[np.ndarray]:
        """Scores of rules on the arena in their place: (individual, instance of all settings)."""

    def measure(
        self, rules: Sequence[Sequence[Rule]], arenas: Sequence[Arena], gains: Gains | None = None
    ) -> list[dict[str, Scores]]:
        """Score lists of rules with all metrics, each list on the arena in its place.

        Parameters
        ----------
        gains
            Each factor is an individual of the rule's scores; a factor of 1 for every rule if not given.

        Raises
        ------
        UserError
            If a rule reads what the task's network does not show.
        """

    def bounds(self, arena: Arena) -> Bounds:
        """What 0 and 1 mean on an arena: as the arena says, or measured by not learning."""

    def bounds_of(self, arenas: Sequence[Arena]) -> list[Bounds]:
        """The same for several arenas."""

    def on(self, arenas: Sequence[Arena], capacity: int) -> "Evaluator":
        """An engine of the same kind for other networks, such as the same ones without a chip.

        Parameters
        ----------
        capacity
            Individuals that are scored at a time.
        """
