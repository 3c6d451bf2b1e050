"""The one exception that is meant for a person: a wrong name, file or setting, refused before anything runs."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

Entry = TypeVar("Entry")


class UserError(ValueError):
    """Bad input from a person; its message says who, what came, what is allowed and how to mend it."""


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """Build the refusal of a name that is not registered, with the nearest ones first."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"There is no {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def chosen(kind: str, name: str, known: Mapping[str, Entry]) -> Entry:
    """The entry of that name.

    Raises
    ------
    UserError
        If there is none.
    """
    if name not in known:
        raise unknown(kind, name, known)
    return known[name]
