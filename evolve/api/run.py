"""`run` as a function: a configuration in, what it found out; stored only where a folder is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evolve.config.run_config import RunConfig
    from evolve.ranking.compare import Row
    from evolve.running.result import Candidate, Progress, Result
    from substrate.rule import Rule


@dataclass(frozen=True, eq=False)
class Run:
    """A run that is over."""

    id: str | None  # in the store; None where nothing was stored
    result: "Result"  # everything that the run found out

    @property
    def config(self) -> "RunConfig":
        """What was asked for, with the engine that was chosen."""
        return self.result.config

    @property
    def champion(self) -> "Rule":
        """The rule that was chosen on validation instances."""
        return self.result.champion.rule

    @property
    def score(self) -> float:
        """Mean score of the champion on test instances: 0 is a network that does not learn, 1 the best known."""
        return self.result.champion_row.score

    @property
    def rows(self) -> "list[Row]":
        """Champion and known rules on the same test instances, best first."""
        return self.result.rows

    @property
    def front(self) -> "list[Candidate]":
        """The rules among which the champion was chosen: training and validation score, number of operators."""
        return self.result.front

    @property
    def history(self) -> "list[Progress]":
        """What every generation looked like."""
        return self.result.history

    @property
    def stopped(self) -> bool:
        """Whether a person ended the search before a stop condition held."""
        return self.result.stopped

    def __str__(self) -> str:
        from evolve.expressions.one_line import expression

        row = self.result.champion_row
        return (
            f"{self.config.task}, seed {self.config.seed}: {expression(self.champion)}, test score "
            f"{row.score:.3f} [{row.low:.3f}, {row.high:.3f}], n = {row.n}"
        )


def run(
    config: "RunConfig | str",
    runs: str | Path | None = None,
    *,
    on_generation: "Callable[[Progress], None] | None" = None,
    **settings: Any,
) -> Run:
    """Search for a rule, choose the champion on validation instances, measure it on test instances.

    Ctrl-C ends the search after the current generation; what it has found is chosen from and measured.

    Parameters
    ----------
    config
        A configuration, or the name of a task. It decides the result to the last bit, unless it stops by the clock.
    runs
        Folder of the run store, in which the run is kept as `hebbarium run` does; without it nothing is written.
    on_generation
        Called at the end of every generation.
    settings
        Settings of a configuration, laid over the given one: `run("pca", seed=7, stop={"generations": 50})`.

    Raises
    ------
    UserError
        If a setting is wrong, the start rule is unknown, or the store cannot be used.

    >>> from evolve import run
    >>> found = run(
    ...     "pca",
    ...     options={"dimensions": [2], "samples": 100},
    ...     variation={"islands": 2},
    ...     stop={"generations": 5},
    ...     instances={"validation": 10, "test": 10},
    ... )
    >>> found.champion.name, len(found.history)
    ('champion', 6)
    >>> found.score == max(row.score for row in found.rows if row.rule == "champion")
    True
    """
    from evolve.api.listener import Listener
    from evolve.commands.run import launch
    from evolve.config.engine_choice import decide
    from evolve.running import loop
    from evolve.tracking.find_rule import find_rule
    from substrate.devices import configure

    config = _configured(config, settings)
    view = Listener(on_generation)
    if runs is not None:
        return Run(*launch(config, Path(runs), view))
    configure()
    start = config.variation.start
    founder = None if start is None else find_rule(start)
    config, _ = decide(config)
    return Run(None, loop.run(config, view, founder))


def _configured(config: "RunConfig | str", settings: Mapping[str, Any]) -> "RunConfig":
    """A configuration with other settings laid over it; one message for whatever is wrong."""
    from evolve.config.run_config import RunConfig
    from evolve.config.settings import merge, validated

    given: Mapping[str, Any] = {"task": config}
    if isinstance(config, RunConfig):
        if not settings:
            return config
        given = config.model_dump(exclude_unset=True)
    return validated(RunConfig, merge(given, settings), "Configuration")
