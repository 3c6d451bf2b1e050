"""Registries: what there is of a kind, by name. An entry comes from a file of the platform's own package, from an
installed package, or from a person's own file.

Nothing is imported until somebody looks.
"""

import importlib
import logging
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from threading import RLock
from typing import Any, Generic, TypeVar

from substrate.errors import UserError

Entry = TypeVar("Entry")

#: What people can type as a name: on a command line, in a list with commas, before a colon.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_LOG = logging.getLogger("hebbarium")
#: One for all registries, since what is loaded for one may look at others; and whether something is being loaded.
_LOCK = RLock()
_LOADING: list[str] = []


class Registry(Mapping[str, Entry], Generic[Entry]):
    """The entries of a kind by name, in the order of their names.

    Parameters
    ----------
    noun
        What people call an entry: `rule`, `task`.
    package
        The platform's own package of such entries: each module defines one or several, see `attribute`. `base` and
        modules that start with an underscore are helpers.
    attribute
        What a module or a person's file calls its entry: one `kind`, or a tuple of them (a close family).
    kind
        The type of an entry; it has a `name`.
    group
        Entry points of installed packages, each an entry or a tuple of them. One that cannot be loaded is left out,
        with a line in the log.
    """

    def __init__(self, noun: str, package: str, attribute: str, kind: type[Entry], group: str):
        self.noun, self.package, self.attribute = noun, package, attribute
        self.kind, self.group = kind, group
        self._found: dict[str, Entry] | None = None
        self._complete = False  # whether installed packages have been asked
        self._sources: dict[str, str] = {}

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def source(self, name: str) -> str | None:
        """The file or the package that an entry came from, None for one of the platform's own."""
        return self._sources.get(name) if name in self._entries else None

    def entries_of(self, value: object, where: str) -> tuple[Entry, ...]:
        """What a module calls its entry, as a tuple of entries.

        Raises
        ------
        UserError
            If it is something else, or has a name that nobody can type.
        """
        entries = tuple(value) if isinstance(value, tuple | list) else (value,)
        for entry in entries:
            if not isinstance(entry, self.kind):
                raise UserError(
                    f"{where}: {self.attribute} is a {self.kind.__name__} or a tuple of them, not "
                    f"{type(entry).__name__!r}."
                )
            name: Any = entry.name  # type: ignore[attr-defined]
            if not isinstance(name, str) or not NAME.fullmatch(name):
                raise UserError(
                    f"{where}: the {self.noun} {name!r} needs a name of the letters a to z, digits and _, which "
                    "people can type."
                )
        if not entries:
            raise UserError(f"{where}: {self.attribute} is empty.")
        return entries

    def require_free(self, entries: Iterable[Entry], where: str) -> None:
        """Refuse entries whose name is taken, by whom it is.

        Raises
        ------
        UserError
            If two entries would share a name.
        """
        met: set[str] = set()
        for entry in entries:
            name: str = entry.name  # type: ignore[attr-defined]
            if name in self._entries:
                by = self.source(name) or f"Hebbarium's own, in {self.package}"
                raise UserError(
                    f"{where}: the {self.noun} {name!r} is there already ({by}). Give it another name."
                )
            if name in met:
                raise UserError(f"{where}: two {self.noun}s are called {name!r}. Rename one.")
            met.add(name)

    def add(self, entries: Iterable[Entry], source: str, where: str = "") -> None:
        """Take in entries from elsewhere.

        Parameters
        ----------
        source
            The file or the package, as people know it.
        where
            What a message begins with; the source if not given.

        Raises
        ------
        UserError
            If a name is taken; nothing is taken in then.
        """
        entries = tuple(entries)
        with _LOCK:
            self.require_free(entries, where or source)
            new = {entry.name: entry for entry in entries}  # type: ignore[attr-defined]
            self._sources.update(dict.fromkeys(new, source))
            self._found = dict(sorted({**self._entries, **new}.items()))

    def forget(self, source: str) -> None:
        """Take out what came from a source."""
        with _LOCK:
            gone = {name for name, place in self._sources.items() if place == source}
            self._found = {k: v for k, v in self._entries.items() if k not in gone}
            for name in gone:
                del self._sources[name]

    @property
    def _entries(self) -> dict[str, Entry]:
        if self._found is None or not self._complete:
            with _LOCK:
                if self._found is None:
                    self._found = self._own()
                # A package may look at a registry while it is loaded; it sees what is there then.
                if not self._complete and not _LOADING:
                    _LOADING.append(self.group)
                    try:
                        for point in sorted(_points().select(group=self.group), key=_name):
                            self._load(point)
                        self._complete = True
                    finally:
                        _LOADING.pop()
        return self._found

    def _own(self) -> dict[str, Entry]:
        """What the modules of the platform's package define.

        Raises
        ------
        TypeError
            If a module defines no such entry.
        ValueError
            If two entries share a name, or a module of one entry is not named after it.
        """
        found: dict[str, Entry] = {}
        for info in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
            if info.name == "base" or info.name.startswith("_"):
                continue
            module = importlib.import_module(f"{self.package}.{info.name}")
            value = getattr(module, self.attribute, None)
            entries = value if isinstance(value, tuple) else (value,)
            for entry in entries:
                if not isinstance(entry, self.kind):
                    raise TypeError(
                        f"{module.__file__} must define {self.attribute}: {self.kind.__name__} (or a tuple of them), "
                        f"got {type(entry).__name__}. If it is a helper, start its name with '_'."
                    )
                name = entry.name  # type: ignore[attr-defined]
                if name in found or (len(entries) == 1 and name != info.name):
                    raise ValueError(
                        f"{module.__file__} holds {name!r}: a name is its file's, and taken once."
                    )
                found[name] = entry
        return dict(sorted(found.items()))

    def _load(self, point: EntryPoint) -> None:
        """Take in what an entry point names, or say in the log why not."""
        package = f"the package {point.dist.name} {point.dist.version}" if point.dist else "?"
        where = f"The entry point {point.name!r} of {package} ({self.group})"
        try:
            value = point.load()
            entries = self.entries_of(getattr(value, self.attribute, value), where)
            self.add(entries, package, where)
        except UserError as error:
            _LOG.warning("hebbarium: %s It is left out.", error)
        except Exception as error:  # the rest works without this package
            _LOG.warning(
                "hebbarium: %s cannot be loaded, and is left out: %s: %s",
                where,
                type(error).__name__,
                error,
            )


def _name(point: EntryPoint) -> str:
    return point.name


@cache
def _points() -> Any:
    """The entry points of all installed packages, looked up once: it reads a file of every package."""
    return entry_points()
