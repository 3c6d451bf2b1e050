"""What a run found out, for displays, logs and artifacts."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from evolve.config.run_config import RunConfig
from evolve.ranking.compare import Row
from evolve.ranking.on_chip import ChipTable
from evolve.ranking.recognise import Match, recognise
from evolve.search.islands import GenerationStats
from rules_zoo import RULES
from substrate.rule import Rule


@dataclass(frozen=True)
class Progress:
    """What a generation looked like, for displays and logs."""

    stats: GenerationStats
    generation: int
    evaluations: int
    seconds: float  # since the search began


@dataclass(frozen=True, eq=False)  # two may say the same, and scores are arrays
class Candidate:
    """A rule of the final front: training and validation score, number of operators."""

    rule: Rule
    operators: int
    training: float
    validation: float
    scores: np.ndarray  # on validation instances
    tuned: bool = False
    note: str = ""  # what people should know of how it is written


@dataclass
class Result:
    """Everything a run found out."""

    config: RunConfig
    stopped: bool  # by a person, before any stop condition held
    history: list[Progress]
    evaluations: int
    seconds: float
    reference: dict[str, float]  # training scores of known rules
    reached: Progress | None  # when the reference's training score was reached
    champion: Candidate
    front: list[Candidate]
    rows: list[Row]  # champion and baselines on test instances, best first
    fitness: dict[str, float] = field(default_factory=dict)  # F on the training instances
    chips: ChipTable | None = (
        None  # champion and rival on many held-out chips, beside the ideal network
    )

    complete: int | None = (
        None  # operations up to which every rule was scored, if there was a survey
    )

    @cached_property
    def known(self) -> Match | None:
        """The known rule that the champion is a multiple of, if there is one."""
        return recognise(self.champion.rule, RULES.values())

    @property
    def champion_row(self) -> Row:
        """The champion's test results."""
        return next(r for r in self.rows if r.rule == self.champion.rule.name)
