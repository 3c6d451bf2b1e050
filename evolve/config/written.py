"""How settings are written: as TOML, and as KEY=VALUE for a shell. `evolve.config.settings` reads both."""

import json
import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

#: TOML has no word for nothing; `evolve.config.settings` takes this one where nothing is allowed.
NONE = "none"

BARE = re.compile(r"[A-Za-z0-9_-]+")


def value_text(value: Any) -> str:
    """A value as TOML writes it, on one line."""
    if value is None:
        return json.dumps(NONE)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key_text(k)} = {value_text(v)}" for k, v in value.items())
        return f"{{{inner}}}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(map(value_text, value))}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def key_text(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if BARE.fullmatch(key) else value_text(key)


def key_value(name: str, value: Any) -> str:
    """A setting as `KEY=VALUE`, in the quotes that a shell needs; words stand without TOML's."""
    text = value_text(value)
    if isinstance(value, str) and _is_word(value):
        text = value
    return shlex.quote(f"{name}={NONE if value is None else text}")


def _is_word(value: str) -> bool:
    """Whether a bare word is read as itself."""
    if value != value.strip() or not value:
        return False
    try:
        tomllib.loads(f"x = {value}")
    except tomllib.TOMLDecodeError:
        return True
    return False


def toml(settings: Mapping[str, Any]) -> str:
    """Nested settings as a TOML file."""
    lines: list[str] = []
    _section(settings, "", lines)
    return "\n".join(lines) + "\n"


def _section(settings: Mapping[str, Any], prefix: str, lines: list[str]) -> None:
    tables = {k: v for k, v in settings.items() if isinstance(v, Mapping)}
    lines += [f"{key_text(k)} = {value_text(v)}" for k, v in settings.items() if k not in tables]
    for key, table in tables.items():
        name = f"{prefix}{key_text(key)}"
        lines += ["", f"[{name}]"]
        _section(table, f"{name}.", lines)
