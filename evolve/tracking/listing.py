"""Runs in a list: what a person sees of each, and how they name the one they mean."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from substrate.errors import UserError

#: How a run ended, and what MLflow calls it.
STATUSES: Mapping[str, str] = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}

#: Tag of a run: the lock under which it is written.
WRITER = "hebbarium.writer"

#: Candidates in a message.
SHOWN = 10


class RunRow(NamedTuple):
    """One run in a list."""

    id: str
    name: str
    task: str
    seed: str
    status: str  # running, finished, stopped, failed, or died: its process went without a word
    champion: str
    score: float | None
    started: datetime


def row(run: Any, experiment: str, writer: str) -> RunRow:
    """Read a row from MLflow's run.

    Parameters
    ----------
    writer
        The token of the lock that is held now, or nothing: a run under any other lock has died.
    """
    params, tags = run.data.params, run.data.tags
    status = {theirs: ours for ours, theirs in STATUSES.items()}.get(run.info.status, "running")
    orphan = status == "running" and tags.get(WRITER, writer) != writer
    if orphan or tags.get("status") == "died":
        status = "died"
    try:
        score = float(tags["score"])
    except (KeyError, ValueError):
        score = None
    return RunRow(
        id=run.info.run_id,
        name=run.info.run_name,
        task=params.get("task", experiment),
        seed=params.get("seed", ""),
        status=status,
        champion=tags.get("champion", ""),
        score=score,
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC).astimezone(),
    )


def pick(rows: Sequence[RunRow], prefix: str, where: str) -> RunRow:
    """The one run of this name, or whose id begins like this."""
    named = [r for r in rows if r.name == prefix]
    found = named or [r for r in rows if prefix and r.id.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if not rows:
        raise UserError(
            f"There is no run {prefix!r}: the run store {where} is empty. Start a run, or give "
            "another folder with --runs."
        )
    if not found:
        what = f"There is no run {prefix!r}"
    else:
        what = f"{len(found)} runs " + (
            f"are called {prefix!r}" if named else f"begin with {prefix!r}"
        )
    known = [f"{r.id[:8]} {r.name} ({r.started:%Y-%m-%d %H:%M})" for r in (found or rows)]
    more = f"; and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    shown = "; ".join(known[:SHOWN])
    raise UserError(f"{what} in {where}. Give a name, or the beginning of an id: {shown}{more}.")


def plain(value: object) -> str:
    """Write a parameter or tag: strings as they are, everything else as in JSON."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def short(text: str, longest: int) -> str:
    """Cut a text, visibly."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
