"""`rank` as a function: rules side by side on the same test instances."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from substrate.errors import UserError
from substrate.rule import Rule

if TYPE_CHECKING:
    from evolve.ranking.on_chip import ChipTable
    from evolve.ranking.table import Table


@overload
def rank(
    task: str,
    rules: str | Iterable[str | Rule] | None = ...,
    *,
    instances: int = ...,
    seed: int = ...,
    tune_rate: bool = ...,
    hardware: Literal["ideal"] = ...,
    engine: str = ...,
    options: Mapping[str, Any] | None = ...,
    runs: str | Path | None = ...,
) -> "Table": ...


@overload
def rank(
    task: str,
    rules: str | Iterable[str | Rule] | None = ...,
    *,
    hardware: str,
    instances: int = ...,
    seed: int = ...,
    tune_rate: bool = ...,
    engine: str = ...,
    options: Mapping[str, Any] | None = ...,
    runs: str | Path | None = ...,
) -> "Table | ChipTable": ...


def rank(
    task: str,
    rules: str | Iterable[str | Rule] | None = None,
    *,
    instances: int = 100,
    seed: int = 0,
    tune_rate: bool = False,
    hardware: str = "ideal",
    engine: str = "auto",
    options: Mapping[str, Any] | None = None,
    runs: str | Path | None = None,
) -> "Table | ChipTable":
    """Set rules side by side on the same test instances of a task, best first.

    Parameters
    ----------
    task
        A name in `FAMILIES`.
    rules
        Rules, or what names one: a zoo rule, an expression, a rule file, or a run, if `runs` says where they are
        kept. All zoo rules that the task can run if not given.
    instances
        Test instances per setting of the task, 10 to 10,000, rounded up to a multiple of 10.
    seed
        Decides the instances.
    tune_rate
        Whether every rule gets the learning rate that suits it best, found on training instances.
    hardware
        A profile such as `bss2`: the scores on chips stand beside those of the ideal network, in a `ChipTable`.
    engine
        What evaluates: `auto`, `interpreter` or `compiled`.
    options
        Options of the task.

    Raises
    ------
    UserError
        If a name or setting is wrong, or the task's network does not show what a rule reads.

    >>> from evolve import PRE, POST, W, Rule, rank
    >>> mine = Rule("mine", 3 * POST * (PRE - POST * W))
    >>> easy = {"dimensions": (2,), "samples": 200}
    >>> table = rank("pca", [mine, "oja", "post*pre"], instances=10, options=easy)
    >>> sorted(row.rule for row in table.rows)
    ['mine', 'oja', 'post*pre']
    >>> table.baseline.rule, table.rows[0].n
    ('oja', 10)
    """
    from evolve.commands.rank import RankRequest, configuration, ranking

    if not 10 <= instances <= 10_000:
        raise UserError(f"instances = {instances}: give 10 to 10000.")
    settings = [{"options": dict(options)}] if options else []
    config = configuration(task, seed, hardware, engine, settings)
    folder = Path(runs) if runs is not None else None
    return ranking(RankRequest(config, rules, instances, tune_rate, folder))
