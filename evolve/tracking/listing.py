"""Runs in a list: what a person sees of each, and how they name the one they mean."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from substrate.errors import UserError

#: How a run ended, and what MLflow calls it.
STATUSES: Mapping[str, str] = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}

#: Tag of a run: the lock under which it is written.
WRITER = "hebbarium.writer"

#: What `rows` reads of MLflow's tables. Another version of MLflow may keep it elsewhere.
COLUMNS: Mapping[str, frozenset[str]] = {
    "runs": frozenset(
        {"run_uuid", "name", "experiment_id", "status", "start_time", "lifecycle_stage"}
    ),
    "experiments": frozenset({"experiment_id", "name", "lifecycle_stage"}),
    "tags": frozenset({"run_uuid", "key", "value"}),
    "params": frozenset({"run_uuid", "key", "value"}),
}

#: Candidates in a message.
SHOWN = 10


class RunRow(NamedTuple):
    """One run in a list."""

    id: str
    name: str
    task: str
    seed: str
    status: str  # running, finished, stopped, failed; died: its process went without a word; foreign: not ours
    champion: str
    score: float | None
    started: datetime


def readable(db: sqlite3.Connection) -> bool:
    """Whether `rows` finds in a database what it reads."""
    return all(
        columns <= {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
        for table, columns in COLUMNS.items()
    )


def rows_of(client: Any, writer: str) -> list[RunRow]:
    """The same as `rows`, as MLflow's client tells it, whatever its tables are."""
    tasks = {e.experiment_id: e.name for e in client.search_experiments()}
    found, page = [], None
    while page is None or page:
        some = client.search_runs([*tasks], order_by=["start_time DESC"], page_token=page)
        found += some
        page = some.token or ""
    return [
        _row(
            run.info.run_id,
            run.info.run_name,
            tasks[run.info.experiment_id],
            _status(run.info.status, run.data.tags, writer),
            run.info.start_time,
            {**run.data.params, **run.data.tags},
        )
        for run in found
    ]


def rows(db: sqlite3.Connection, writer: str) -> list[RunRow]:
    """Every run of a store that nobody has deleted, the latest first; MLflow takes seconds to import, and is not.

    Parameters
    ----------
    writer
        The token of the lock that is held now, or nothing: a run under any other lock has died.
    """
    tags = ("champion", "score", "status", WRITER)
    places = ", ".join("?" * len(tags))
    pairs: dict[str, dict[str, str]] = defaultdict(dict)
    for run, key, value in db.execute(
        f"SELECT run_uuid, key, value FROM tags WHERE key IN ({places})", tags
    ):
        pairs[run][key] = value
    params: dict[str, dict[str, str]] = defaultdict(dict)
    for run, key, value in db.execute(
        "SELECT run_uuid, key, value FROM params WHERE key IN ('task', 'seed')"
    ):
        params[run][key] = value
    found = db.execute(
        "SELECT r.run_uuid, r.name, e.name, r.status, r.start_time "
        "FROM runs r JOIN experiments e USING (experiment_id) "
        "WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active' ORDER BY r.start_time DESC, r.run_uuid"
    )
    return [
        _row(
            run,
            name,
            task,
            _status(status, pairs[run], writer),
            started,
            {**params[run], **pairs[run]},
        )
        for run, name, task, status, started in found
    ]


def _status(theirs: str, tags: Mapping[str, str], writer: str) -> str:
    """How a run stands, from MLflow's word for it and our tags."""
    known = {theirs: ours for ours, theirs in STATUSES.items()}.get(theirs)
    if tags.get("status") == "died":
        return "died"
    if known is not None:
        return known
    if WRITER not in tags:
        return "foreign"
    return "running" if tags[WRITER] == writer else "died"


def _row(
    run: str, name: str, task: str, status: str, started: int, said: Mapping[str, str]
) -> RunRow:
    try:
        score = float(said["score"])
    except (KeyError, ValueError):
        score = None
    return RunRow(
        id=run,
        name=name or "",
        task=said.get("task", task),
        seed=said.get("seed", ""),
        status=status,
        champion=said.get("champion", ""),
        score=score,
        started=_moment(started),
    )


def _moment(milliseconds: int | None) -> datetime:
    """A time of MLflow's in this place's time; clocks may have stood before 1970."""
    return (
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds or 0)
    ).astimezone()


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
