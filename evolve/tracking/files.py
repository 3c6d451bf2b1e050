"""The files of a run store, seen from outside: refused early if they are not what they should be.

<folder>/mlflow.db     MLflow's SQLite database
<folder>/artifacts/    <run id>/artifacts/<name>, where MLflow looks for them too
<folder>/.lock         held by the one process that writes
"""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from substrate.errors import UserError

#: Tables without which a database is not MLflow's.
TABLES = {"experiments", "runs", "alembic_version"}

#: Marks the experiments that we made, whose artifacts lie below the folder.
MARK = "hebbarium"

_ELSEWHERE = "give another folder with --runs."


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
    """Check that a path can be a store's folder; nothing is made."""
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
    if not path.exists():
        return False
    # Reading may have to roll back what a killed writer left, for which it must write.
    mode = "rw" if os.access(path, os.W_OK) and os.access(files.folder, os.W_OK) else "ro"
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=20)
        ) as db:
            tables = {
                name
                for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
    except sqlite3.Error as error:
        raise UserError(
            f"{path} cannot be read as a run store: {error}. Move it away, mend it from a "
            f"backup, or {_ELSEWHERE}"
        ) from None
    if tables and not tables >= TABLES:
        raise UserError(
            f"{path} is a database, but not one of MLflow's: it holds "
            f"{', '.join(sorted(tables)[:5])}. Move it away, or {_ELSEWHERE}"
        )
    return bool(tables)


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
    with closing(sqlite3.connect(database, timeout=20)) as db, db:
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
    """What SQLite said below the layers of others, if it was SQLite."""
    while error is not None:
        if isinstance(error, sqlite3.Error):
            return str(error)
        error = error.__cause__
    return None
