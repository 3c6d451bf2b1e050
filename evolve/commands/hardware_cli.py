"""`hebbarium hardware`: the profiles, one with its sources, and a sweep over formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from evolve.commands.load import Load
from evolve.commands.options import RUNS, Folder, Json, Seed, Settings, entries

app = typer.Typer(
    help="List hardware profiles; sweep one rule over formats.", rich_markup_mode=None
)

Number = TypeVar("Number", int, float)


@app.callback(invoke_without_command=True)
def profiles(context: typer.Context, load: Load = None, json: Json = False) -> None:
    """List the hardware profiles."""
    if context.invoked_subcommand is not None:
        return
    from evolve.report.hardware import profiles_record, show_profiles
    from evolve.report.terminal import dump

    if json:
        dump(profiles_record())
    else:
        show_profiles()


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(help="A profile.", autocompletion=entries("substrate.hardware"))
    ],
    load: Load = None,
) -> None:
    """Show one profile with the source of every figure."""
    from evolve.report.hardware import show_profile

    show_profile(name)


@app.command()
def sweep(
    rule: Annotated[
        str,
        typer.Argument(help="Zoo rule, run, or rule file.", autocompletion=entries("rules_zoo")),
    ] = "oja",
    task: Annotated[
        str,
        typer.Option(help="Task family, see `hebbarium tasks`.", autocompletion=entries("tasks")),
    ] = "pca",
    hardware: Annotated[
        str,
        typer.Option(
            help="Profile whose formats vary.", autocompletion=entries("substrate.hardware")
        ),
    ] = "fixed_point",
    bits: Annotated[str, typer.Option(help="Bits of a weight, with commas.")] = "4,6,8",
    rounding: Annotated[str, typer.Option(help="Ways of rounding.")] = "nearest,stochastic",
    mismatch: Annotated[str, typer.Option(help="Spreads of the gains of readings.")] = "0,0.2",
    period: Annotated[str, typer.Option(help="Steps between writes.")] = "1,50",
    instances: Annotated[int, typer.Option(min=10, max=10_000, help="Test instances.")] = 50,
    seed: Seed = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="File for the heat map: .png, .pdf or .svg."),
    ] = None,
    set_: Settings = None,
    load: Load = None,
    runs: Folder = RUNS,
    json: Json = False,
) -> None:
    """Score one rule at every combination of bits, rounding, mismatch and period."""
    from evolve.commands.output import require_picture, write_picture
    from evolve.config.run_config import RunConfig
    from evolve.config.settings import given, merge, validated
    from evolve.ranking.on_chip import swept
    from evolve.ranking.sweep import points
    from evolve.report.hardware import show_sweep, sweep_record
    from evolve.report.heat_map import heat_map
    from evolve.report.terminal import dump
    from evolve.report.watch import watching
    from evolve.tracking.find_rule import find_rule
    from evolve.tracking.store import Store
    from substrate.devices import configure
    from substrate.errors import UserError, unknown
    from substrate.hardware import profile
    from substrate.hardware.base import ROUNDINGS

    if out is not None:
        require_picture(out)
    asked = given({"--seed": ("seed", seed)}, set_ or ())
    config = validated(
        RunConfig, merge({"task": task, "hardware": hardware}, asked), "Configuration"
    )
    if config.profile.ideal:
        raise UserError("--hardware ideal has no formats to vary. Take fixed_point.")
    ways = [word.strip() for word in rounding.split(",")]
    for word in ways:
        if word not in ROUNDINGS:
            raise unknown("rounding", word, ROUNDINGS)
    numbers = (
        _numbers("--bits", bits, int),
        ways,
        _numbers("--mismatch", mismatch, float),
        _numbers("--period", period, int),
    )
    for b in numbers[0]:  # refused here as everywhere
        profile(f"fixed_point:bits={b}")
    for g in numbers[2]:
        profile(f"fixed_point:gain={g}")
    for p in numbers[3]:
        profile(f"fixed_point:period={p}")
    configure()
    found = find_rule(rule, Store(runs))
    grid = points(*numbers)
    with watching(config.task, json) as view:
        view.phase(f"scoring {rule} at {len(grid)} combinations of limits")
        ideal, cells = swept(config, found, grid, instances)
    if json:
        dump(sweep_record(rule, config.hardware, ideal, cells))
    else:
        show_sweep(rule, config.hardware, ideal, cells)
    if out is not None:
        write_picture(out, heat_map(rule, ideal, cells))


def _numbers(flag: str, text: str, kind: Callable[[str], Number]) -> list[Number]:
    from evolve.config.settings import shown
    from substrate.errors import UserError

    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        raise UserError(
            f"{flag} {shown(text)}: write numbers with commas, for instance 4,6,8."
        ) from None
