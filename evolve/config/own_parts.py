"""A person's own parts: rules, task families, hardware profiles and export targets in a file of theirs.

Such a file is a program, and loading it runs it. So it is loaded only where a person names it, never because a
configuration or an artifact does: those record which files there were, with a hash of each.
"""

import hashlib
import linecache
import shlex
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from difflib import get_close_matches
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from substrate.errors import UserError
from substrate.registry import Registry


class OwnFile(NamedTuple):
    """A person's file, or a folder of theirs that is a package, as it was loaded."""

    path: Path
    digest: str  # SHA-256 of its text, in hexadecimal
    parts: tuple[tuple[Any, ...], ...]  # what it defines, for each of `registries()`
    about: str  # its docstring

    def __str__(self) -> str:
        """As a run records it."""
        return f"{self.path} sha256:{self.digest[:16]}"


_LOADED: dict[Path, OwnFile] = {}


def registries() -> tuple[Registry[Any], ...]:
    """What a file may define."""
    from evolve.exports import (
        TARGETS,
    )  # late: who only names a configuration should not wait for JAX
    from rules_zoo import RULES
    from substrate.hardware import PROFILES
    from tasks import FAMILIES

    return RULES, FAMILIES, PROFILES, TARGETS


def load_parts(*paths: Path | str) -> tuple[OwnFile, ...]:
    """Run a person's own files, and take in the parts that they define.

    What lies beside a file can be imported from it. A file that has been loaded before is loaded again only if it
    has changed; its parts then take the place of the old ones.

    Parameters
    ----------
    paths
        Python files, or folders with an `__init__.py`.

    Raises
    ------
    UserError
        If a file is not there, ends with an error, defines nothing, or defines a part whose name is taken.

    >>> from evolve import load_parts
    >>> load_parts("my_task.py")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    substrate.errors.UserError: There is no file ...my_task.py to load. Give the path of a Python file of yours.
    """
    return tuple(_load(Path(path).expanduser().resolve()) for path in paths)


def recorded() -> tuple[str, ...]:
    """The files that have been loaded, as a run records them."""
    return tuple(map(str, _LOADED.values()))


def require_loaded(records: Sequence[str]) -> None:
    """Refuse what was recorded with files that are not loaded now, or that were different.

    Raises
    ------
    UserError
        Saying what to load.
    """
    for record in records:
        path, _, digest = record.rpartition(" sha256:")
        now = _LOADED.get(Path(path))
        if not path:
            raise UserError(
                f"load = {record!r}: this setting only records which of your own files were loaded. Name them with "
                "--load."
            )
        if now is None:
            raise UserError(
                f"This was made with your own file {path}. It is a program, and runs only where you name it: "
                f"give --load {shlex.quote(path)} (in Python, load_parts({path!r}) before)."
            )
        if str(now) != record:
            raise UserError(
                f"This was made with another version of {path}: sha256 {digest} then, {now.digest[:16]} now. Load "
                "that version, or leave out the setting `load`."
            )


def load_recorded(records: Sequence[str]) -> None:
    """Load what the process has loaded for which this one works.

    Raises
    ------
    UserError
        If a file has changed since.
    """
    load_parts(*(record.rpartition(" sha256:")[0] for record in records))
    require_loaded(records)


def _load(path: Path) -> OwnFile:
    file = _file(path)
    try:
        texts = [f.read_bytes() for f in (sorted(path.rglob("*.py")) if path.is_dir() else [file])]
        source = file.read_bytes()
    except OSError as error:
        raise UserError(f"Cannot read {file}: {error.strerror}.") from None
    digest = hashlib.sha256(b"\0".join(texts)).hexdigest()
    known = _LOADED.get(path)
    if known is not None and known.digest == digest:
        return known
    # The same in every process, so that what it defines can be sent from one to another.
    name = f"own_{path.stem}_{hashlib.sha256(bytes(path) + digest.encode()).hexdigest()[:12]}"
    try:
        module = _run(path, file, source, name)
        own = OwnFile(path, digest, _parts(module, path), module.__doc__ or "")
        _take_in(own, known)
    except UserError:
        for loaded in [n for n in sys.modules if n == name or n.startswith(f"{name}.")]:
            del sys.modules[loaded]
        raise
    _LOADED[path] = own
    return own


def _take_in(own: OwnFile, known: OwnFile | None = None) -> None:
    """All parts of a file, in place of those of its version that is known; or none."""
    source = str(own.path)
    for registry in registries():
        registry.forget(source)
    try:
        for registry, parts in zip(registries(), own.parts, strict=True):
            registry.require_free(parts, source)
    except UserError:
        if known is not None:
            _take_in(known)
        raise
    for registry, parts in zip(registries(), own.parts, strict=True):
        registry.add(parts, source)


def _file(path: Path) -> Path:
    """The file to run."""
    if path.suffix == ".json":
        raise UserError(
            f"{path} is no Python file. A rule in a JSON file needs no --load: name it where a rule is asked for, as "
            "in --rules or --start."
        )
    if path.is_dir():
        if not (path / "__init__.py").is_file():
            raise UserError(
                f"The folder {path} has no __init__.py, so it is no Python package. Load the files in it one by one."
            )
        return path / "__init__.py"
    if not path.is_file():
        beside = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        near = get_close_matches(path.name, beside, n=1)
        hint = f" Did you mean {near[0]}?" if near else " Give the path of a Python file of yours."
        raise UserError(f"There is no file {path} to load.{hint}")
    return path


def _run(path: Path, file: Path, source: bytes, name: str) -> ModuleType:
    """Run a file as a module."""
    places = [str(path)] if path.is_dir() else None
    spec = spec_from_file_location(name, file, submodule_search_locations=places)
    if spec is None:
        raise UserError(f"{path} is no Python file: its name must end in .py.")
    module = module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    linecache.checkcache(str(file))
    try:
        with redirect_stdout(sys.stderr):  # what it prints must not mix with ours
            exec(
                compile(source, str(file), "exec"), module.__dict__
            )  # the very text that was hashed
    except (Exception, SystemExit) as error:
        what = str(error) if isinstance(error, UserError) else _described(error)
        raise UserError(f"{_place(error, path, file)}: {what}") from error
    return module


def _described(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()


def _place(error: BaseException, path: Path, file: Path) -> str:
    """Where in the person's own text an error comes from."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}, line {error.lineno}"

    def is_own(text: Path) -> bool:
        return text.is_relative_to(path) if path.is_dir() else text.parent == path.parent

    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if is_own(Path(frame.filename))]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else str(file)


def _parts(module: ModuleType, path: Path) -> tuple[tuple[Any, ...], ...]:
    """What a module defines, for each of `registries()`."""
    parts: list[tuple[Any, ...]] = []
    for registry in registries():
        given = hasattr(module, registry.attribute)
        value = getattr(module, registry.attribute, None)
        parts.append(registry.entries_of(value, str(path)) if given else ())
    if not any(parts):
        names = ", ".join(f"{r.attribute} (a {r.kind.__name__})" for r in registries())
        hints = [
            f" It has a {r.kind.__name__} called {name}: call it {r.attribute}."
            for r in registries()
            for name, value in vars(module).items()
            if isinstance(value, r.kind) and not name.startswith("_")
        ]
        raise UserError(
            f"{path} defines no part. A file to load defines one or several of {names}, or tuples of them."
            + "".join(hints[:1])
        )
    return tuple(parts)
