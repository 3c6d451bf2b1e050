"""The runs of a store as a list. It imports neither SymPy nor JAX, so that it is there at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.report.tables import short_constants, show_table, table_of
from evolve.report.terminal import Page, command, dump

if TYPE_CHECKING:
    from evolve.tracking.listing import RunRow


def show_runs(rows: Sequence["RunRow"], as_json: bool, folder: Path) -> None:
    """The runs of a store."""
    if as_json:
        dump({"runs": [{**r._asdict(), "started": r.started.isoformat()} for r in rows]})
        return
    if not rows:
        start = command("run", "pca", runs=folder)
        Page(stderr=True).line(f"No runs yet. Start one with: {start}")
        return
    cells = [
        (
            r.id[:8],
            r.task,
            r.seed,
            r.status,
            "" if r.score is None else f"{r.score:.3f}",
            short_constants(r.champion),
        )
        for r in rows
    ]
    headings = ("run", "task", "seed", "status", "score", "champion")
    show_table(Page(), table_of(headings, cells, text=("task", "status", "champion")))
