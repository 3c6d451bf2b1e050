"""Settings as people write them: from TOML files and flags, with one message for whatever is wrong."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from substrate.errors import UserError, unknown

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Mapping[str, Any], who: str) -> Model:
    """Build a model; whatever is wrong with the values becomes one message."""
    try:
        return model(**values)
    except ValidationError as error:
        raise UserError(
            f"{who}: " + " ".join(_complaint(e, model) for e in error.errors())
        ) from None


def _complaint(error: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if isinstance(error.get("ctx", {}).get("error"), UserError):
        return str(error["ctx"]["error"])
    if error["type"] == "extra_forbidden":
        holder: Any = model
        for part in error["loc"][:-1]:
            holder = holder.model_fields[part].annotation
        return (
            str(unknown("setting", str(error["loc"][-1]), holder.model_fields)) + f" (at {where})"
        )
    return f"{where} = {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}."


def load(path: Path) -> dict[str, Any]:
    """Read a TOML file as nested settings."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a byte-order mark in front
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read the configuration {path}: {error}.") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}.") from None


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
    if not equals or not name.strip():
        raise UserError(f"--set {text!r}: write KEY=VALUE, for instance --set genes.columns=20.")
    try:
        parsed = tomllib.loads(f"x = {value.strip()}")["x"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    for key in reversed(name.strip().split(".")):
        parsed = {key: parsed}
    return parsed
