"""The files of a run store; checked early, and refused if they are not what they should be.

<folder>/mlflow.db     MLflow's SQLite database; while a process writes, -wal and -shm stand beside it
<folder>/artifacts/    <run id>/artifacts/<name>, where MLflow looks for them too
<folder>/.lock         held by the one process that writes
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from substrate.errors import UserError

#: Tables without which a database is not MLflow's.
TABLES = {"experiments", "runs", "alembic_version"}

#: Marks the experiments that we made, whose artifacts lie below the folder.
MARK = "hebbarium"

#: File systems that are shared by machines.
NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs"),
        *("beegfs", "ceph", "gfs2", "glusterfs", "fuse.glusterfs", "gpfs", "lustre", "orangefs"),
    )
)

#: Seconds that a reader or writer waits for a locked database; the end of a run may wait seven times as long.
PATIENCE = 1.0

_ELSEWHERE = "give another folder with --runs."
_MEND = f"Move it away, mend it from a backup, or {_ELSEWHERE}"


class Files(NamedTuple):
    """Where everything is; the paths are absolute."""

    folder: Path

    @property
    def database(self) -> Path:
        """MLflow's database."""
        return self.folder / "mlflow.db"

    @property
    def uri(self) -> str:
        """The database as MLflow wants it named."""
        return f"sqlite:///{self.database.as_posix()}"

    @property
    def lock(self) -> Path:
        """The writers' lock."""
        return self.folder / ".lock"

    @property
    def root(self) -> str:
        """The folder of all artifacts, as MLflow wants it named."""
        return (self.folder / "artifacts").as_posix()

    def artifacts(self, run: str) -> Path:
        """The folder of one run's artifacts."""
        return self.folder / "artifacts" / run / "artifacts"


def locate(folder: Path) -> Files:
    """Check that a path can be a store's folder; creates nothing."""
    folder = Path(folder).expanduser().resolve()
    for character in "?%":
        if character in str(folder):
            raise UserError(
                f"The run store {folder} has a {character!r} in its path, which MLflow would "
                f"read as part of an address. Rename the folder, or {_ELSEWHERE}"
            )
    if folder.exists() and not folder.is_dir():
        raise UserError(f"The run store {folder} is a file, but must be a folder: {_ELSEWHERE}")
    return Files(folder)


def prepare(files: Files) -> None:
    """Make the folder, and check that files can be written there."""
    try:
        files.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=files.folder):
            pass
        if files.database.exists() and not os.access(files.database, os.W_OK):
            raise PermissionError(f"{files.database.name} is read-only")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"Cannot write to the run store {files.folder} ({reason}). Make it writable, or "
            f"{_ELSEWHERE}"
        ) from None


def holds_runs(files: Files) -> bool:
    """Whether there is a database with MLflow's tables; any other content is refused."""
    path = files.database
    tables: set[str] = set()
    if path.exists():
        with opened(files) as db:
            names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {name for (name,) in names}
    if tables and not tables >= TABLES:
        raise UserError(
            f"{path} is a database, but not one of MLflow's: it holds "
            f"{', '.join(sorted(tables)[:5])}. Move it away, or {_ELSEWHERE}"
        )
    if not tables:
        _require_no_artifacts(files)
    return bool(tables)


def _require_no_artifacts(files: Files) -> None:
    """Refuse artifacts without a database: it was lost, and a new one would hide that."""
    root = Path(files.root)
    kept = sorted(p.name for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    if not kept:
        return
    state = "is empty" if files.database.exists() else "is missing"
    rule = root / kept[0] / "artifacts" / "champion.json"
    raise UserError(
        f"{files.database} {state}, but {root} holds the artifacts of {len(kept)} runs: their database was lost. "
        f"Put it back from a backup; or use rules as files, such as {rule}, and {_ELSEWHERE}"
    )


def require_sound(files: Files) -> None:
    """Read the whole database once: otherwise damage in its middle would show only after hours of search."""
    with opened(files) as db:
        found = [" ".join(str(line).split()) for (line,) in db.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise UserError(f"{files.database} is damaged: {found[0]}. {_MEND}")


@contextmanager
def opened(files: Files) -> Iterator[sqlite3.Connection]:
    """The database for reading; an error of SQLite becomes one sentence."""
    path = files.database
    # Reading may have to roll back what a killed writer left, for which it must write.
    writable = os.access(path, os.W_OK) and os.access(files.folder, os.W_OK)
    how = "mode=rw" if writable else "mode=ro"
    if not writable and not _beside(path, "-wal").exists():
        how += "&immutable=1"  # else a reader makes a file beside it
    try:
        address = f"file:{quote(str(path))}?{how}"
        with closing(sqlite3.connect(address, uri=True, timeout=PATIENCE)) as db:
            yield db
    except sqlite3.Error as error:
        raise UserError(f"{path} cannot be read as a run store: {error}. {_MEND}") from None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def require_unlocked(files: Files) -> None:
    """Check that the database can be written now.

    MLflow waits 20 seconds for a lock, several times for one call, and does not react to Ctrl-C meanwhile.

    Raises
    ------
    sqlite3.OperationalError
        If somebody else keeps it locked for longer than `PATIENCE`.
    """
    with closing(sqlite3.connect(files.database, timeout=PATIENCE, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")


def keep_log_apart(files: Files) -> str:
    """Turn on SQLite's write-ahead log, so that readers do not wait for the writer; returns why it stays off.

    The log shares memory between processes, which a network file system cannot.
    """
    kind = _file_system(files.folder)
    if kind in NETWORK:
        return f"no write-ahead log: {files.folder} is on a network file system ({kind})"
    try:
        with closing(sqlite3.connect(files.database, timeout=PATIENCE)) as db:
            (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.Error as error:
        return f"no write-ahead log: {error}"
    return "" if mode == "wal" else f"no write-ahead log: SQLite keeps its mode {mode!r}"


def keep_log_within(files: Files) -> None:
    """Undo `keep_log_apart` if nobody else reads: the database is a single file again, which may be copied."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(files.database, timeout=0.1)) as db,
    ):
        db.execute("PRAGMA journal_mode = DELETE")


def _file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, as Linux names it; nothing elsewhere."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    on = [line.split()[1:3] for line in mounts]
    inside = [(place, kind) for place, kind in on if folder.is_relative_to(place)]
    return max(inside, key=lambda p: len(p[0]), default=("", ""))[1]


def install(made: Path, files: Files) -> None:
    """Put a finished database in its place, in one step."""
    new = files.folder / f".mlflow.db.{os.getpid()}"
    try:
        shutil.copyfile(made, new)
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(new, files.database)
    except OSError as error:
        raise UserError(
            f"Cannot write to the run store {files.folder} ({error.strerror})."
        ) from None
    finally:
        new.unlink(missing_ok=True)


def set_artifact_root(database: Path, root: str) -> None:
    """Tell our experiments where their artifacts are.

    MLflow records absolute paths, so a folder that was moved or copied would lose its artifacts.
    """
    ours = f"SELECT experiment_id FROM experiment_tags WHERE key = '{MARK}'"
    place = ":root || '/' || run_uuid || '/artifacts'"
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as db, db:
        where = f"experiment_id IN ({ours}) AND artifact_location <> :root"
        if db.execute(f"SELECT 1 FROM experiments WHERE {where}", {"root": root}).fetchone():
            db.execute(
                f"UPDATE experiments SET artifact_location = :root WHERE {where}", {"root": root}
            )
            db.execute(
                f"UPDATE runs SET artifact_uri = {place} WHERE experiment_id IN ({ours})",
                {"root": root},
            )


def write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing, so that no crash leaves half a checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_bytes(content)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def complaint(error: BaseException | None) -> str | None:
    """The message of SQLite among the causes of an error; None if SQLite was not the cause."""
    while error is not None:
        if isinstance(error, sqlite3.Error):
            return str(error)
        error = error.__cause__
    return None
