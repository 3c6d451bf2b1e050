"""What settings there are: name, default, meaning and choices of every key, read off the models."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel


@dataclass(frozen=True)
class Key:
    """One setting."""

    name: str  # with dots
    default: Any
    meaning: str
    choices: str  # in words; empty if anything of the type goes


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[Key]:
    """The settings of a model and of the models in it.

    Parameters
    ----------
    prefix
        What stands before every name, such as `options.`.
    """
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            default = field.get_default(call_default_factory=True)
            choices = _words(schema["properties"][name], schema)
            yield Key(f"{prefix}{name}", default, field.description or "", choices)


#: How the types of JSON schemas are called.
TYPES = {"integer": "whole number", "number": "number", "string": "text", "object": "table"}


def _words(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in words."""
    if "$ref" in schema:
        return _words(whole["$defs"][schema["$ref"].rsplit("/", 1)[1]], whole)
    if "anyOf" in schema:
        return " or ".join(_words(one, whole) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type")
    if kind == "null":
        return "none"
    if kind == "boolean":
        return "true, false"
    if kind == "array":
        return _list(schema, whole)
    return " ".join(filter(None, (TYPES.get(str(kind), ""), _range(schema))))


def _list(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        first = _words(schema["prefixItems"][0], whole)
        return f"list of {len(schema['prefixItems'])}: {first}"
    items = schema.get("items", {})
    if items.get("type") == "array":
        return "list of lists"
    inner = _words(items, whole)
    several = inner.replace("number", "numbers", 1) if "number" in inner else inner
    return f"list: {several}" if inner else "list"


def _range(schema: Mapping[str, Any]) -> str:
    """The range of a number, in words."""
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"{_number(low)} to {_number(high)}"
    parts = [
        f"{words} {_number(value)}"
        for words, value in (
            ("above", above),
            ("at least", low),
            ("below", below),
            ("at most", high),
        )
        if value is not None
    ]
    return ", ".join(parts)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
