"""Paired differences and their p-values, as numbers and as people read them."""

import ast
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from evolve.evaluation.arena import Scores
from evolve.ranking.compare import difference, p_value_text, row

ROOT = Path(__file__).parents[3]


def a_row(scores):
    score = np.asarray(scores, np.float32)[None, None]
    return row("one", Scores(score, score, {}))


def test_a_small_p_value_is_not_zero():
    """The scores are float32, in which the test of 300 equal signs would say 0."""
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.4, 300)
    high = low + rng.uniform(0.1, 0.5, 300)
    found = difference(a_row(high), a_row(low))
    single = (np.float32(high) - np.float32(low)).astype(np.float32)
    assert stats.wilcoxon(single).pvalue == 0.0
    assert found.p == pytest.approx(stats.wilcoxon(high - low).pvalue, rel=0.01)
    assert 0 < found.p < 1e-40
    assert difference(a_row(low), a_row(low)).p == 1.0


def test_p_values_for_people():
    assert [p_value_text(p) for p in (1.0, 0.0321, 3.4e-6, 1e-16, 9e-17, 0.0)] == [
        "1",
        "0.032",
        "3.4e-06",
        "1e-16",
        "< 1e-16",
        "< 1e-16",
    ]


def p_values_formatted(source):
    """Where a value called `p` is formatted by hand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            value = node.value
            name = value.attr if isinstance(value, ast.Attribute) else None
            if isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Constant):
                name = value.slice.value
            if name == "p":
                yield node.lineno


def test_every_p_value_that_people_read_is_written_by_one_function():
    assert (
        list(p_values_formatted("f'{gap.p:.2g}'"))
        == list(p_values_formatted("f\"{g['p']:g}\""))
        == [1]
    )
    for path in (ROOT / "evolve").rglob("*.py"):
        assert not list(p_values_formatted(path.read_text())), path
