"""Settings as people write them: from TOML files and flags, with one message for whatever is wrong."""

import difflib
import reprlib
import tomllib
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from evolve.config.describe import keys
from evolve.config.written import NONE
from substrate.errors import UserError, unknown

Model = TypeVar("Model", bound=BaseModel)

#: Words for nothing, in any case; TOML has none.
NOTHING = (NONE, "null")

#: Shows in a message what a person gave, however long it is.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def validated(model: type[Model], values: Mapping[str, Any], who: str) -> Model:
    """Build a model; whatever is wrong with the values becomes one message.

    A model may have a class method `further_keys`, which names settings that its fields do not tell, for suggestions.
    """
    try:
        return model(**_with_nothing(model, values))
    except ValidationError as error:
        further = getattr(model, "further_keys", None)
        others = further(values) if further else ()
        complaints = " ".join(_complaint(e, model, others) for e in error.errors())
        raise UserError(f"{who}: {complaints}") from None
    except ArithmeticError as error:
        raise UserError(
            f"{who}: a number is too large or too small to compute with ({error}). Give another."
        ) from None


def _with_nothing(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Take the words for nothing as None where a setting may be None."""

    def read(name: str, value: Any) -> Any:
        field = model.model_fields.get(name)
        if field is None:
            return value
        inner = field.annotation
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            return _with_nothing(inner, value)
        nothing = isinstance(value, str) and value.lower() in NOTHING
        return None if nothing and _may_be_none(inner) else value

    return {name: read(name, value) for name, value in values.items()}


def _may_be_none(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _complaint(error: Any, model: type[BaseModel], others: Sequence[str]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if isinstance(error.get("ctx", {}).get("error"), UserError):
        return str(error["ctx"]["error"])
    if error["type"] == "extra_forbidden":
        return _unknown_setting(error["loc"], model, others)
    return f"{where} = {shown(error['input'])}: {error['msg'][0].lower()}{error['msg'][1:]}."


def _unknown_setting(loc: Sequence[Any], model: type[BaseModel], others: Sequence[str]) -> str:
    """Refuse a name; one that exists elsewhere is said to be there."""
    *path, last = (str(part) for part in loc)
    holder: Any = model
    for part in path:
        holder = holder.model_fields[part].annotation
    name = ".".join([*path, last])
    known = [*(key.name for key in keys(model)), *others]
    elsewhere = [key for key in known if key.split(".")[-1] == last]
    if elsewhere or len(name) > _SHORT.maxstring:
        hint = f" Did you mean {' or '.join(map(repr, elsewhere))}?" if elsewhere else ""
        return f"There is no setting {shown(name)}.{hint} `hebbarium settings` lists them."
    near = difflib.get_close_matches(last, holder.model_fields, n=1)
    within = f" (at {name})" if path else ""
    if not near and not path and (near := difflib.get_close_matches(name, known, n=1)):
        return f"There is no setting {name!r}. Did you mean {near[0]!r}?"
    return f"{unknown('setting', last, holder.model_fields)}{within}"


def shown(value: object) -> str:
    """What a person gave, for a message: short, on one line."""
    try:
        return _SHORT.repr(value)
    except (ValueError, RecursionError):  # Python refuses to write integers of thousands of digits
        return f"a {type(value).__name__} of enormous size"


def load(path: Path) -> dict[str, Any]:
    """Read a TOML file as nested settings; a byte-order mark at its beginning is skipped."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a byte-order mark in front
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read the configuration {path}: {error}.") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {_why(error)}.") from None


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "its brackets are nested too deeply"
    return "a number in it has too many digits, or a date does not exist"


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay nested settings over others."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def setting(text: str) -> dict[str, Any]:
    """Read `genes.columns=20` as nested settings; the value is written as in TOML, or is a bare word."""
    name, equals, value = text.partition("=")
    parts = [part.strip() for part in name.split(".")]
    if not equals or not all(parts):
        raise UserError(
            f"--set {shown(text)}: write KEY=VALUE, for instance --set genes.columns=20."
        )
    if len(parts) > 10:
        raise UserError(f"--set {shown(text)}: no setting has so many dots.")
    try:
        read = tomllib.loads(f"x = {value.strip()}")
        parsed = read["x"] if len(read) == 1 else value.strip()
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    except (ValueError, RecursionError) as error:
        raise UserError(f"--set {shown(text)} cannot be read: {_why(error)}.") from None
    return nested(".".join(parts), parsed)


def nested(name: str, value: object) -> dict[str, Any]:
    """A value under a name with dots, as nested settings."""
    for key in reversed(name.split(".")):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def given(flags: Mapping[str, tuple[str, object]], settings: Sequence[str]) -> dict[str, Any]:
    """What a command line asks for, as nested settings.

    Parameters
    ----------
    flags
        The name of a setting and its value, by what the person typed for it; None is not given.
    settings
        The arguments of `--set`.

    Raises
    ------
    UserError
        If two of them ask for different values of one setting.
    """
    asked = [
        (f"{flag} {value}", nested(name, value))
        for flag, (name, value) in flags.items()
        if value is not None
    ]
    asked += [(f"--set {text}", setting(text)) for text in settings]
    merged: dict[str, Any] = {}
    who: dict[str, tuple[str, object]] = {}
    for source, values in asked:
        for name, value in _leaves(values):
            for other, (earlier, before) in who.items():
                below = name.startswith(f"{other}.") or other.startswith(f"{name}.")
                if below or (name == other and before != value):
                    raise UserError(
                        f"{clipped(earlier)} and {clipped(source)} contradict each other. Give one of them."
                    )
            who[name] = source, value
        merged = merge(merged, values)
    return merged


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def clipped(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= _SHORT.maxstring else f"{text[: _SHORT.maxstring - 3]}..."
