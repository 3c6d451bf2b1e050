"""The front of a run as a table: what every rule scores, and what its additional operators gain."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table

from evolve.expressions.one_line import equations
from evolve.running.result import Candidate
from evolve.search.pareto import steps

#: The headings of the table.
HEADINGS = ("complexity", "score", "gain/operator", "equation")


class FrontRow(NamedTuple):
    """A rule of the front."""

    candidate: Candidate
    gain: float | None  # validation score per operator over the rule before; None for the first
    chosen: bool

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """What stands under the headings."""
        gain = "" if self.gain is None else f"{self.gain:+.3f}"
        own = self.candidate
        return str(own.operators), f"{own.validation:.3f}", gain, equations(own.rule)


def front_rows(front: Sequence[Candidate], champion: Candidate) -> list[FrontRow]:
    """The rules that no shorter one beats on validation instances, simplest first; and the champion."""
    found = steps(front, champion)
    return [
        FrontRow(s.rule, s.gain if i else None, s.rule is champion) for i, s in enumerate(found)
    ]


def grid(rows: Sequence[FrontRow]) -> Table:
    """For a terminal; the chosen rule is marked."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("")
    for name in HEADINGS[:3]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(HEADINGS[3], overflow="fold")
    for row in rows:
        table.add_row(">" if row.chosen else "", *row.cells, style="bold" if row.chosen else None)
    return table


def markdown(rows: Sequence[FrontRow]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [f"| {' | '.join(HEADINGS)} | |", "|---:|---:|---:|---|---|"]
    for row in rows:
        size, score, gain, equation = row.cells
        chosen = "chosen" if row.chosen else ""
        lines.append(f"| {size} | {score} | {gain} | `{equation}` | {chosen} |")
    return lines
