"""JSON lines of other programs, told apart by their keys, and our figures set beside them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evolve.bench.figures import Figure
from evolve.bench.workloads import FULL, published, updates, wide
from substrate.errors import UserError

#: The lines that are understood, by the keys that they must have.
KINDS = {
    "search": ("ms_per_evaluated_rule",),
    "limit": ("what", "us_per_rule", "million_updates_per_s"),
    "report": ("hebbarium", "figures"),
}

#: How the figures of the published search begin.
SEARCH = "search.published."


def read(path: Path) -> list[dict[str, Any]]:
    """Read the JSON lines of a file; other lines, such as warnings, are passed over.

    Raises
    ------
    UserError
        If the file cannot be read, or a line in braces is none that is understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read the peer's file {path}: {error}.") from None
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.startswith("{")]
    if not lines:
        raise UserError(f"{path} has no line that begins with a brace. {_allowed()}")
    return [_parsed(line, f"{path}, line {n}") for n, line in lines]


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where} is not valid JSON: {error}. {_allowed()}") from None
    kind = next((k for k, keys in KINDS.items() if all(key in record for key in keys)), None)
    if kind is None:
        raise UserError(f"{where} has the keys {', '.join(record) or 'none'}. {_allowed()}")
    if kind == "report":
        if not isinstance(record["figures"], dict):
            raise UserError(f"{where}: `figures` is no object. {_allowed()}")
        return {"kind": kind, **record}
    for key in KINDS[kind]:
        value = record[key]
        good = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        if not good and key != "what":
            raise UserError(f"{where}: {key} = {value!r} must be a number above 0.")
    return {"kind": kind, **record}


def _allowed() -> str:
    kinds = "; ".join(f"a {kind} with {', '.join(keys)}" for kind, keys in KINDS.items())
    return f"A peer's line is a JSON object: {kinds}."


def compare(
    figures: Sequence[Figure], peers: Sequence[Mapping[str, Any]], cores: int
) -> list[dict[str, Any]]:
    """Every figure that a peer has too, with the ratio; above 1 ours is the better one."""
    found = []
    for peer in peers:
        rows = {"search": _search, "limit": _limit, "report": _report}[peer["kind"]](figures, peer)
        for figure, name, theirs in rows:
            ours = figure.median
            ratio = theirs / ours if figure.better == "less" else ours / theirs
            row = {
                "figure": figure.name,
                "unit": figure.unit,
                "peer": name,
                "theirs": theirs,
                "ours": ours,
                "ratio": ratio,
            }
            if peer["kind"] == "limit":  # one core there, all of ours here
                row |= {"cores": cores, "ratio_per_core": ratio / cores}
            found.append(row)
    return found


def _search(figures: Sequence[Figure], peer: Mapping[str, Any]) -> list[tuple[Figure, str, float]]:
    """A search that says its `columns` is set beside ours with as many, another beside all of its fitness."""
    words = [str(peer[key]) for key in ("name", "style") if key in peer] or ["search"]
    words.append(f"{peer['columns']} columns" if "columns" in peer else "columns not said")
    fitness = peer.get("fitness", "variance")
    return [
        (f, f"peer: {', '.join(words)}", 1e3 * float(peer["ms_per_evaluated_rule"]))
        for f in figures
        if f.name.startswith(f"{SEARCH}{fitness}.")
        and peer.get("columns", f.notes["columns"]) == f.notes["columns"]
    ]


def _limit(figures: Sequence[Figure], peer: Mapping[str, Any]) -> list[tuple[Figure, str, float]]:
    """A limit does not say its size, but its two numbers give the updates of a rule.

    Its rules are short, so it is set beside the search with the fewest columns.
    """
    size = float(peer["us_per_rule"]) * float(peer["million_updates_per_s"])
    sizes = {"published": updates(published(FULL)), "wide": updates(wide(FULL))}
    name = next((n for n, own in sizes.items() if abs(size / own - 1) < 0.02), None)
    if name is None:
        raise UserError(
            f"The limit {peer['what']!r} is of {size:.0f} updates a rule. What is measured here has "
            f"{sizes['published']} (10 sets, 2 inputs, 1,800 samples) or {sizes['wide']} (20, 10, 2,000)."
        )
    short = min((f.notes["columns"] for f in figures if f.name.startswith(SEARCH)), default=0)
    return [
        (f, str(peer["what"]), float(peer["us_per_rule"]))
        for f in figures
        if f.name == f"engine.{name}.us_per_rule"
        or (name == "published" and f.name.startswith(SEARCH) and _runs_all(f, short))
    ]


def _runs_all(figure: Figure, columns: int) -> bool:
    """Whether a figure of the search counts rules that ran, on a grid of these columns."""
    return figure.notes["columns"] == columns and not figure.name.endswith(".judged")


def _report(figures: Sequence[Figure], peer: Mapping[str, Any]) -> list[tuple[Figure, str, float]]:
    """An earlier report of ours, figure by figure."""
    rows = []
    for figure in figures:
        known = peer["figures"].get(figure.name)
        value = known.get("median") if isinstance(known, dict) else None
        if isinstance(value, int | float) and value > 0:
            rows.append((figure, f"hebbarium {peer['hebbarium']}", float(value)))
    return rows
