"""`hebbarium hardware`: the profiles, one with its sources, and a sweep over formats."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from evolve.commands.load import Load

app = typer.Typer(help="List hardware profiles; sweep one rule over formats.", add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Number = TypeVar("Number", int, float)


@app.callback(invoke_without_command=True)
def profiles(context: typer.Context, load: Load = None, json: Json = False) -> None:
    """List the hardware profiles."""
    if context.invoked_subcommand is not None:
        return
    from evolve.report import display
    from evolve.report.hardware import profiles_record, show_profiles

    if json:
        display.dump(profiles_record())
    else:
        show_profiles()


@app.command()
def show(name: Annotated[str, typer.Argument(help="A profile.")], load: Load = None) -> None:
    """Show one profile with the source of every figure."""
    from evolve.report.hardware import show_profile

    show_profile(name)


@app.command()
def sweep(
    rule: Annotated[str, typer.Argument(help="Zoo rule, run, or rule file.")] = "oja",
    task: Annotated[str, typer.Option(help="Task family; see `hebbarium tasks`.")] = "pca",
    hardware: Annotated[str, typer.Option(help="Profile whose formats vary.")] = "fixed_point",
    bits: Annotated[str, typer.Option(help="Bits of a weight, with commas.")] = "4,6,8",
    rounding: Annotated[str, typer.Option(help="Ways of rounding.")] = "nearest,stochastic",
    mismatch: Annotated[str, typer.Option(help="Spreads of the gains of readings.")] = "0,0.2",
    period: Annotated[str, typer.Option(help="Steps between writes.")] = "1,50",
    instances: Annotated[int, typer.Option(min=10, max=10_000, help="Test instances.")] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Decides the instances.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="PNG file for the heat map.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting; repeatable."),
    ] = None,
    load: Load = None,
    runs: Annotated[
        Path, typer.Option("--runs", envvar="HEBBARIUM_RUNS", help="Where runs are kept.")
    ] = Path("runs"),
    json: Json = False,
) -> None:
    """Score one rule at every combination of bits, rounding, mismatch and period."""
    from evolve.config.run_config import RunConfig
    from evolve.config.settings import merge, setting, validated
    from evolve.ranking.on_chip import swept
    from evolve.ranking.sweep import points
    from evolve.report import display
    from evolve.report.hardware import show_sweep, sweep_record
    from evolve.report.heat_map import heat_map
    from evolve.tracking.find_rule import find_rule
    from evolve.tracking.store import Store
    from substrate.devices import configure
    from substrate.errors import UserError, unknown
    from substrate.hardware import profile
    from substrate.hardware.base import ROUNDINGS

    given: dict[str, object] = {"task": task, "seed": seed, "hardware": hardware}
    for one in set_ or []:
        given = merge(given, setting(one))
    config = validated(RunConfig, given, "Configuration")
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
    ideal, cells = swept(config, found, points(*numbers), instances)
    if out is not None:
        try:
            heat_map(rule, ideal, cells).savefig(out, format="png", dpi=150)
        except OSError as error:
            raise UserError(f"Cannot write {out}: {error.strerror}. Choose another file.") from None
    if json:
        display.dump(sweep_record(rule, hardware, ideal, cells))
    else:
        show_sweep(rule, hardware, ideal, cells)


def _numbers(flag: str, text: str, kind: Callable[[str], Number]) -> list[Number]:
    from substrate.errors import UserError

    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        raise UserError(
            f"{flag} {text!r}: write numbers with commas, for instance 4,6,8."
        ) from None
