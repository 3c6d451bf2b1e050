"""The front of a run as a table: what every rule scores, and what its additional operators gain."""

from collections.abc import Sequence
from typing import NamedTuple

from evolve.expressions.one_line import equations
from evolve.report.tables import short_constants, show_table, table_of
from evolve.report.terminal import Page
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


def show_front(page: Page, rows: Sequence[FrontRow]) -> None:
    """Print the table; the chosen rule is marked."""
    cells = [
        (">" if row.chosen else "", *row.cells[:3], short_constants(row.cells[3])) for row in rows
    ]
    chosen = next((place for place, row in enumerate(rows) if row.chosen), None)
    show_table(page, table_of(("", *HEADINGS), cells, text=HEADINGS[3:]), chosen)


def markdown(rows: Sequence[FrontRow]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [f"| {' | '.join(HEADINGS)} | |", "|---:|---:|---:|---|---|"]
    for row in rows:
        size, score, gain, equation = row.cells
        chosen = "chosen" if row.chosen else ""
        lines.append(f"| {size} | {score} | {gain} | `{equation}` | {chosen} |")
    return lines
