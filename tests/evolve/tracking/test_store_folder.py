"""The folder of a run store has one writer, is what it should be, or is refused with a sentence."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evolve.commands.cli import app
from evolve.tracking import files
from evolve.tracking.store import Store, ui_command
from substrate.errors import UserError

ROOT = Path(__file__).parents[3]


def python(code: str, **options: object) -> subprocess.Popen[str]:
    """Another process, which talks on its standard output."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def test_reading_makes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "runs")
    assert store.list() == []
    with pytest.raises(UserError, match="no runs in"):
        ui_command(tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []


def test_a_writer_keeps_others_out_and_readers_in(folder: Path) -> None:
    other = python(
        f"""
        from evolve.tracking.store import Store
        store = Store({str(folder)!r}, write=True)
        log = store.begin("pca", "theirs", {{}}, {{}})
        print("ready", flush=True)
        input()
        """,
        stdin=subprocess.PIPE,
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        assert Store(folder).find("theirs").status == "running"
        with pytest.raises(
            UserError, match=rf"process {other.pid} on {socket.gethostname()}.*--runs"
        ):
            Store(folder, write=True)
    finally:
        other.kill()
        other.communicate()
    assert Store(folder).find("theirs").status == "died"
    listed = CliRunner().invoke(app, ["runs", "--runs", str(folder), "--json"])
    assert [row["status"] for row in json.loads(listed.stdout)["runs"]] == ["died"]
    with Store(folder, write=True) as store:
        row = store.find("theirs")
        assert row.status == "died"
        assert store._client.get_run(row.id).info.status == "FAILED", "MLflow must know it too"


def test_a_process_is_not_mistaken_for_a_dead_one_with_its_pid(folder: Path) -> None:
    with Store(folder) as store:
        store.begin("pca", "x", {}, {})
    assert Store(folder).find("x").status == "died", "this process lives, but its lock has gone"


def test_without_locks_the_note_decides(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evolve.tracking.lock._take", lambda file, shared: None)
    with Store(folder) as store:
        store.begin("pca", "x", {}, {})
        assert Store(folder).find("x").status == "running"
        monkeypatch.setattr("evolve.tracking.lock._alive", lambda pid: False)
        assert Store(folder).find("x").status == "died"


def test_a_database_that_was_lost_is_not_an_empty_store(folder: Path) -> None:
    """Artifacts without a database are no store without runs, and no place for a new one."""
    with Store(folder) as store, store.begin("pca", "x", {}, {}) as log:
        log.text("champion.json", "{}")
    for lose in (lambda: os.truncate(folder / "mlflow.db", 0), (folder / "mlflow.db").unlink):
        lose()
        for write in (True, False):
            with pytest.raises(
                UserError, match=r"mlflow\.db is .*artifacts of 1 runs.*champion\.json"
            ):
                Store(folder, write=write)
    assert not (folder / "mlflow.db").exists()


def test_garbage_in_the_middle_is_noticed_before_a_run(folder: Path) -> None:
    with Store(folder) as store, store.begin("pca", "x", {}, {}) as log:
        for step in range(500):
            log.metrics(step, {"best": step})
    database = folder / "mlflow.db"
    size = database.stat().st_size
    with database.open("rb+") as file:
        for at in range(40 * 4096, size - 4096, 16 * 4096):
            file.seek(at)
            file.write(b"\xa5" * 4096)
    with pytest.raises(UserError, match=r"mlflow\.db (is damaged|cannot be read).*--runs"):
        Store(folder, write=True)


def test_a_lock_that_cannot_be_a_file_is_refused(folder: Path) -> None:
    (folder / ".lock").mkdir()
    with pytest.raises(UserError, match=r"\.lock.*directory.*--runs"):
        Store(folder, write=True)
    assert Store(folder).list() == []


def test_a_run_that_somebody_else_made_does_not_run_for_ever(folder: Path) -> None:
    with Store(folder, write=True) as store:
        store._client.create_run(store._client.create_experiment("theirs"), run_name="x")
        assert store.find("x").status == "foreign"
    assert Store(folder).find("x").status == "foreign"


def test_a_clock_before_1970_is_only_strange(folder: Path) -> None:
    with Store(folder) as store, store.begin("pca", "x", {}, {}):
        pass
    with closing(sqlite3.connect(folder / "mlflow.db")) as db, db:
        db.execute("UPDATE runs SET start_time = -86400000000")
    assert Store(folder).find("x").started.year == 1967


def test_a_writer_writes_ahead_and_leaves_one_file(folder: Path) -> None:
    def mode() -> str:
        with closing(sqlite3.connect(folder / "mlflow.db")) as db:
            return str(db.execute("PRAGMA journal_mode").fetchone()[0])

    with Store(folder) as store:
        with store.begin("pca", "x", {}, {}) as log:
            log.metrics(0, {"best": 1.0})
            assert mode() == "wal"
        assert "note.journal" not in store._client.get_run(log.id).data.tags
    assert mode() == "delete"
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [".lock", "mlflow.db"]


def test_on_a_network_there_is_no_write_ahead_log_and_the_run_says_why(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_file_system", lambda folder: "nfs4")
    with Store(folder) as store, store.begin("pca", "x", {}, {}) as log:
        tags = store._client.get_run(log.id).data.tags
        assert "network file system (nfs4)" in tags["note.journal"]


def test_a_store_that_may_only_be_read_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(folder) as store, store.begin("pca", "x", {}, {}):
        pass
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    before = sorted(folder.iterdir())
    assert Store(folder).find("x").status == "finished"
    assert sorted(folder.iterdir()) == before


def test_a_locked_database_is_a_sentence_soon(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what waited is written when the lock has gone."""
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    with Store(folder) as store, store.begin("pca", "x", {}, {}) as log:
        log.metrics(0, {"best": 1.0})
        with closing(sqlite3.connect(folder / "mlflow.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            with pytest.raises(UserError, match="database is locked"):
                log.tags({"champion": "post"})
            assert time.monotonic() - began < 5
            assert Store(folder).find("x").champion == "", "readers are not kept out"
        log.flush()
        assert store.find("x").champion == "post"


def a_file(folder: Path) -> None:
    folder.write_text("a file")


def torn(folder: Path) -> None:
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 40)


def text(folder: Path) -> None:
    folder.mkdir()
    (folder / "mlflow.db").write_text("not a database, but more than a hundred characters long" * 9)


def foreign(folder: Path) -> None:
    folder.mkdir()
    with sqlite3.connect(folder / "mlflow.db") as db:
        db.execute("CREATE TABLE birds (name TEXT)")
    db.close()


@pytest.mark.parametrize(
    ("make", "say"),
    [
        (a_file, "is a file"),
        (torn, "cannot be read"),
        (text, "not a database"),
        (foreign, "birds"),
    ],
)
@pytest.mark.parametrize("write", [True, False])
def test_a_folder_that_cannot_be_a_store_is_refused(
    make: object, say: str, write: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "runs"
    make(folder)  # type: ignore[operator]
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match=rf"{folder}.*{say}.*--runs"):
        Store(folder, write=write)
    after = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert after == before


@pytest.mark.parametrize("name", ["who?", "50%20off"])
def test_paths_that_mlflow_would_misread_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="part of an address"):
        Store(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        closed = Path("/proc/self")  # root may write anywhere but here
        if not closed.exists():
            pytest.skip("this user may write everywhere")
    with pytest.raises(UserError, match=r"Cannot write to the run store.*--runs"):
        Store(closed / "runs", write=True)


def test_another_version_of_mlflow_is_refused(folder: Path) -> None:
    with sqlite3.connect(folder / "mlflow.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    db.close()
    with pytest.raises(UserError, match=r"another version of MLflow.*db upgrade"):
        Store(folder, write=True)


def test_using_a_store_is_silent_and_importing_it_is_light(tmp_path: Path) -> None:
    other = python(
        f"""
        import sys
        import evolve.tracking.store
        assert "mlflow" not in sys.modules, "MLflow takes a second to import"
        with evolve.tracking.store.Store({str(tmp_path / "runs")!r}) as store:
            with store.begin("pca", "x", {{}}, {{}}) as log:
                log.metrics(0, {{"best": 1.0}})
        """,
        cwd=tmp_path,
    )
    assert other.communicate(timeout=60) == ("", "")
    assert other.returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs"]
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == [".lock", "mlflow.db"]


@pytest.mark.parametrize("name", ["Läufe 文", "a#b & c=d+e;f'g"])
def test_a_folder_may_be_called_what_a_file_system_allows(
    name: str, new_store: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = new_store(tmp_path / name)
    with Store(folder) as store, store.begin("pca", "x", {"task": "pca"}, {}) as log:
        log.text("champion.py", "dw = 1")
    (row,) = Store(folder).list()
    assert (row.name, row.status) == ("x", "finished")
    assert Store(folder).artifact(row.id, "champion.py").read_text("utf-8") == "dw = 1"
