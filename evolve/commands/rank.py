"""What `hebbarium rank` and `export` do: find rules by name, set them side by side, write them out."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.config.forecast import require_room_to_rank
from evolve.config.run_config import RunConfig
from evolve.config.settings import merge, setting, validated
from evolve.evaluation.arena import Arena
from evolve.exports import TARGETS, export
from evolve.ranking import engine
from evolve.ranking.compare import difference, rank_rules
from evolve.ranking.on_chip import ChipTable, compare
from evolve.ranking.table import Table
from evolve.running.log import RunView
from evolve.running.select_champion import baselines
from evolve.tracking.find_rule import find_rule_file, find_rules, split
from evolve.tracking.store import Store
from rules_zoo import RULES
from substrate.devices import configure
from substrate.errors import UserError, unknown
from substrate.rule import Rule
from tasks import FAMILIES

#: Rules as `find_rules` takes them, or none to take those of the zoo.
Wanted = str | Iterable[str | Rule] | None


def require_task(task: str, names: str | None, folder: Path) -> None:
    """Refuse a task that is not there; where one of the named champions was found on it, say which file has it.

    Raises
    ------
    UserError
        Saying which tasks there are, and what to load.
    """
    if task not in FAMILIES:
        missing, hints = unknown("task", task, FAMILIES), []
        for name in split(names or ""):
            with suppress(UserError):
                provenance = find_rule_file(name, Store(folder)).provenance
                hints += [_made_with(provenance)] if provenance.get("task") == task else []
        raise UserError(f"{missing}{''.join(hints[:1])}")


def _made_with(provenance: Mapping[str, str]) -> str:
    """What a champion says of the files of a person that were loaded when it was found."""
    files = [one.rpartition(" sha256:")[0] for one in provenance.get("load", "").split("; ")]
    given = " ".join(f"--load {shlex.quote(file)}" for file in files if file)
    return f" The champion was found with {given}" if given else ""


def configuration(
    task: str, seed: int, hardware: str, engine: str, settings: Sequence[str | Mapping[str, Any]]
) -> RunConfig:
    """The configuration of a ranking; what shortens a task for a search has no place in it."""
    given: dict[str, object] = {"task": task, "seed": seed, "hardware": hardware, "engine": engine}
    if task in FAMILIES:
        whole = FAMILIES[task].options().model_dump()
        given["options"] = {k: whole[k] for k in FAMILIES[task].search.get("options", {})}
    for one in settings:
        given = merge(given, setting(one) if isinstance(one, str) else one)
    # A rule that the chip cannot run is shown with the reasons.
    config = validated(RunConfig, {**given, "admission": "penalise"}, "Configuration")
    configure()
    return config


@dataclass(frozen=True)
class RankRequest:
    """Which rules to set side by side, and on what."""

    config: RunConfig
    names: Wanted
    instances: int  # of the test split
    tune_rate: bool  # whether every rule gets the learning rate that suits it
    folder: Path | None  # where runs are kept


def ranking(request: RankRequest, view: RunView | None = None) -> Table | ChipTable:
    """Rank zoo rules, champions and rule files; where there is a chip, on it and beside it on the ideal network.

    The instances are test instances of the task, and the chips are some that nobody searched on.
    """
    require_room_to_rank(request.config, request.instances, request.tune_rate)
    measure = _on_ideal_network if request.config.profile.ideal else _on_chip
    return measure(request, view or RunView())


def _on_ideal_network(request: RankRequest, view: RunView) -> Table:
    config, instances, tune_rate = request.config, request.instances, request.tune_rate
    view.phase("drawing test instances")
    arena = Arena(config.family, config.task_options, config.seed, "test", instances)
    rules = _wanted(request, arena)
    training = None
    if tune_rate:
        train = config.instances.train
        training = Arena(config.family, config.task_options, config.seed, "train", train)
    choice = engine.choose(config, len(rules), instances, tune_rate)
    evaluator = engine.build(choice, arena)
    view.detail(str(choice))
    view.phase(_measuring(rules, tune_rate))
    rows = rank_rules(list(rules.values()), arena, evaluator, training)
    known = [r for r in rows if r.rule in RULES] or rows
    differences = {r.rule: difference(r, known[0]) for r in rows}
    return Table(config, rows, rules, known[0], differences, tune_rate, choice)


def _on_chip(request: RankRequest, view: RunView) -> ChipTable:
    config, tune_rate = request.config, request.tune_rate
    few = Arena(config.family, config.task_options, config.seed, "test", 10)
    rules = _wanted(request, few)
    view.phase(f"{_measuring(rules, tune_rate)}, on the ideal network and on {config.hardware}")
    return compare(config, list(rules.values()), RULES, request.instances, tune_rate)


def _measuring(rules: Mapping[str, Rule], tune_rate: bool) -> str:
    what = "rule" if len(rules) == 1 else "rules"
    return f"{'tuning the rates of and ' if tune_rate else ''}measuring {len(rules)} {what}"


def _wanted(request: RankRequest, arena: Arena) -> dict[str, Rule]:
    """The rules that a person names, or those of the zoo that a task can run."""
    if request.names is None:
        return {r.name: r for r in baselines(arena)}
    return find_rules(request.names, Store(request.folder) if request.folder else None)


def exported(name: str, target: str, folder: Path | None) -> str:
    """A rule as the text of a target, with what its run or file says of where it comes from."""
    rule, provenance = find_rule_file(name, Store(folder) if folder else None)
    if target not in TARGETS and "load" in provenance:
        raise UserError(f"{unknown('export target', target, TARGETS)}{_made_with(provenance)}")
    return export(rule, target, provenance)
