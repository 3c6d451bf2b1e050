"""Discovery: every module of a package that defines the agreed name is an entry; adding one is adding a file."""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

Entry = TypeVar("Entry")


def discover(package: str, attribute: str, kind: type[Entry]) -> Mapping[str, Entry]:
    """Return the entries of a package by name, in the order of their names.

    A module defines `attribute` as one `kind` or as a tuple of them (a close family). `base` and modules that start
    with an underscore are helpers.

    Raises
    ------
    TypeError
        If a module defines no such entry.
    ValueError
        If two entries share a name, or a module of one entry is not named after it.
    """
    found: dict[str, Entry] = {}
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if info.name == "base" or info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{info.name}")
        value = getattr(module, attribute, None)
        entries = value if isinstance(value, tuple) else (value,)
        for entry in entries:
            if not isinstance(entry, kind):
                raise TypeError(
                    f"{module.__file__} must define {attribute}: {kind.__name__} (or a tuple of them), "
                    f"got {type(entry).__name__}. If it is a helper, start its name with '_'."
                )
            name = entry.name  # type: ignore[attr-defined]
            if name in found or (len(entries) == 1 and name != info.name):
                raise ValueError(
                    f"{module.__file__} holds {name!r}: a name is its file's, and taken once."
                )
            found[name] = entry
    return MappingProxyType(dict(sorted(found.items())))
