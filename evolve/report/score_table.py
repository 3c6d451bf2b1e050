"""Scores and metrics of rules as tables that fit the terminal: what has no room goes below, with the rules again."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.table import Table as Grid

from evolve.ranking.compare import Row


class Column(NamedTuple):
    """A heading, and what stands below it."""

    name: str
    cells: list[str]
    whole: bool = False  # whether the heading stays on one line

    @property
    def width(self) -> int:
        """Characters, with the space between columns."""
        words = [self.name] if self.whole else self.name.split()
        return 1 + max(map(len, [*words, *self.cells]))


def score_tables(
    rows: Sequence[Row], versus: str, gaps: Mapping[str, str], width: int
) -> list[Grid]:
    """Scores, differences and metrics: medians over instances that did not diverge, unless most did.

    Parameters
    ----------
    versus, gaps
        Heading of the differences, and the difference of each rule.
    width
        Characters of the terminal; a table is wider only where the scores alone are.
    """
    scores = [f"{r.score:.3f} ±{(r.high - r.low) / 2:.3f}" for r in rows]
    first = [
        Column("score (95 %)", scores, whole=True),
        Column(versus, [gaps[r.rule] for r in rows], whole=True),
    ]
    rest = [Column(m.replace("_", " "), [_metric(r, m) for r in rows]) for m in rows[0].metrics]
    if any(r.gain != 1.0 for r in rows):
        rest.append(Column("rate", [f"x{r.gain:.3g}" for r in rows]))
    share = [f"{r.diverged / r.n:.0%}" if r.diverged else "" for r in rows]
    rest.append(Column("diverged", share))
    rules = Column("rule", [r.rule for r in rows], whole=True)
    parts, room = [[rules, *first]], width - sum(c.width for c in (rules, *first))
    for column in rest:
        if column.width > room and (len(parts) == 1 or len(parts[-1]) > 1):
            parts.append([rules])
            room = width - rules.width
        parts[-1].append(column)
        room -= column.width
    return [_grid(part) for part in parts]


def _metric(row: Row, name: str) -> str:
    value = row.metrics[name]
    return "" if 2 * row.diverged > row.n or math.isnan(value) else f"{value:.3g}"


def _grid(columns: Sequence[Column]) -> Grid:
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        grid.add_column(column.name, justify="right" if place else "left", no_wrap=column.whole)
    for cells in zip(*(c.cells for c in columns), strict=True):
        grid.add_row(*cells)
    return grid
