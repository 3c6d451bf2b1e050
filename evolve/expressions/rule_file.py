"""Rule files: a rule as JSON that people can read, and that may safely come from strangers.

    {"format": "hebbarium-rule/1", "name": "bcm",
     "dw": {"forward": "pre*post*(post - theta)"},
     "constants": {"tau": 50.0},
     "slow": [{"name": "theta", "rate": "(post**2 - theta)/tau", "scope": "post", "initial": 1.0}],
     "reference": "...", "note": "...", "provenance": {"run": "..."}}

`format`, `name` and `dw` are required. Equations are read by `evolve.expressions.parser`, which executes
nothing. Whatever is not of this form is refused with its place in the file.

A rule that is too long or too deep for plain equations, or that repeats itself over and over, has
`"parts": {"part1": "tanh(pre - w)", ...}` besides: names for subexpressions, each of which may use
those before it. Reading one is reading its text in brackets.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sympy import Expr

from evolve.expressions.naming import require_few, require_name
from evolve.expressions.parser import parse, quoted
from evolve.expressions.printer import TEXT, Parts
from substrate.errors import UserError
from substrate.rule import FORWARD, Rule, Slow
from substrate.traversal import depth_of
from substrate.vocabulary import SCOPES, VOCABULARY

FORMAT = "hebbarium-rule/1"
#: Largest rule file, in bytes.
MAX_FILE = 2_000_000
#: How many operations of a rule may lie inside each other.
MAX_DEPTH = 6_000

_REQUIRED = ("format", "name", "dw")
_OPTIONAL = ("parts", "constants", "slow", "reference", "note", "provenance")


class RuleFile(NamedTuple):
    """What a rule file holds."""

    rule: Rule
    provenance: dict[str, str]


def to_json(rule: Rule, provenance: Mapping[str, str] | None = None) -> str:
    """Write a rule; reading it back gives the same expressions, floats to the last bit.

    Raises
    ------
    UserError
        If a name is no identifier, a number is not finite or an equation is too long for a rule
        file.
    """
    require_writable(rule)
    own = [*rule.constants, *(s.name for s in rule.slow)]
    parts = Parts(taken={*VOCABULARY, *own})
    rates = {f"d_{s.name}": s.rate for s in rule.slow}
    projections = {f"dw_{p}": e for p, e in rule.changes.items()}
    texts = TEXT.write_all(projections | rates, parts)
    record = {
        "format": FORMAT,
        "name": rule.name,
        "dw": {p: texts[f"dw_{p}"] for p in rule.changes},
        **({"parts": parts.written} if parts.written else {}),
        "constants": dict(rule.constants),
        "slow": [
            {
                "name": s.name,
                "rate": texts[f"d_{s.name}"],
                "scope": s.scope,
                "initial": float(s.initial),
            }
            for s in rule.slow
        ],
        "reference": rule.reference,
        "note": rule.note,
        "provenance": {str(k): str(v) for k, v in (provenance or {}).items()},
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a character in somebody's note
        text = json.dumps(record, indent=2, allow_nan=False) + "\n"
    if len(text.encode()) > MAX_FILE:
        raise UserError(
            f"Rule {rule.name!r} takes more than {MAX_FILE} bytes, the most that a rule file holds. "
            "Simplify it, or give the search a smaller grid."
        )
    return text


def require_writable(rule: Rule) -> None:
    """Refuse a rule that no file can hold.

    Raises
    ------
    UserError
        If a constant, slow variable or projection is no identifier, or a number is not finite.
    """
    for name in (*rule.constants, *(s.name for s in rule.slow), *rule.changes):
        require_name(name, f"Rule {rule.name!r}")
    require_few(len(rule.constants), f"Rule {rule.name!r}, constants,")
    require_few(len(rule.slow), f"Rule {rule.name!r}, slow variables,")
    for name, value in {**rule.constants, **{s.name: s.initial for s in rule.slow}}.items():
        if not math.isfinite(value):
            raise UserError(f"Rule {rule.name!r}: {name} is {value}. Give it a finite value first.")


def write_rule(path: Path | str, rule: Rule, provenance: Mapping[str, str] | None = None) -> None:
    """Write a rule file."""
    Path(path).write_text(to_json(rule, provenance), encoding="utf-8")


def read_rule(path: Path | str) -> Rule:
    """Read the rule of a file.

    Raises
    ------
    UserError
        If the file cannot be read, is too large or malformed: what stood where, and what is allowed
        there.
    """
    return read_rule_file(path).rule


def read_rule_file(path: Path | str) -> RuleFile:
    """Read a rule file with its provenance; raises as `read_rule` does."""
    who = f"Rule file {quoted(str(path), 200)}"
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            f"{who} cannot be read: {reason}. Give the path of a rule in JSON."
        ) from None
    if len(data) > MAX_FILE:
        raise UserError(f"{who} is larger than {MAX_FILE} bytes, the most that a rule takes.")
    try:
        return rule_file_from_json(data.decode("utf-8-sig"), who)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{who} is not text: byte {error.start} is no UTF-8. Save it as UTF-8."
        ) from None


def rule_from_json(text: str, who: str = "The rule") -> Rule:
    """Read a rule from the text of a rule file; `who` names it. Raises as `read_rule` does."""
    return rule_file_from_json(text, who).rule


def rule_file_from_json(text: str, who: str = "The rule") -> RuleFile:
    """Read a rule and its provenance from the text of a rule file; raises as `read_rule` does."""
    if len(text) > MAX_FILE:
        raise UserError(f"{who} has {len(text)} characters; a rule takes at most {MAX_FILE}.")
    record = _fields(_decoded(text, who), _REQUIRED, _OPTIONAL, who)
    if record["format"] != FORMAT:
        raise UserError(
            f"{who}: format is {_shown(record['format'])}; this version reads {FORMAT!r} only."
        )
    changes = _mapping(record["dw"], f"{who}, dw")
    if not changes:
        raise UserError(f'{who}, dw is empty. Give at least {{"{FORWARD}": "an equation"}}.')
    given = _mapping(record.get("constants", {}), f"{who}, constants")
    require_few(len(given), f"{who}, constants,")
    constants = {
        _name(k, f"{who}, constants"): _number(v, f"{who}, constant {k}") for k, v in given.items()
    }
    entries = record.get("slow", [])
    if not isinstance(entries, list):
        raise UserError(f"{who}, slow must be a list of slow variables, not {_shown(entries)}.")
    require_few(len(entries), f"{who}, slow variables,")
    require_few(len(changes), f"{who}, projections in dw,")
    slow = [_slow(entry, f"{who}, slow[{i}]") for i, entry in enumerate(entries)]
    allowed = frozenset([*VOCABULARY, *constants, *(s["name"] for s in slow)])
    parts: dict[str, Expr] = {}
    for name, text in _mapping(record.get("parts", {}), f"{who}, parts").items():
        if _name(name, f"{who}, parts") in allowed:
            raise UserError(f"{who}, parts gives {quoted(name)} another meaning. Rename it.")
        parts[name] = parse(text, allowed, f"{who}, parts {name!r}", parts)
    dw = {
        _name(p, f"{who}, dw"): parse(t, allowed, f"{who}, dw {p!r}", parts)
        for p, t in changes.items()
    }
    rates = [parse(s["rate"], allowed, f"{who}, rate of {s['name']!r}", parts) for s in slow]
    if parts and max(map(depth_of, [*dw.values(), *rates])) > MAX_DEPTH:
        raise UserError(
            f"{who} has operations more than {MAX_DEPTH} deep inside each other. Simplify it."
        )
    rule = Rule(
        name=_label(record["name"], f"{who}, name"),
        dw=dw,
        constants=constants,
        slow=tuple(
            Slow(s["name"], rate, s["scope"], s["initial"])
            for s, rate in zip(slow, rates, strict=True)
        ),
        reference=_string(record.get("reference", ""), f"{who}, reference"),
        note=_string(record.get("note", ""), f"{who}, note"),
    )
    provenance = _mapping(record.get("provenance", {}), f"{who}, provenance")
    return RuleFile(
        rule, {k: _string(v, f"{who}, provenance {quoted(k)}") for k, v in provenance.items()}
    )


def _decoded(text: str, who: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            twice = Counter(k for k, _ in pairs).most_common(1)[0][0]
            raise UserError(f"{who} gives {quoted(twice)} twice. Keep one.")
        return record

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UserError(
            f"{who} is not JSON: {error.msg}, {place}. Mend it there, or export the rule again."
        ) from None
    except UserError:
        raise
    except RecursionError:
        raise UserError(
            f"{who} is no rule: its JSON is nested too deeply. A rule has at most two levels."
        ) from None
    except ValueError:  # Python reads no whole number of thousands of digits
        raise UserError(
            f"{who} is no rule: it has a number too long, with more than 4,300 digits. "
            "Write it as 1.5e6, say."
        ) from None


def _fields(
    record: Any, required: tuple[str, ...], optional: tuple[str, ...], who: str
) -> dict[str, Any]:
    fields = _mapping(record, who)
    strange = [quoted(k) for k in fields if k not in (*required, *optional)]
    missing = [repr(k) for k in required if k not in fields]
    if strange or missing:
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        what = [f"lacks {', '.join(missing)}"] * bool(missing) + [
            f"has unknown {', '.join(strange[:5])}{more}"
        ] * bool(strange)
        raise UserError(
            f"{who} {' and '.join(what)}. "
            f"Required: {', '.join(required)}; allowed besides: {', '.join(optional)}."
        )
    return fields


def _slow(entry: Any, who: str) -> dict[str, Any]:
    fields = _fields(entry, ("name", "rate"), ("scope", "initial"), who)
    scope = fields.get("scope", "synapse")
    if scope not in SCOPES:
        raise UserError(f"{who}, scope is {_shown(scope)}. Allowed: {', '.join(SCOPES)}.")
    return {
        "name": _name(fields["name"], who),
        "rate": _string(fields["rate"], f"{who}, rate"),
        "scope": scope,
        "initial": _number(fields.get("initial", 0.0), f"{who}, initial"),
    }


def _mapping(value: Any, who: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{who} must be an object {{...}}, not {_shown(value)}.")
    return value


def _string(value: Any, who: str) -> str:
    if not isinstance(value, str):
        raise UserError(f"{who} must be text in quotes, not {_shown(value)}.")
    return value


def _label(value: Any, who: str) -> str:
    label = _string(value, who)
    if not label.strip() or len(label) > 200 or not label.isprintable():
        raise UserError(f"{who} is {_shown(label)}. Give one line of 1 to 200 characters.")
    return label


def _name(value: Any, who: str) -> str:
    name = _string(value, f"{who}, a name")
    require_name(name, who)
    return name


def _number(value: Any, who: str) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise UserError(f"{who} must be a finite number, not {_shown(value)}.")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return quoted(value) if isinstance(value, str) else quoted(json.dumps(value)).strip("'")
