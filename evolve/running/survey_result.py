"""What a survey found out, for displays and artifacts."""

from dataclasses import dataclass

import numpy as np

from evolve.config.run_config import RunConfig
from evolve.config.survey_config import SurveyConfig
from evolve.ranking.compare import Row
from evolve.ranking.recognise import Match
from evolve.survey.rules import Rules
from evolve.survey.scoring import Scores
from substrate.rule import Rule


@dataclass(frozen=True, eq=False)
class Surveyed:
    """A rule of the survey that was looked at closely."""

    place: int  # in the list of rules
    rule: Rule
    operations: int
    rate: float  # factor on the task's learning rate
    training: float
    validation: float
    scores: np.ndarray  # on validation instances
    known: Match | None  # the known rule that it is a multiple of


@dataclass
class SurveyResult:
    """The best of all rules up to a size.

    Parameters
    ----------
    rules
        Every distinct rule, shortest first.
    scores
        Their training scores.
    stopped
        Whether the scoring was ended early, by a person or by the clock.
    seconds
        That the scoring took.
    best_of_size
        The rule of every size that trains best.
    close
        The rules that train best, best validation score first.
    champion
        The simplest of those that are not told apart from the best on validation instances.
    rows
        The champion, the best of every size and known rules on test instances, each at the rate that trains best.
    """

    config: RunConfig
    survey: SurveyConfig
    rules: Rules
    scores: Scores
    stopped: bool
    seconds: float
    best_of_size: list[Surveyed]
    close: list[Surveyed]
    champion: Surveyed
    rows: list[Row]

    @property
    def complete(self) -> int:
        """The largest size of which every rule was scored; -1 if of none."""
        if not self.scores.certain:
            return -1
        ends = np.cumsum(self.rules.counts)
        return int(np.searchsorted(ends, self.scores.done, side="right")) - 1

    @property
    def diverged(self) -> int:
        """Rules that diverge at every rate."""
        return int(self.scores.diverged[: self.scores.done].sum())

    @property
    def within_noise(self) -> int:
        """Rules at most one standard error, of the paired difference, behind the best on validation instances."""
        best = self.close[0]
        return sum(is_close(one, best) for one in self.close)

    @property
    def champion_row(self) -> Row:
        """The champion's test results."""
        return self.row(self.champion)

    def row(self, surveyed: Surveyed) -> Row:
        """The test results of a rule."""
        return next(r for r in self.rows if r.rule == surveyed.rule.name)


def is_close(one: Surveyed, best: Surveyed) -> bool:
    """Whether a rule is at most one standard error, of the paired difference, behind the best."""
    gap = best.scores - one.scores
    return float(gap.mean()) <= float(gap.std(ddof=1)) / np.sqrt(gap.size)
