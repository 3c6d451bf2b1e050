"""Tables of scores: whole in a terminal of any width."""

import io

import numpy as np
import pytest
from rich.console import Console

from evolve.ranking.compare import Row
from evolve.report.score_table import score_tables

METRICS = {"accuracy": 0.999, "loss": 1e-4, "participation": 1.07, "top_share": 0.965}
ROWS = [
    Row(name, 0.9, 0.8, 1.0, 50, diverged, gain, METRICS, np.zeros(50))
    for name, diverged, gain in (("feedback_alignment_oja", 0, 1.0), ("rflo", 3, 0.5))
]
GAPS = {"feedback_alignment_oja": "", "rflo": "-0.039 ±0.059*"}


@pytest.mark.parametrize("width", [60, 80, 200])
def test_nothing_is_cut_and_nothing_is_left_out(width):
    page = io.StringIO()
    console = Console(file=page, width=width)
    tables = score_tables(ROWS, "minus champion", GAPS, width)
    for table in tables:
        console.print(table)
    shown = page.getvalue()
    assert (len(tables) == 1) == (width == 200)
    assert "…" not in shown and max(map(len, shown.splitlines())) <= width
    for word in ("accuracy", "loss", "participation", "share", "rate", "diverged", "x0.5", "6%"):
        assert shown.count(word) >= 1
    for value in METRICS.values():
        assert shown.count(f"{value:.3g}") >= 2
    assert shown.count("rflo") == len(tables)
