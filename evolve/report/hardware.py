"""What people and programs see of hardware: the profiles, rules on a chip, a sweep."""

import math
from collections.abc import Sequence
from typing import Any

from evolve.expressions.one_line import expression
from evolve.ranking.on_chip import ChipTable
from evolve.ranking.sweep import Cell, as_table
from evolve.report.tables import show_table, signed, table_of
from evolve.report.terminal import Page
from substrate.errors import unknown
from substrate.hardware import PARAMETERS, PROFILES, Profile


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
    rows = []
    for p in PROFILES.values():
        w, kind = p.weights, p.schedule.kind
        every = f"{kind} {p.schedule.period}" if kind in ("accumulate", "epoch") else kind
        every += f" for {p.schedule.inputs} inputs" if p.schedule.inputs else ""
        bits, rounding = (f"{w.bits} bits {w.sign}", w.rounding) if w else ("float", "")
        rows.append((p.name, bits, rounding, every, str(p.chips), p.summary))
    page = Page()
    headings = ("profile", "weights", "rounding", "write", "chips", "what")
    show_table(page, table_of(headings, rows, text=("weights", "rounding", "write", "what")))
    page.say()
    page.say("Parameters, as in fixed_point:bits=4,rounding=stochastic")
    show_table(page, table_of(("parameter", "meaning"), [*PARAMETERS.items()], text=("meaning",)))


def show_profile(name: str) -> None:
    """One profile with the source of every figure."""
    if name not in PROFILES:
        raise unknown("hardware profile", name, PROFILES)
    profile, page = PROFILES[name], Page()
    rows = [(f.what, f.value, "estimate" if f.estimate else "", f.source) for f in profile.facts]
    page.say(f"  {profile.summary}", bold=profile.name)
    page.say()
    headings = ("what", "figure", "", "source")
    show_table(page, table_of(headings, rows, text=headings[1:]))


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


def show_chips(page: Page, table: ChipTable) -> None:
    """Rules on a chip for a person."""
    tuned = any(r.chip and r.chip.gain != 1.0 for r in table.rows)
    rate = ["rate"] if tuned else []
    rows = []
    for r in table.rows:
        cells = [r.ideal.rule, f"{r.ideal.score:.3f}"]
        if r.chip is None:
            rows.append([*cells, "refused", *[""] * (6 + len(rate))])
            continue
        gap = "" if r.ideal.rule == table.baseline else signed(table.differences[r.ideal.rule])
        cells += [f"{r.chip.score:.3f} ±{(r.chip.high - r.chip.low) / 2:.3f}", gap]
        cells += ["" if math.isnan(r.retained) else f"{r.retained:.0%}", f"{r.worst:.3f}"]
        cells += [f"x{r.chip.gain:.3g}"] if tuned else []
        rows.append([*cells, *(f"{value:.3g}" for value in r.cost)])
    headings = ["rule", "ideal", "on chip (95 %)", f"minus {table.baseline}", "retained"]
    headings += ["worst chip", *rate, "operations", "words", "bytes"]
    show_table(page, table_of(headings, rows))
    config = table.config
    page.say(
        f"{config.task} on {config.hardware}: n = {table.rows[0].ideal.n} test instances, chips: "
        f"{config.profile.chips}; cost per synapse and step"
    )
    for r in table.rows:
        if r.reasons:
            page.say(f"{r.ideal.rule} {'; '.join(r.reasons)}.")


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
    bits, columns, values = as_table(cells)
    page = Page()
    rows = [(str(b), *(f"{v:.3f}" for v in line)) for b, line in zip(bits, values, strict=True)]
    show_table(page, table_of(("bits", *columns), rows))
    page.say(
        f"{rule} on {hardware}: score, where the ideal network has {ideal:.3f}; mean over chips"
    )
