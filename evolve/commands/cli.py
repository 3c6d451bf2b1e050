"""The command line: flags in, one call, something readable out. Heavy imports wait until a command runs."""

from pathlib import Path
from typing import Annotated

import typer

from evolve.commands.check import check
from evolve.commands.hardware_cli import app as hardware_app
from evolve.commands.load import Load
from evolve.commands.options import (
    RUNS,
    Engine,
    Folder,
    Hardware,
    Json,
    Seed,
    Settings,
    Task,
    Verbose,
    entries,
)
from evolve.commands.presets import preset_file, presets
from evolve.commands.survey import survey

app = typer.Typer(
    name="hebbarium",
    help="Discover local synaptic plasticity rules by evolution, and write each one down as an equation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: no boxes, in a pipe too
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(hardware_app, name="hardware")
app.command()(check)
app.command()(presets)
app.command()(survey)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"hebbarium {version('hebbarium')}")
        except PackageNotFoundError:
            typer.echo("hebbarium, not installed")
        raise typer.Exit


@app.callback()
def whole(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """What all commands have in common."""


@app.command()
def run(
    task: Annotated[
        str | None,
        typer.Argument(
            help="Task family, see `hebbarium tasks`; not needed where --config names one.",
            autocompletion=entries("tasks"),
        ),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Settings of a published search; see `hebbarium presets`.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Decides instances and search. [default: 0]")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Run so many seeds from --seed on, advancing together, on every core. [default: one]",
        ),
    ] = None,
    generations: Annotated[
        int | None, typer.Option(help="Stop after so many. [default: 200]")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Stop the search by the clock. [default: never]")
    ] = None,
    islands: Annotated[
        int | None,
        typer.Option(help="Populations that advance together. [default: 64; with nsga2, 16]"),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Rule, run, file or expression to start from. [default: random rules]"),
    ] = None,
    hardware: Hardware = None,
    engine: Engine = None,
    set_: Settings = None,
    load: Load = None,
    runs: Folder = RUNS,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the configuration, with a forecast of time and memory, and run nothing.",
        ),
    ] = False,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Evolve a rule for a task and set it beside the known ones.

    Settings come from the defaults, the TOML file and the flags, in that order. A task may have defaults of its own:
    `hebbarium settings TASK`. Ctrl-C ends the search after the current generation and keeps everything; the run is
    marked as stopped.
    """
    from evolve.commands.output import kept
    from evolve.commands.run import launch, launch_seeds
    from evolve.config.run_config import RunConfig
    from evolve.config.settings import given, merge, validated
    from evolve.config.settings import load as read_settings
    from evolve.report import display
    from evolve.report.terminal import dump
    from evolve.report.watch import watching
    from substrate.errors import UserError
    from tasks import FAMILIES

    config = preset_file(preset, config) if preset or config else None
    flags = {
        "the task": ("task", task),
        "--seed": ("seed", seed),
        "--hardware": ("hardware", hardware),
        "--engine": ("engine", engine),
        "--generations": ("stop.generations", generations),
        "--seconds": ("stop.seconds", seconds),
        "--islands": ("variation.islands", islands),
        "--start": ("variation.start", start),
    }
    settings = merge(read_settings(config) if config else {}, given(flags, set_ or ()))
    if "task" not in settings:
        source = f"The configuration {config} names no task" if config else "No task is named"
        raise UserError(
            f"{source}. Write for instance hebbarium run pca. Tasks: {', '.join(FAMILIES)}."
        )
    who = f"Configuration {config}" if config else "Configuration"
    checked = validated(RunConfig, settings, who)
    if dry_run:
        from evolve.report.dry_run import show_plan

        show_plan(checked, seeds or 1, json)
        return
    label = f"{checked.task}, seed {checked.seed}"
    with watching(label, json, checked.stop.generations, verbose) as view:
        if seeds is not None:
            from evolve.report import seeds as report

            ids, results = launch_seeds(checked, seeds, runs, view)
        else:
            run_id, result = launch(checked, runs, view)
    if seeds is not None:
        with kept(ids[0], runs):
            record = report.record(ids, results)
            if json:
                dump(record)
            else:
                report.show(record, runs)
        return
    with kept(run_id, runs):
        if json:
            dump(display.run_record(run_id, result))
        else:
            display.show_result(run_id, result, runs)


@app.command()
def rank(
    task: Annotated[
        str,
        typer.Option(help="Task family, see `hebbarium tasks`.", autocompletion=entries("tasks")),
    ],
    rules: Annotated[
        str | None,
        typer.Option(
            help="Zoo rules, runs, rule files or expressions, with commas. [default: the zoo]",
            autocompletion=entries("rules_zoo"),
        ),
    ] = None,
    instances: Annotated[
        int, typer.Option(min=10, max=10_000, help="Test instances per setting.")
    ] = 100,
    seed: Seed = None,
    tune_rate: Annotated[
        bool, typer.Option("--tune-rate", help="Give every rule the learning rate that suits it.")
    ] = False,
    hardware: Hardware = None,
    engine: Engine = None,
    set_: Settings = None,
    load: Load = None,
    runs: Folder = RUNS,
    verbose: Verbose = False,
    json: Json = False,
) -> None:
    """Set rules side by side on the same test instances of a task."""
    from evolve.commands.rank import RankRequest, configuration, ranking, require_task
    from evolve.config.settings import given
    from evolve.ranking.table import Table
    from evolve.report import display
    from evolve.report.terminal import Page, dump
    from evolve.report.watch import watching

    require_task(task, rules, runs)
    flags = {
        "--task": ("task", task),
        "--seed": ("seed", seed),
        "--hardware": ("hardware", hardware),
        "--engine": ("engine", engine),
    }
    given(flags, set_ or ())  # refuses contradictions
    config = configuration(task, seed or 0, hardware or "ideal", engine or "auto", set_ or [])
    with watching(config.task, json, verbose=verbose) as view:
        table = ranking(RankRequest(config, rules, instances, tune_rate, runs), view)
    if isinstance(table, Table):
        if json:
            dump(display.rank_record(table))
        else:
            display.show_ranking(table)
    else:
        from evolve.report.hardware import chip_record, show_chips

        if json:
            dump(chip_record(table))
        else:
            show_chips(Page(), table)


@app.command("runs")
def list_runs(runs: Folder = RUNS, json: Json = False) -> None:
    """List the runs in the store."""
    from evolve.report.run_list import show_runs
    from evolve.tracking.store import Store

    show_runs(Store(runs).list(), json, runs)


@app.command()
def rules(
    name: Annotated[
        str | None,
        typer.Argument(help="Show one rule in full.", autocompletion=entries("rules_zoo")),
    ] = None,
    task: Task = None,
    reads: Annotated[
        list[str] | None,
        typer.Option(help="Only rules that read this observable; repeatable."),
    ] = None,
    load: Load = None,
    json: Json = False,
) -> None:
    """List the rules of the zoo, all or those that a task can run."""
    from evolve.report.listings import show_rules

    show_rules(name, task, reads or (), json)


@app.command()
def tasks(
    name: Annotated[
        str | None,
        typer.Argument(help="Show one family with its options.", autocompletion=entries("tasks")),
    ] = None,
    shows: Annotated[
        list[str] | None,
        typer.Option(help="Only families that show this observable to rules; repeatable."),
    ] = None,
    load: Load = None,
    json: Json = False,
) -> None:
    """List the task families."""
    from evolve.report.listings import show_tasks

    show_tasks(name, shows or (), json)


@app.command()
def settings(
    task: Annotated[
        str | None,
        typer.Argument(
            help="With the options and defaults of this task family.",
            autocompletion=entries("tasks"),
        ),
    ] = None,
    load: Load = None,
    json: Json = False,
) -> None:
    """List what --set takes: meaning, default, choices."""
    from evolve.report.listings import show_settings

    show_settings(task, json)


@app.command()
def observables(
    name: Annotated[str | None, typer.Argument(help="Show one observable in full.")] = None,
    load: Load = None,
    json: Json = False,
) -> None:
    """List what rules may read, and which tasks offer it."""
    from evolve.report.listings import show_observables

    show_observables(name, json)


@app.command()
def export(
    rule: Annotated[
        str,
        typer.Argument(
            help="Zoo rule, run, rule file or expression.", autocompletion=entries("rules_zoo")
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="Target: python, latex, json, loihi or bss2.",
            autocompletion=entries("evolve.exports"),
        ),
    ] = "python",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; printed if not given.")
    ] = None,
    load: Load = None,
    runs: Folder = RUNS,
) -> None:
    """Write a rule as code or text for use elsewhere."""
    from evolve.commands.output import print_text, write_text
    from evolve.commands.rank import exported

    text = exported(rule, to, runs)
    if out is None:
        print_text(text)
    else:
        write_text(out, text)


@app.command()
def bench(
    part: Annotated[str, typer.Argument(help="engine, choice, search, start or all.")] = "all",
    peer: Annotated[
        list[Path] | None,
        typer.Option(
            help="File with JSON lines of a peer, a limit or an earlier report; repeatable."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Less of everything.")] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Searches for Oja's level.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure the engine, the search and the start on this machine.

    Figures of a peer, or of an earlier report, are set beside them.
    """
    from evolve.bench.report import command

    command(part, quick, peer or [], json, seeds)


@app.command()
def ui(
    runs: Folder = RUNS,
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to serve on.")] = 5000,
) -> None:
    """Browse runs in the MLflow UI."""
    from evolve.commands.ui import serve

    raise typer.Exit(serve(runs, host, port))
