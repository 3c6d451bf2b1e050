"""What an export target is: adding one is adding a file to this package that defines `TARGET`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from substrate.rule import Rule


@dataclass(frozen=True)
class Target:
    """One language that a rule can be written in.

    Parameters
    ----------
    name
        What people call it; the name of its file.
    suffix
        Of the files that hold its text, such as `.py`.
    summary
        What the text is and what it needs, in one line.
    render
        Writes a rule with the provenance that a reader should find in it. Names and values of the
        provenance, and the texts of the rule, come from outside: what they contain must not become
        part of the program.
    """

    name: str
    suffix: str
    summary: str
    render: Callable[[Rule, Mapping[str, str]], str]


def line(words: str) -> str:
    """Text from outside on one line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())
