"""The run store: every run in MLflow, on SQLite, in one folder. The only file that imports MLflow.

MLflow is imported when a store is first used, because that takes more than a second. Only its
client is used, never its global state, and it is kept silent and off the network.
"""

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

from evolve.tracking import files
from evolve.tracking.listing import (
    STATUSES,
    WRITER,
    RunRow,
    pick,
    plain,
    readable,
    rows,
    rows_of,
    short,
)
from evolve.tracking.lock import HeldError, Lock, holder
from evolve.tracking.run_log import PAUSE, Point, RunLog, Status
from substrate.errors import UserError

#: MLflow takes so many characters a parameter and a tag at most.
LONGEST_PARAM, LONGEST_TAG = 6000, 8000

#: And so many parameters and metrics a call; 100 of the 1000 are left to tags.
MOST_PARAMS, MOST_METRICS = 100, 900

#: Switches telemetry off, for MLflow and for whatever else follows the second convention.
SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class RunRecord(NamedTuple):
    """What a run has logged."""

    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]  # the last value of each


class Store:
    """The runs of one folder; many may read, one process may write.

    Parameters
    ----------
    folder
        Made when the first run begins.
    write
        Take the lock and make the database now, so that what cannot work is refused before
        anything else is done; otherwise `begin` does it. The lock is held until `close`, or until
        the process ends in any way.
    late
        If the database is there, leave to the first write what needs MLflow, which takes two seconds: a
        search shows its first generation before that.
    """

    def __init__(self, folder: Path, write: bool = False, late: bool = False) -> None:
        self.files = files.locate(folder)
        self._lock: Lock | None = None
        self._made = False
        self.journal = ""  # why the database has no write-ahead log, where it has none
        if write:
            self.claim(late)
        else:
            files.holds_runs(self.files)

    def claim(self, late: bool = False) -> None:
        """Become the one writer; what needs MLflow may come later if the database is there."""
        if self._lock is None:
            self._take()
        if self._made or (late and files.holds_runs(self.files)):
            return
        try:
            if not files.holds_runs(self.files):
                self._create()
            with self._writing():
                self.journal = files.keep_log_apart(self.files)
                files.set_artifact_root(self.files.database, self.files.root)
                _ = self._client  # sees whether the database is of this MLflow
                self._mark_dead_runs()
        except BaseException:
            self.close()
            raise
        self._made = True

    def _take(self) -> None:
        """Take the lock, if the folder can be a store's."""
        files.prepare(self.files)
        if files.holds_runs(self.files):  # refuse before a lock file is made
            files.require_sound(self.files)
        try:
            lock = Lock(self.files.lock)
        except OSError as error:
            raise UserError(
                f"Cannot write {self.files.lock}, by which a run store knows its writer ({error.strerror or error}). "
                "Move away what is there or make room, or give another folder with --runs."
            ) from None
        except HeldError as held:
            other = held.holder
            who = f"process {other.pid} on {other.host}" if other else "another process"
            raise UserError(
                f"The run store {self.files.folder} is being written by {who}. Wait until it has "
                "finished, or give another folder with --runs."
            ) from None
        self._lock = lock

    def close(self) -> None:
        """Let others write."""
        if self._lock is None:
            return
        if self._made:
            if "_client" in vars(self):
                _disconnect(vars(self).pop("_client"))
            files.keep_log_within(self.files)
        self._lock.release()
        self._lock = None
        self._made = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def begin(
        self,
        experiment: str,
        name: str,
        params: Mapping[str, object],
        tags: Mapping[str, object],
        pause: float = PAUSE,
        late: bool = False,
    ) -> RunLog:
        """Open a run; lists show parameters `task` and `seed`, tags `champion` and `score`.

        Runs that are open together should pause longer: each write costs as much as for a run alone. A run that
        opens late is in the store from its first write on.
        """
        self.claim(late)

        def opened() -> str:
            self.claim()
            with self._writing():
                notes = {"note.journal": self.journal} if self.journal else {}
                signed = _tags({**tags, **notes, **self._signature()})
                where = self._experiment(experiment)
                run: str = self._client.create_run(where, run_name=name, tags=signed).info.run_id
                try:
                    self._describe(run, {key: plain(value) for key, value in params.items()})
                except BaseException:
                    self.end(run, "failed")
                    raise
            return run

        return RunLog(self, opened if late else opened(), pause=pause)

    def resume(self, run: str) -> RunLog:
        """Go on with a run; steps that it has logged already are not logged again."""
        self.claim()
        with self._writing():
            keys = self._client.get_run(run).data.metrics
            steps = [m.step for key in keys for m in self._client.get_metric_history(run, key)]
            self._client.update_run(run, status="RUNNING")
        self.log(run, tags=self._signature())
        return RunLog(self, run, last=max(steps, default=-1))

    def log(
        self, run: str, metrics: Sequence[Point] = (), tags: Mapping[str, object] | None = None
    ) -> None:
        """Write metrics and tags of a run, in one call."""
        from mlflow.entities import Metric, RunTag

        made = [Metric(*point) for point in metrics]
        pairs = [RunTag(key, value) for key, value in _tags(tags or {}).items()]
        with self._writing():
            for at in range(0, max(len(made), 1), MOST_METRICS):
                some = made[at : at + MOST_METRICS]
                self._client.log_batch(run, metrics=some, tags=pairs if at == 0 else ())

    def end(self, run: str, status: Status) -> None:
        """Close a run; it must not go on running in MLflow if its tags cannot be written."""
        with self._writing():
            self._client.set_terminated(run, STATUSES[status])
        self.log(run, tags={"status": status})

    def list(self) -> list[RunRow]:
        """Every run, the latest first."""
        if not files.holds_runs(self.files):
            return []
        writer = self._lock.holder if self._lock else holder(self.files.lock)
        return [*self._rows(writer.token if writer else "")]

    def _rows(self, writer: str) -> Sequence[RunRow]:
        """Every run; MLflow, which takes two seconds to import, is asked only where its tables are not known."""
        with files.opened(self.files) as db:
            if readable(db):
                return rows(db, writer)
        with self._translate_errors():
            return rows_of(self._client, writer)

    def find(self, prefix: str) -> RunRow:
        """The one run of this name, or whose id begins like this."""
        return pick(self.list(), prefix, str(self.files.folder))

    def artifact(self, run: str, name: str) -> Path:
        """Where an artifact of a run is; the id must be whole."""
        folder = self.files.artifacts(run)
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            files = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
            known = ", ".join(sorted(files)) or "none"
            raise UserError(f"Run {run[:8]} has no artifact {name!r}. It has: {known}.")
        return path

    def record(self, run: str) -> RunRecord:
        """Parameters, tags and last metrics of a run; the id must be whole."""
        with self._translate_errors():
            data = self._client.get_run(run).data
        params = dict(data.params)
        whole = self.files.artifacts(run) / "params.json"
        if whole.is_file():  # some were too long for MLflow
            params = json.loads(whole.read_text(encoding="utf-8"))
        return RunRecord(params, dict(data.tags), dict(data.metrics))

    def points(self, run: str, metric: str) -> Sequence[tuple[int, float]]:
        """Every logged value of a metric as (step, value), by step."""
        with self._translate_errors():
            points = self._client.get_metric_history(run, metric)
        return sorted((point.step, point.value) for point in points)

    @cached_property
    def _client(self) -> Any:
        """MLflow's client; opening checks that the database is of this version of MLflow."""
        client_of = _mlflow()
        with self._translate_errors():
            try:
                client = client_of(tracking_uri=self.files.uri)
                client.search_experiments(max_results=1)
            except Exception as error:
                if "database schema" not in str(error) and "revision" not in str(error):
                    raise
                raise UserError(
                    f"{self.files.database} was written by another version of MLflow. Install that "
                    f"version, or make a copy and run `mlflow db upgrade {self.files.uri}`, or "
                    "give another folder with --runs."
                ) from error
        return client

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """As `_translate_errors`, for what writes: refused soon if somebody keeps the database locked."""
        with self._translate_errors():
            files.require_unlocked(self.files)
            yield

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Keep MLflow's own warnings away, and say in a sentence what the database complains of."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic)(\.|$)")
            try:
                yield
            except UserError:
                raise
            except Exception as error:
                complaint = files.complaint(error)
                if complaint is None:
                    raise
                raise UserError(
                    f"The run store {self.files.folder} cannot be used: {complaint}. Mend it or "
                    "make room, or give another folder with --runs."
                ) from error

    def _create(self) -> None:
        """Make the database elsewhere and put it in place when it is whole.

        MLflow replays all its migrations in hundreds of small writes: a local folder is faster than
        the disk of a cluster, and who interrupts this leaves nothing.
        """
        client_of = _mlflow()
        with (
            self._translate_errors(),
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        ):
            made = Path(scratch) / "mlflow.db"
            client = client_of(tracking_uri=f"sqlite:///{made.as_posix()}")
            client.set_experiment_tag("0", files.MARK, "default")
            files.set_artifact_root(made, self.files.root)
            files.install(made, self.files)

    def _describe(self, run: str, params: Mapping[str, str]) -> None:
        """Log parameters; those that are too long for MLflow are whole in an artifact."""
        from mlflow.entities import Param

        shown = [Param(key, short(value, LONGEST_PARAM)) for key, value in params.items()]
        for at in range(0, len(shown), MOST_PARAMS):
            self._client.log_batch(run, params=shown[at : at + MOST_PARAMS])
        if any(len(value) > LONGEST_PARAM for value in params.values()):
            RunLog(self, run).text("params.json", json.dumps(params, indent=2))

    def _experiment(self, name: str) -> str:
        """The id of an experiment of ours; one that was deleted in MLflow comes back."""
        known = self._client.get_experiment_by_name(name)
        if known is None:
            return self._client.create_experiment(name, self.files.root, tags={files.MARK: "task"})
        if files.MARK not in known.tags:
            raise UserError(
                f"The experiment {name!r} in {self.files.folder} was not made by Hebbarium "
                f"and keeps its artifacts in {known.artifact_location}. Give another folder with "
                "--runs."
            )
        if known.lifecycle_stage == "deleted":
            self._client.restore_experiment(known.experiment_id)
        return known.experiment_id

    def _mark_dead_runs(self) -> None:
        """We are the only writer, so whatever still runs by our tags died: tell MLflow."""
        running = [r.id for r in self._rows("") if r.status == "died"]
        for run in running:
            if self._client.get_run(run).info.status == "RUNNING":
                self._client.set_tag(run, "status", "died")
                self._client.set_terminated(run, "FAILED")

    def _signature(self) -> dict[str, object]:
        assert self._lock is not None, "claimed before"
        mine = self._lock.holder
        return {WRITER: mine.token, "pid": mine.pid, "host": mine.host, "status": "running"}


def ui_command(folder: Path, host: str = "127.0.0.1", port: int = 5000) -> list[str]:
    """The command that serves MLflow's pages for a store; run it with `ui_environment()`."""
    found = files.locate(folder)
    if not files.holds_runs(found):
        raise UserError(
            f"There are no runs in {found.folder} yet. Start one, or give another folder with "
            "--runs."
        )
    if os.access(found.database, os.W_OK):
        files.set_artifact_root(found.database, found.root)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", found.uri]
    command += ["--default-artifact-root", found.root, "--artifacts-destination", found.root]
    return [*command, "--host", host, "--port", str(port), "--workers", "1"]


def ui_environment() -> dict[str, str]:
    """The environment for the pages: ours, without telemetry and MLflow's runner of jobs."""
    return {**os.environ, **SILENT, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _mlflow() -> Any:
    """Import MLflow's client; it sets up its logs and telemetry right then, so they go first."""
    os.environ.update(SILENT)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient
    return MlflowClient


def _disconnect(client: Any) -> None:
    """Close MLflow's connections to the database, which it keeps for the next time."""
    with suppress(Exception):  # MLflow's own affair, and only a convenience here
        client._tracking_client.store.engine.dispose()


def _tags(values: Mapping[str, object]) -> dict[str, str]:
    return {key: short(plain(value), LONGEST_TAG) for key, value in values.items()}
