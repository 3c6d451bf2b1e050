"""The command line: flags in, one call, something readable out. Heavy imports wait until a command runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from evolve.commands.check import check
from evolve.commands.hardware_cli import app as hardware_app
from evolve.commands.load import Load
from evolve.commands.presets import preset_file, presets

app = typer.Typer(
    name="hebbarium",
    help="Discover local synaptic plasticity rules by evolution, and write each one down as an equation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.add_typer(hardware_app, name="hardware")
app.command()(check)
app.command()(presets)

Folder = Annotated[
    Path, typer.Option("--runs", envvar="HEBBARIUM_RUNS", help="Where runs are kept.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any setting, e.g. genes.columns=20; repeatable."
    ),
]
RUNS = Path("runs")
ENGINES = "What evaluates: auto (the cheaper one by estimate), interpreter or compiled."


@app.command()
def run(
    task: Annotated[str | None, typer.Argument(help="Task family; see `hebbarium tasks`.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Settings of a published search; see `hebbarium presets`.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides instances and search.")] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Run so many seeds from --seed on, advancing together, on every core.",
        ),
    ] = None,
    generations: Annotated[int | None, typer.Option(help="Stop after so many.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop the search by the clock.")] = None,
    islands: Annotated[int | None, typer.Option(help="Populations that advance together.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Rule, run, file or expression to start from.")
    ] = None,
    hardware: Annotated[
        str | None, typer.Option(help="Hardware profile, see `hebbarium hardware`.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help=ENGINES)] = None,
    set_: Settings = None,
    load: Load = None,
    runs: Folder = RUNS,
    json: Json = False,
) -> None:
    """Evolve a rule for a task and set it beside the known ones.

    Settings come from the defaults, the TOML file and the flags, in that order. Ctrl-C ends the search after the
    current generation and keeps everything; the run is marked as stopped.
    """
    from evolve.commands.run import launch
    from evolve.config.run_config import RunConfig
    from evolve.config.settings import load as read_settings
    from evolve.config.settings import merge, setting, validated
    from evolve.report import display

    config = preset_file(preset, config) if preset or config else None
    settings: dict[str, Any] = read_settings(config) if config else {}
    flags = {
        "task": task,
        "seed": seed,
        "hardware": hardware,
        "engine": engine,
        "stop.generations": generations,
        "stop.seconds": seconds,
        "variation.islands": islands,
        "variation.start": start,
    }
    for name, value in flags.items():
        if value is not None:
            settings = merge(settings, _nested(name, value))
    for text in set_ or ():
        settings = merge(settings, setting(text))
    checked = validated(
        RunConfig, settings, f"Configuration {config}" if config else "Configuration"
    )
    with display.watching(checked, quiet=json) as view:
        if seeds is not None:
            from evolve.commands.run import launch_seeds
            from evolve.report import seeds as report

            ids, results = launch_seeds(checked, seeds, runs, view)
            (display.dump if json else report.show)(report.record(ids, results))
            return
        run_id, result = launch(checked, runs, view)
    if json:
        display.dump(display.run_record(run_id, result))
    else:
        display.show_result(run_id, result)


@app.command()
def rank(
    task: Annotated[str, typer.Option(help="Task family; see `hebbarium tasks`.")],
    rules: Annotated[
        str | None,
        typer.Option(
            help="Zoo rules, runs, rule files, or expressions, with commas; the zoo if not given."
        ),
    ] = None,
    instances: Annotated[
        int, typer.Option(min=10, max=10_000, help="Test instances per setting.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Decides the instances.")] = 0,
    tune_rate: Annotated[
        bool, typer.Option("--tune-rate", help="Give every rule the learning rate that suits it.")
    ] = False,
    hardware: Annotated[
        str, typer.Option(help="Hardware profile, see `hebbarium hardware`.")
    ] = "ideal",
    engine: Annotated[str, typer.Option(help=ENGINES)] = "auto",
    set_: Settings = None,
    load: Load = None,
    runs: Folder = RUNS,
    json: Json = False,
) -> None:
    """Set rules side by side on the same test instances of a task."""
    from evolve.commands.rank import configuration, ranking, ranking_on_chip, require_task
    from evolve.report import display

    require_task(task, rules, runs)
    config = configuration(task, seed, hardware, engine, set_ or [])
    if not config.profile.ideal:
        from evolve.report.hardware import chip_record, show_chips

        chips = ranking_on_chip(config, rules, instances, tune_rate, runs)
        if json:
            display.dump(chip_record(chips))
        else:
            show_chips(chips)
        return
    table = ranking(config, rules, instances, tune_rate, runs)
    if json:
        display.dump(display.rank_record(table))
    else:
        display.show_ranking(table)


@app.command("runs")
def list_runs(runs: Folder = RUNS, json: Json = False) -> None:
    """List the runs in the store."""
    from evolve.report import display
    from evolve.tracking.store import Store

    display.show_runs(Store(runs).list(), json)


@app.command()
def rules(
    name: Annotated[str | None, typer.Argument(help="Show one rule in full.")] = None,
    load: Load = None,
    json: Json = False,
) -> None:
    """List the rules zoo."""
    from evolve.report import display

    display.show_rules(name, json)


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument(help="Show one family with its options.")] = None,
    load: Load = None,
    json: Json = False,
) -> None:
    """List the task families."""
    from evolve.report import display

    display.show_tasks(name, json)


@app.command()
def export(
    rule: Annotated[str, typer.Argument(help="Zoo rule, run, rule file, or expression.")],
    to: Annotated[
        str, typer.Option("--to", help="Target: python, latex, json, loihi or bss2.")
    ] = "python",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; printed if not given.")
    ] = None,
    load: Load = None,
    runs: Folder = RUNS,
) -> None:
    """Write a rule as code or text for use elsewhere."""
    from evolve.commands.rank import exported

    text = exported(rule, to, runs)
    if out is None:
        print(text, end="")
    else:
        _write(out, text)


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
    """Measure this machine: the engine, the search, the start, and what they are beside a peer."""
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


def _nested(name: str, value: object) -> dict[str, Any]:
    for key in reversed(name.split(".")):
        value = {key: value}
    return value  # type: ignore[return-value]


def _write(path: Path, text: str) -> None:
    from substrate.errors import UserError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"Cannot write {path}: {error.strerror}. Choose another file with --out."
        ) from None
