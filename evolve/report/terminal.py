"""How text reaches a person: plain, whole, and in the characters that the terminal has.

Names come from files, other people's stores and the command line. `Page` prints every string as it stands, never as
markup, and shows control characters as escapes. On a terminal lines are wrapped between words. In a pipe or a file
nothing is wrapped, cut or coloured.
"""

import codecs
import io
import json
import math
import os
import shlex
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from substrate.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: The name under which Python knows how this module replaces characters that an encoding lacks.
REPLACE = "hebbarium"

#: Characters of a line that is never broken.
ENDLESS = 1_000_000

#: What is written for a character that an encoding lacks. Letters lose their accents; the rest becomes `?`.
INSTEAD = {
    "±": "+-",
    "×": "x",
    "µ": "u",
    "…": "...",
    "–": "-",
    "—": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "’": "'",
}


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_in_ascii, error.object[error.start : error.end])), error.end


def _in_ascii(character: str) -> str:
    bare = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return INSTEAD.get(character) or bare or "?"


codecs.register_error(REPLACE, _replace)


class ReaderGoneError(Exception):
    """Nobody reads standard output any more; no OSError, of which the library of the command line makes its own."""


def prepare_streams() -> None:
    """Let standard output and error replace what their encoding lacks, in place of a UnicodeEncodeError."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=REPLACE)


def clean(text: str) -> str:
    """One line without control characters: blanks for line ends and tabs, escapes such as `\\x1b` for the rest."""
    return "".join(
        c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape").decode()
        for c in text
    )


def fitted(text: str, encoding: str) -> str:
    """A clean line in the characters that an encoding has; its width is then known before it is printed."""
    return clean(text).encode(encoding, REPLACE).decode(encoding)


def write(text: str, stream: TextIO | None = None) -> None:
    """Write to standard output, now.

    Raises
    ------
    UserError
        If it cannot be written, for instance to a full disk.
    ReaderGoneError
        If nobody reads any more.
    """
    stream = stream or sys.stdout
    if stream is None:  # closed by whoever started us
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise UserError(
            f"Cannot write to standard output: {error.strerror}. Send it to another place."
        ) from None


def dump(record: Mapping[str, Any]) -> None:
    """Print one JSON object on one line for programs; what is not finite becomes null."""

    def finite(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: finite(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [finite(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    write(json.dumps(finite(record), allow_nan=False) + "\n")


def complain(message: str) -> None:
    """Say on standard error what went wrong."""
    if sys.stderr is not None:
        lines = "\n".join(clean(line) for line in f"hebbarium: {message}".split("\n"))
        print(lines, file=sys.stderr, flush=True)


def command(*words: str, runs: Path | None = None) -> str:
    """A command that a person can paste into a shell.

    Parameters
    ----------
    runs
        The folder of the store; named in the command unless it is where the command looks by itself.
    """
    usual = Path(os.environ.get("HEBBARIUM_RUNS") or "runs")
    where = [] if runs is None or runs == usual else ["--runs", str(runs)]
    return shlex.join(["hebbarium", *words, *where])


class Page:
    """Standard output, standard error or another stream as a page for people."""

    def __init__(
        self, stderr: bool = False, quiet: bool = False, stream: TextIO | None = None
    ) -> None:
        stream = stream or (sys.stderr if stderr else sys.stdout)
        self.stream, self.quiet = stream, quiet or stream is None
        self.terminal = stream is not None and stream.isatty()
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def console(self, stream: TextIO | None = None) -> "Console":
        """Rich on this page, or on a stream that is to become a part of it; it takes strings as they are."""
        from rich.console import Console

        plain = not self.terminal or bool(os.environ.get("NO_COLOR"))
        return Console(
            file=stream or self.stream,
            force_terminal=self.terminal,
            markup=False,
            highlight=False,
            emoji=False,
            color_system=None if plain else "auto",
        )

    @property
    def width(self) -> int | None:
        """Characters of a line on a terminal; None where lines have no end."""
        return self.console().width if self.terminal else None

    def fitted(self, text: str) -> str:
        """A line as this page can show it."""
        return fitted(text, self.encoding)

    def say(self, text: str = "", bold: str = "", style: str = "", indent: int = 0) -> None:
        """Print a paragraph, or an empty line; `bold` stands before the text."""
        from rich.padding import Padding
        from rich.text import Text

        line = Text().append(self.fitted(bold), style="bold")
        line.append(self.fitted(text), style=style or None)
        self.show(Padding(line, (0, 0, 0, indent)) if indent else line)

    def line(self, text: str, bold: bool = False) -> None:
        """Print one line that is never broken, such as a command or an equation to copy."""
        from rich.text import Text

        self.show(Text(self.fitted(text), style="bold" if bold else ""), whole=True)

    def lines(self, lines: Iterable[str]) -> None:
        """Print paragraphs."""
        for line in lines:
            self.say(line)

    def show(self, what: "RenderableType", whole: bool = False) -> None:
        """Print something of Rich's.

        Parameters
        ----------
        whole
            Whether lines stay whole where they are wider than the terminal.
        """
        if self.quiet:
            return
        from rich.measure import Measurement

        part = io.StringIO()
        console = self.console(part)
        if whole or not self.terminal:
            endless = console.options.update(max_width=ENDLESS)
            console.width = max(console.width, Measurement.get(console, endless, what).maximum)
        console.print(what, crop=False, soft_wrap=whole)
        text = part.getvalue()
        if not self.terminal:  # tables are padded to their width
            text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
        write(text, self.stream)
