"""The command itself: measure the parts that are asked for, set them beside peers, show them."""

import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

from evolve.bench import choice, engine, peers, search, start
from evolve.bench.figures import Figure, Say
from evolve.bench.workloads import FULL, QUICK, Sizes
from evolve.report.tables import show_table, table_of
from evolve.report.terminal import Page, dump
from substrate.devices import configure
from substrate.errors import unknown

#: Headings of the table, by how the names of figures begin.
GROUPS = {
    "engine.published": "engine: random rules on the published data (10 sets x 2 x 1,800)",
    "engine.wide": "engine: random rules on wide data (20 sets x 10 x 2,000)",
    "engine.layer": "engine: one rule on a large layer, compiled",
    "choice.coefficient": "choice: the coefficients that follow, for evolve/config/engine_choice.py",
    "choice": "choice: interpreter and compiled rules on a network of 64 synapses",
    "search.published": "search: the published one, bookkeeping included",
    "search.to_oja": "search: to Oja's training score",
    "start": "start: `hebbarium run pca`",
}
PARTS = {
    "engine": engine.measure,
    "choice": choice.measure,
    "search": search.measure,
    "start": start.measure,
}


def command(
    part: str, quick: bool, files: Sequence[Path], json: bool, seeds: int | None = None
) -> None:
    """What `hebbarium bench` does."""
    if part not in (*PARTS, "all"):
        raise unknown("part of the benchmark", part, (*PARTS, "all"))
    found = [line for file in files for line in peers.read(file)]
    sizes = QUICK if quick else FULL
    if seeds is not None:
        sizes = Sizes(**{**vars(sizes), "seeds": seeds})
    configure()
    progress = Page(stderr=True, quiet=json)
    record = measure(part, sizes, found, lambda text: progress.say(text, style="dim"))
    if json:
        dump(record)
    else:
        show(record)


def measure(part: str, sizes: Sizes, found: Sequence[dict[str, Any]], say: Say) -> dict[str, Any]:
    """The report of one part or of `all`, as JSON shows it."""
    chosen = PARTS if part == "all" else {part: PARTS[part]}
    figures: list[Figure] = []
    for run in chosen.values():
        figures += run(sizes, say)
    cores = len(jax.devices())
    return {
        "hebbarium": version("hebbarium"),
        "jax": jax.__version__,
        "cores": cores,
        "load": round(os.getloadavg()[0], 2),  # of the last minute, our own included
        "parts": list(chosen),
        "figures": {figure.name: figure.record() for figure in figures},
        "beside": peers.compare(figures, found, cores),
    }


def show(record: dict[str, Any]) -> None:
    """The report for a person."""
    page = Page()
    groups: dict[str, list[tuple[str, ...]]] = {}
    for name, figure in record["figures"].items():
        numbers = (_short(figure[key]) for key in ("median", "min", "max"))
        groups.setdefault(_group(name), []).append((figure["what"], *numbers, figure["unit"]))
    for group, rows in groups.items():
        page.say(bold=GROUPS[group])
        show_table(page, table_of(("", "median", "least", "most", "unit"), rows, text=("unit",)))
        page.say()
    if record["beside"]:
        _show_peers(page, record)
    page.say(
        f"{record['cores']} cores, load {record['load']} at the end, JAX {record['jax']}. On a busy machine trust "
        "ratios: what they compare was timed in turns."
    )


def _show_peers(page: Page, record: dict[str, Any]) -> None:
    """Peers one after the other, each with what it is set beside."""
    headings = ("", "theirs", "ours", "ratio", "a core", "unit")
    for peer in dict.fromkeys((row["peer"], row["theirs"]) for row in record["beside"]):
        page.say(bold=f"beside {peer[0]}")
        rows = []
        for row in record["beside"]:
            if (row["peer"], row["theirs"]) != peer:
                continue
            what = record["figures"][row["figure"]]["what"]
            core = _short(row["ratio_per_core"]) if "ratio_per_core" in row else ""
            numbers = (_short(row[key]) for key in ("theirs", "ours", "ratio"))
            rows.append((what, *numbers, core, row["unit"]))
        show_table(page, table_of(headings, rows, text=("unit",)))
        page.say()
    page.say("A ratio above 1 is in our favour; a limit is of one core.")


def _group(name: str) -> str:
    return next(prefix for prefix in GROUPS if name.startswith(prefix))


def _short(value: float) -> str:
    return "" if value != value else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
