"""What people and programs see of hardware: the profiles, rules on a chip, a sweep."""

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from evolve.expressions.one_line import expression
from evolve.ranking.on_chip import ChipTable
from evolve.ranking.sweep import Cell, as_table
from evolve.report.tables import signed
from substrate.errors import unknown
from substrate.hardware import PARAMETERS, PROFILES, Profile


def _grid(*columns: str) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for i, column in enumerate(columns):
        grid.add_column(column, overflow="fold", justify="left" if i == 0 else "right")
    return grid


def profiles_record() -> dict[str, Any]:
    """What `hardware --json` prints."""
    return {"profiles": [_profile_record(p) for p in PROFILES.values()]}


def _profile_record(profile: Profile) -> dict[str, Any]:
    return {
        "profile": profile.name,
        "summary": profile.summary,
        "facts": [vars(fact) for fact in profile.facts],
    }


def show_profiles() -> None:
    """The profiles for a person."""
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("profile", "weights", "rounding", "write", "chips", "what"):
        grid.add_column(name, overflow="fold")
    for p in PROFILES.values():
        w, kind = p.weights, p.schedule.kind
        every = f"{kind} {p.schedule.period}" if kind in ("accumulate", "epoch") else kind
        every += f" for {p.schedule.inputs} inputs" if p.schedule.inputs else ""
        bits, rounding = (f"{w.bits} bits {w.sign}", w.rounding) if w else ("float", "")
        grid.add_row(p.name, bits, rounding, every, str(p.chips), p.summary)
    console = Console()
    console.print(grid)
    console.print("\nParameters, as in fixed_point:bits=4,rounding=stochastic", highlight=False)
    for name, words in PARAMETERS.items():
        console.print(f"  {name:<9} {words}", highlight=False)


def show_profile(name: str) -> None:
    """One profile with the source of every figure."""
    if name not in PROFILES:
        raise unknown("hardware profile", name, PROFILES)
    profile, grid = PROFILES[name], Grid(box=None, pad_edge=False, header_style="bold")
    for column in ("what", "figure", "source", ""):
        grid.add_column(column, overflow="fold")
    for fact in profile.facts:
        grid.add_row(fact.what, fact.value, fact.source, "estimate" if fact.estimate else "")
    console = Console()
    console.print(f"[bold]{profile.name}[/bold]  {profile.summary}\n", highlight=False)
    console.print(grid)


def chip_record(table: ChipTable) -> dict[str, Any]:
    """What `rank --hardware H --json` prints."""
    return {
        "task": table.config.task,
        "hardware": table.config.hardware,
        "n": table.rows[0].ideal.n,
        "chips": table.config.profile.chips,
        "baseline": table.baseline,
        **({"engine": table.choice._asdict()} if table.choice else {}),
        "rows": [
            {
                "rule": r.ideal.rule,
                "expression": expression(r.rule),
                "refused": r.reasons,
                "ideal": r.ideal.score,
                "score": r.chip.score if r.chip else None,
                "low": r.chip.low if r.chip else None,
                "high": r.chip.high if r.chip else None,
                "worst_chip": r.worst,
                "retained": r.retained,
                "rate_factor": r.chip.gain if r.chip else None,
                "difference": vars(table.differences[r.ideal.rule]) if r.chip else None,
                "cost": r.cost._asdict(),
            }
            for r in table.rows
        ],
    }


def show_chips(table: ChipTable) -> None:
    """Rules on a chip for a person."""
    columns = [
        "rule",
        "ideal",
        "on chip (95 %)",
        f"minus {table.baseline}",
        "retained",
        "worst chip",
    ]
    tuned = any(r.chip and r.chip.gain != 1.0 for r in table.rows)
    columns += [*(["rate"] if tuned else []), "operations", "words", "bytes"]
    grid = _grid(*columns)
    for r in table.rows:
        cells = [r.ideal.rule, f"{r.ideal.score:.3f}"]
        if r.chip is None:
            grid.add_row(*cells, "refused")
            continue
        gap = "" if r.ideal.rule == table.baseline else signed(table.differences[r.ideal.rule])
        cells += [f"{r.chip.score:.3f} ±{(r.chip.high - r.chip.low) / 2:.3f}", gap]
        cells += ["" if math.isnan(r.retained) else f"{r.retained:.0%}", f"{r.worst:.3f}"]
        cells += [f"x{r.chip.gain:.3g}"] if tuned else []
        grid.add_row(*cells, *(f"{value:.3g}" for value in r.cost))
    console = Console()
    console.print(grid)
    config = table.config
    console.print(
        f"{config.task} on {config.hardware}: n = {table.rows[0].ideal.n} test instances, chips: "
        f"{config.profile.chips}; cost per synapse and step",
        highlight=False,
    )
    for r in table.rows:
        if r.reasons:
            console.print(f"{r.ideal.rule} {'; '.join(r.reasons)}.", highlight=False)


def sweep_record(rule: str, hardware: str, ideal: float, cells: Sequence[Cell]) -> dict[str, Any]:
    """What `hardware sweep --json` prints."""
    return {
        "rule": rule,
        "hardware": hardware,
        "ideal": ideal,
        "rows": [
            {
                **c.point._asdict(),
                "score": c.score,
                "worst_chip": c.worst,
                "retained": c.score / ideal if ideal > 0 else math.nan,
            }
            for c in cells
        ],
    }


def show_sweep(rule: str, hardware: str, ideal: float, cells: Sequence[Cell]) -> None:
    """A sweep for a person: bits down, the rest across."""
    rows, columns, values = as_table(cells)
    grid = _grid("bits", *columns)
    for bits, line in zip(rows, values, strict=True):
        grid.add_row(str(bits), *(f"{v:.3f}" for v in line))
    console = Console()
    console.print(grid)
    console.print(
        f"{rule} on {hardware}: score, where the ideal network has {ideal:.3f}; mean over chips",
        highlight=False,
    )
