"""`hebbarium survey`: score every distinct rule up to a size, and say which is the best."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evolve.commands.load import Load
from evolve.commands.options import (
    RUNS,
    Engine,
    Folder,
    Hardware,
    Json,
    Settings,
    Verbose,
    entries,
)

if TYPE_CHECKING:
    from evolve.config.run_config import RunConfig
    from evolve.config.survey_config import SurveyConfig
    from evolve.running.log import RunView
    from evolve.running.survey_result import SurveyResult


def _list(words: str | None) -> list[str] | None:
    return None if words is None else [word.strip() for word in words.split(",") if word.strip()]


def survey(
    task: Annotated[
        str,
        typer.Argument(help="Task family, see `hebbarium tasks`.", autocompletion=entries("tasks")),
    ],
    size: Annotated[
        int | None,
        typer.Option(min=0, max=20, help="Operations of the longest rules. [default: 4]"),
    ] = None,
    terminals: Annotated[
        str | None,
        typer.Option(help="Observables that rules may read, with commas. [default: the task's]"),
    ] = None,
    primitives: Annotated[
        str | None,
        typer.Option(help="Functions that rules may compute, with commas. [default: add,sub,mul]"),
    ] = None,
    constants: Annotated[
        str | None, typer.Option(help="Numbers that rules may use, with commas. [default: none]")
    ] = None,
    slow: Annotated[
        str | None,
        typer.Option(help="Names of slow variables, with commas. [default: none]"),
    ] = None,
    rates: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=100,
            help="Try every rule at so many learning rates, from 1/16 to 16 times the task's. [default: 1]",
        ),
    ] = None,
    up_to: Annotated[
        str | None,
        typer.Option(
            help="Rules that count as one: equality, or factor (equal up to a positive factor). [default: equality]",
            autocompletion=lambda: ["equality", "factor"],
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(help="Best rules that are looked at on validation instances. [default: 300]"),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            help="With several rates, do not pursue rules that cannot come so close to the best score. [default: 0.1]"
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop scoring by the clock. [default: never]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Decides the instances. [default: 0]")
    ] = None,
    hardware: Hardware = None,
    engine: Engine = None,
    set_: Settings = None,
    load: Load = None,
    runs: Folder = RUNS,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Count the rules and forecast the time, and score nothing."),
    ] = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Score every distinct rule up to a size: of all of them, which is the best?

    Formulas that are algebraically equal count once. With one learning rate all rules have their exact training
    scores; with several, each is judged at the best of them. What is reported are test scores of the champion, of the
    best rule of every size and of known rules. Ctrl-C ends the scoring and keeps what there is.
    """
    from evolve.commands.output import kept
    from evolve.config.run_config import RunConfig
    from evolve.config.settings import given, validated
    from evolve.config.survey_config import SurveyConfig
    from evolve.report import survey as report
    from evolve.report.terminal import dump
    from evolve.report.watch import watching

    flags = {
        "the task": ("task", task),
        "--seed": ("seed", seed),
        "--hardware": ("hardware", hardware),
        "--engine": ("engine", engine),
        "--terminals": ("genes.terminals", _list(terminals)),
        "--primitives": ("genes.primitives", _list(primitives)),
        "--constants": ("genes.constants", _list(constants)),
        "--slow": ("genes.slow", _list(slow)),
    }
    config = validated(RunConfig, given(flags, set_ or ()), "Configuration")
    config = config.model_copy(update={"rates": "fixed"})  # those of a survey are its own
    wanted: dict[str, Any] = {
        "size": size,
        "rates": rates,
        "up_to": up_to,
        "keep": keep,
        "margin": margin,
        "seconds": seconds,
    }
    options = {name: value for name, value in wanted.items() if value is not None}
    how = validated(SurveyConfig, options, "Survey")
    require_listable(config)
    if dry_run:
        forecast(config, how, json)
        return
    with watching(f"{config.task}, survey", json, verbose=verbose) as view:
        run_id, result = launch(config, how, runs, view)
    with kept(run_id, runs):
        if json:
            dump(report.record(run_id, result))
        else:
            report.show(run_id, result, runs)


def require_listable(config: "RunConfig") -> None:
    """Refuse settings that only a search knows.

    Raises
    ------
    UserError
        If constants are to evolve.
    """
    from substrate.errors import UserError

    if config.genes.evolved_constants:
        raise UserError(
            f"genes.evolved_constants = {config.genes.evolved_constants}: a survey lists rules, and constants that "
            "evolve have no list. Give numbers with --constants 0.5,2."
        )


def forecast(config: "RunConfig", how: "SurveyConfig", as_json: bool) -> None:
    """Say how many rules there are and what scoring them takes."""
    from evolve.config.forecast import in_time
    from evolve.report.terminal import Page, dump
    from evolve.survey.forecast import listed
    from substrate.memory import in_words

    rules, found = listed(config, how)
    if as_json:
        dump(
            {
                "rules": found.rules,
                "rules_by_operations": rules.counts,
                "seconds": found.seconds,
                "bytes": found.bytes,
            }
        )
        return
    counts = ", ".join(f"{count:,} of {size}" for size, count in enumerate(rules.counts))
    page = Page()
    page.say(f"{found.rules:,} distinct rules, by operations: {counts}")
    page.say(
        f"some {in_time(found.seconds)} to score them, right within a factor of three; {in_words(found.bytes)} of "
        "memory; not started"
    )


def launch(
    config: "RunConfig", how: "SurveyConfig", folder: Path, view: "RunView"
) -> tuple[str, "SurveyResult"]:
    """Run a survey with everything recorded in the store of a folder.

    Raises
    ------
    UserError
        If it does not fit into memory, or cannot go on.
    """
    from evolve.commands.run import run_tags, saying_what_is_kept
    from evolve.config.forecast import in_time, require_room
    from evolve.report.survey import draw_pictures, write_artifacts
    from evolve.running.interrupt import Interrupt
    from evolve.running.log import Recorder
    from evolve.running.survey import survey
    from evolve.survey.forecast import choose, listed
    from evolve.tracking.store import Store
    from substrate.devices import configure

    configure()
    require_room(config)
    view.phase("listing the rules")
    rules, expected = listed(config, how)
    config, choice = choose(config, how, len(rules))
    view.detail(str(choice))
    view.phase(
        f"{expected.rules:,} distinct rules; to score them takes some {in_time(expected.seconds)}"
    )
    tags = {**run_tags(config), "kind": "survey", "rules": len(rules)}
    params = {**config.flat(), **{f"survey.{k}": v for k, v in how.model_dump().items()}}
    with (
        saying_what_is_kept(view, folder) as logs,
        Interrupt().armed() as stop,
        Store(folder, write=True) as store,
        store.begin(config.task, f"{config.task}-survey", params, tags) as log,
    ):
        logs.append(log)
        recorder = Recorder(log, view)
        stop.searching = True
        try:
            result = survey(config, how, rules, recorder, stop)
        finally:
            recorder.searched()
        recorder.phase("writing artifacts")
        write_artifacts(log, result)
        draw_pictures(log, result)
        log.attempt("the list of notes in the store", log.flush)
    return log.id, result
