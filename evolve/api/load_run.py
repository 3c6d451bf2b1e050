"""A stored run, read back: its champion, its configuration, its scores."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from substrate.errors import UserError

if TYPE_CHECKING:
    from datetime import datetime

    from evolve.config.run_config import RunConfig
    from evolve.expressions.rule_file import RuleFile
    from evolve.tracking.listing import RunRow
    from evolve.tracking.store import RunRecord, Store
    from substrate.rule import Rule


class StoredRun:
    """One run of a store; files are read when they are first asked for."""

    def __init__(self, store: "Store", row: "RunRow") -> None:
        self._store, self._row = store, row

    @property
    def id(self) -> str:
        """Its id."""
        return self._row.id

    @property
    def name(self) -> str:
        """What it is called: the task and the seed, unless somebody has renamed it."""
        return self._row.name

    @property
    def task(self) -> str:
        """The task family."""
        return self._row.task

    @property
    def status(self) -> str:
        """running, finished, stopped, failed; died: its process went without a word; foreign: made by others."""
        return self._row.status

    @property
    def started(self) -> "datetime":
        """When it began."""
        return self._row.started

    @property
    def score(self) -> float | None:
        """Mean score of the champion on test instances; None if the run did not get there."""
        return self._row.score

    @property
    def champion(self) -> "Rule":
        """The rule that was found.

        Raises
        ------
        UserError
            If the run has none.
        """
        return self._champion.rule

    @property
    def provenance(self) -> dict[str, str]:
        """What the champion's file says of where it comes from."""
        return self._champion.provenance

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of everything that was logged, such as `test_score`, `best` and `complexity`."""
        return self._record.metrics

    @cached_property
    def config(self) -> "RunConfig":
        """What was asked for, as far as this version knows the settings.

        Raises
        ------
        UserError
            If it does not: the run was stored by another version.
        """
        from evolve.config.run_config import RunConfig
        from evolve.config.search_config import SearchConfig
        from evolve.config.settings import validated

        elsewhere = self._record.tags.get("config") == SearchConfig.__name__
        return validated(
            SearchConfig if elsewhere else RunConfig,
            _nested(self._record.params),
            f"Run {self.id[:8]}",
        )

    def history(self, metric: str = "best") -> list[tuple[int, float]]:
        """A logged metric as (generation, value): best, median, evaluations, seconds, and shares of children.

        Raises
        ------
        UserError
            If the run has no such metric.
        """
        if metric not in self.metrics:
            known = ", ".join(sorted(self.metrics)) or "none"
            raise UserError(f"Run {self.id[:8]} has no metric {metric!r}. It has: {known}.")
        return list(self._store.points(self.id, metric))

    @cached_property
    def _record(self) -> "RunRecord":
        return self._store.record(self.id)

    @cached_property
    def _champion(self) -> "RuleFile":
        from evolve.expressions.rule_file import read_rule_file

        return read_rule_file(self._store.artifact(self.id, "champion.json"))

    def __str__(self) -> str:
        from evolve.expressions.one_line import expression

        score = "" if self.score is None else f", test score {self.score:.3f}"
        return f"{self.name} ({self.id[:8]}), {self.status}: {expression(self.champion)}{score}"


def load_run(name: str, runs: str | Path = "runs") -> StoredRun:
    """Read a run from a store.

    Parameters
    ----------
    name
        Its name, or the beginning of its id.
    runs
        Folder of the run store.

    Raises
    ------
    UserError
        If there is no such run, or several.

    >>> from evolve import load_run
    >>> load_run("1a2b", runs="/nowhere")
    Traceback (most recent call last):
    ...
    substrate.errors.UserError: There is no run '1a2b': the run store /nowhere is empty. ...
    """
    from evolve.tracking.store import Store

    store = Store(Path(runs))
    return StoredRun(store, store.find(name))


def _nested(params: Mapping[str, str]) -> dict[str, Any]:
    """Settings from the parameters of a run, whose names are dotted and whose values are text."""
    from evolve.config.settings import merge

    settings: dict[str, Any] = {}
    for key, text in params.items():
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        for part in reversed(key.split(".")):
            value = {part: value}
        settings = merge(settings, value)
    return settings
