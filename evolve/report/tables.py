"""The table of all commands: whole names and numbers, in a terminal of any width and in a pipe.

On a terminal a table that is too wide first drops its empty columns, then breaks its headings, then wraps its last
column between words, and at last goes on below, with its first column again. In a pipe every record is one line, an
empty cell is `-`, and at least two blanks stand between cells.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from evolve.report.terminal import Page

if TYPE_CHECKING:
    from evolve.ranking.compare import Difference

#: Blanks between columns, and the least width of a column that is wrapped.
GAP, LEAST = 2, 24

#: Where long text may be broken: after blanks and after operators that stand without blanks.
PIECE = re.compile(r"[^\s*/;,]*(?:\s+|[*/;,]+\s*|$)")

#: A number with a point or an exponent, and not a part of a name.
DECIMAL = re.compile(r"(?<![\w.])\d+(?:\.\d+(?:e[+-]?\d+)?|e[+-]?\d+)(?![\w.])")

#: Significant digits of a constant in a table; files and JSON have all.
DIGITS = 4


@dataclass(frozen=True)
class Column:
    """A heading and the cells below it.

    Parameters
    ----------
    left
        Whether it is text; numbers stand to the right.
    wraps
        Whether a cell may take several lines.
    """

    heading: str
    cells: Sequence[str]
    left: bool = False
    wraps: bool = False

    @property
    def width(self) -> int:
        """Characters of the widest line, headings included."""
        lines = [line for text in (self.heading, *self.cells) for line in text.split("\n")]
        return max(map(cell_len, lines))

    def narrowed(self) -> "Column":
        """The same with its heading broken between words where that helps."""
        room = max(map(cell_len, [*self.cells, *self.heading.split()]), default=0)
        return replace(self, heading="\n".join(wrapped(self.heading, room)))

    def wrapped(self, room: int) -> "Column":
        """The same with every cell broken to fit."""
        return replace(self, cells=["\n".join(wrapped(cell, room)) for cell in self.cells])


def table_of(
    headings: Sequence[str], rows: Sequence[Sequence[str]], text: Sequence[str] = ()
) -> list[Column]:
    """Columns from rows.

    Parameters
    ----------
    text
        Headings of the columns that hold text and no numbers, beside the first, which always does. Where the last
        column holds text, it may be wrapped.
    """
    columns: Sequence[Sequence[str]] = [*zip(*rows, strict=True)] or [()] * len(headings)
    return [
        Column(
            heading, cells, i == 0 or heading in text, i == len(headings) - 1 and heading in text
        )
        for i, (heading, cells) in enumerate(zip(headings, columns, strict=True))
    ]


def show_table(page: Page, columns: Sequence[Column], marked: int | None = None) -> None:
    """Print a table; a marked row is bold."""
    whole = [
        replace(c, heading=page.fitted(c.heading), cells=[page.fitted(x) for x in c.cells])
        for c in columns
    ]
    if page.width is None:
        dashes = [replace(c, cells=[x or "-" for x in c.cells]) for c in whole]
        page.show(_text(dashes, marked), whole=True)
        return
    for place, part in enumerate(laid_out(whole, page.width)):
        if place:
            page.say()
        page.show(_text(part, marked), whole=True)


def laid_out(columns: Sequence[Column], width: int) -> list[list[Column]]:
    """The tables into which one must be divided so that no line is wider than the terminal."""
    first, *rest = columns
    rest = [c for c in rest if any(c.cells)] or rest
    for tried in ([first, *rest], [c.narrowed() for c in (first, *rest)]):
        if _width(tried) <= width:
            return [tried]
        last = tried[-1]
        room = width - _width(tried[:-1]) - GAP
        if last.wraps and room >= max(LEAST, _longest(last)):
            return [[*tried[:-1], last.wrapped(room)]]
    first, *rest = (c.narrowed() for c in (first, *rest))
    return [[first, *part] for part in _divided(rest, width - first.width)]


def _divided(columns: Sequence[Column], room: int) -> list[list[Column]]:
    """As few groups as fit, the last not of one column alone."""
    parts: list[list[Column]] = [[]]
    for column in columns:
        if parts[-1] and _width([*parts[-1], column]) + GAP > room:
            parts.append([])
        parts[-1].append(column)
    if len(parts) > 1 and len(parts[-1]) == 1 and len(parts[-2]) > 2:
        parts[-1].insert(0, parts[-2].pop())
    return [
        [*part[:-1], _fill(part[-1], room - GAP - _width(part[:-1]) - GAP * (len(part) > 1))]
        for part in parts
    ]


def _fill(column: Column, room: int) -> Column:
    return column.wrapped(max(room, LEAST)) if column.wraps and column.width > room else column


def _width(columns: Sequence[Column]) -> int:
    return sum(c.width for c in columns) + GAP * max(0, len(columns) - 1)


def _longest(column: Column) -> int:
    """The longest piece that may not be broken."""
    return max(cell_len(p.rstrip()) for cell in column.cells for p in PIECE.findall(cell))


def wrapped(text: str, width: int) -> list[str]:
    """Lines of a text, broken after blanks and operators only; a longer name stays whole."""
    lines = [""]
    for piece in PIECE.findall(text):
        if lines[-1] and cell_len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return [line.rstrip() for line in lines]


def _text(columns: Sequence[Column], marked: int | None) -> Text:
    """Columns side by side, with the headings in bold; Rich's own tables take a second for a thousand rows."""
    widths = [column.width for column in columns]
    text = Text()
    rows = [[c.heading for c in columns], *zip(*(c.cells for c in columns), strict=True)]
    for place, cells in enumerate(rows, start=-1):
        style = "bold" if place in (-1, marked) else None
        for parts in zip_longest(*(cell.split("\n") for cell in cells), fillvalue=""):
            each = zip(parts, widths, columns, strict=True)
            line = (" " * GAP).join(_padded(part, width, c.left) for part, width, c in each)
            text.append(line.rstrip(), style).append("\n")
    text.right_crop()
    return text


def _padded(part: str, width: int, left: bool) -> str:
    blanks = " " * (width - cell_len(part))
    return part + blanks if left else blanks + part


def signed(gap: "Difference") -> str:
    """A paired difference with its interval; a star where the test finds it at the 1 % level."""
    return f"{gap.mean:+.3f} ±{(gap.high - gap.low) / 2:.3f}{'*' if gap.p < 0.01 else ' '}"


def short_constants(equation: str) -> str:
    """An equation for people: constants with four digits."""
    return DECIMAL.sub(lambda m: f"{float(m.group()):.{DIGITS}g}", equation)
