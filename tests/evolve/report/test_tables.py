"""Tables and text: whole on a terminal of any width and in a pipe, plain whatever a name holds."""

import ast
import io
from pathlib import Path

import numpy as np
import pytest

from evolve.ranking.compare import Row
from evolve.report.score_table import score_columns
from evolve.report.tables import PIECE, laid_out, short_constants, show_table, table_of, wrapped
from evolve.report.terminal import Page, clean, command, fitted

ROOT = Path(__file__).parents[3]
METRICS = {
    "accuracy": 0.999,
    "loss": -7.74e-05,
    "participation": 1.07,
    "distractors_ignored": 0.965,
}
ROWS = [
    Row(name, 0.9, 0.8, 1.0, 50, diverged, gain, METRICS, np.zeros(50))
    for name, diverged, gain in (("feedback_alignment_oja", 0, 1.0), ("rflo", 3, 0.5))
]
GAPS = {"feedback_alignment_oja": "", "rflo": "-0.039 ±0.059*"}
HOSTILE = ("a[b]/x.json", "a[/b]/x.json", "[red]oja[/]", "\x1b[31moja\x1b]0;title\x07", ":smile:")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown(columns, monkeypatch, width=None):
    """What a page shows on a terminal so wide, or in a pipe."""
    monkeypatch.setenv("COLUMNS", str(width or 30))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal() if width else io.StringIO()
    show_table(Page(stream=stream), columns)
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_on_a_terminal_nothing_is_cut_or_left_out(width, monkeypatch):
    columns = score_columns(ROWS, "minus champion", GAPS)
    text = shown(columns, monkeypatch, width)
    assert "…" not in text and max(map(len, text.splitlines())) <= max(width, 60)
    for word in ("accuracy", "loss", "participation", "distractors", "rate", "diverged", "6%"):
        assert word in text
    for value in METRICS.values():
        assert text.count(f"{value:.3g}") == 2
    tables = laid_out(columns, width)
    assert len(tables) == 1 or len(tables[-1]) > 2, "a table for one column"
    assert text.count("feedback_alignment_oja") == len(tables)
    assert (len(tables) == 1) == (width == 200)


def test_in_a_pipe_every_record_is_one_line(monkeypatch):
    lines = shown(score_columns(ROWS, "minus champion", GAPS), monkeypatch).splitlines()
    assert len(lines) == 3
    head, first, second = (line.split("  ") for line in lines)
    assert "distractors ignored" in [word.strip() for word in head]
    assert [w.strip() for w in second if w.strip()][-2:] == ["x0.5", "6%"]
    assert [w.strip() for w in first if w.strip()][2] == "-", "an empty cell"
    assert not any(line.endswith(" ") for line in lines)


def test_long_text_is_broken_between_words_and_not_within_names(monkeypatch):
    equation = "dw = (post - post_mean)*(pre_delayed - pre_mean); d_pre_mean = (pre - pre_mean)/tau"
    columns = table_of(("rule", "equations"), [("asymmetric", equation)], ("equations",))
    text = shown(columns, monkeypatch, 50)
    assert len(text.splitlines()) > 2
    for name in ("post_mean", "pre_delayed", "d_pre_mean", "pre_mean"):
        assert name in text
    assert "".join(wrapped(equation, 20)).replace(" ", "") == equation.replace(" ", "")
    assert "".join(PIECE.findall(equation)) == equation


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("width", [None, 80])
def test_names_are_shown_as_they_are_and_control_nothing(name, width, monkeypatch):
    text = shown(table_of(("rule", "score"), [(name, "1")]), monkeypatch, width)
    assert clean(name) in text
    assert "\x1b" not in text and "\x07" not in text


def test_an_ascii_page_has_replacements_of_known_width():
    assert fitted("0.683 ±0.106", "ascii") == "0.683 +-0.106"
    assert fitted("Földiák 雪 \udc80", "ascii") == "Foldiak ? \\udc80"
    assert fitted("±ö", "utf-8") == "±ö"


@pytest.mark.parametrize(
    ("equation", "short"),
    [
        ("0.12345678901234567*post", "0.1235*post"),
        ("dw = 1.5*pre - 2e-07*w", "dw = 1.5*pre - 2e-07*w"),
        ("3*post*(pre - post*w)**2", "3*post*(pre - post*w)**2"),
        ("x1.25 + w2", "x1.25 + w2"),
    ],
)
def test_constants_are_short_for_people(equation, short):
    assert short_constants(equation) == short


def test_commands_name_the_store_unless_it_is_the_usual_one(monkeypatch):
    monkeypatch.delenv("HEBBARIUM_RUNS", raising=False)
    assert command("ui", runs=Path("runs")) == "hebbarium ui"
    assert command("ui", runs=Path("a b")) == "hebbarium ui --runs 'a b'"
    monkeypatch.setenv("HEBBARIUM_RUNS", "a b")
    assert command("ui", runs=Path("a b")) == "hebbarium ui"
    assert command("ui", runs=Path("runs")) == "hebbarium ui --runs runs"


def test_a_thousand_rows_are_written_in_a_line_each():
    """Cell by cell and at once: Rich's own tables take a second for them."""
    stream = io.StringIO()
    rows = [(f"r{i}", str(i), "x" * (i % 7)) for i in range(1000)]
    show_table(Page(stream=stream), table_of(("run", "seed", "champion"), rows, ("champion",)))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "run   seed  champion" and lines[10] == "r9       9  xx"
    assert [line.split()[:2] for line in lines[1:]] == [list(row[:2]) for row in rows]


def test_one_file_makes_rich_consoles_and_none_makes_its_tables():
    """So that markup and control characters of a name can come through nowhere else."""
    found = {"Console": set(), "Table": set(), "print": set()}
    for path in (ROOT / "evolve").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("rich."):
                for alias in node.names:
                    found.get(alias.name, set()).add(path.name)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print":
                found["print"].add(path.name)
    assert found == {"Console": {"terminal.py"}, "Table": set(), "print": {"terminal.py"}}
