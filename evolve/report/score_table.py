"""Scores and metrics of rules as a table."""

import math
from collections.abc import Mapping, Sequence

from evolve.ranking.compare import Row
from evolve.report.tables import Column


def score_columns(rows: Sequence[Row], versus: str, gaps: Mapping[str, str]) -> list[Column]:
    """Scores, differences and metrics: medians over instances that did not diverge, unless most did.

    Parameters
    ----------
    versus, gaps
        Heading of the differences, and the difference of each rule.
    """
    columns = [
        Column("rule", [r.rule for r in rows], left=True),
        Column("score (95 %)", [f"{r.score:.3f} ±{(r.high - r.low) / 2:.3f}" for r in rows]),
        Column(versus, [gaps[r.rule] for r in rows]),
        *(Column(m.replace("_", " "), [_metric(r, m) for r in rows]) for m in rows[0].metrics),
    ]
    if any(r.gain != 1.0 for r in rows):
        columns.append(Column("rate", [f"x{r.gain:.3g}" for r in rows]))
    share = [f"{r.diverged / r.n:.0%}" if r.diverged else "" for r in rows]
    return [*columns, Column("diverged", share)]


def _metric(row: Row, name: str) -> str:
    value = row.metrics[name]
    return "" if 2 * row.diverged > row.n or math.isnan(value) else f"{value:.3g}"
