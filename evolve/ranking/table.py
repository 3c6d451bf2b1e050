"""A ranking with what is needed to print it."""

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.config.engine_choice import Choice
from evolve.config.run_config import RunConfig
from evolve.ranking.compare import Difference, Row
from substrate.rule import Rule


@dataclass(frozen=True)
class Table:
    """A ranking with what is needed to print it."""

    config: RunConfig
    rows: list[Row]
    rules: Mapping[str, Rule]
    baseline: Row  # the best known rule
    differences: Mapping[str, Difference]
    tuned: bool
    choice: Choice  # of the engine
