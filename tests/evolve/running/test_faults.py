"""What was found is kept, whatever happens to a run and in whichever phase: phases x faults, injected for real.

In every cell the run ends, leaves no process behind, does not go on running in MLflow, and its best rule can be read
and exported, from the first improvement on. `pytest -m slow -s` on this file prints the whole table.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from evolve.exports import export
from evolve.tracking.find_rule import find_rule
from evolve.tracking.store import Store
from substrate.compilation.lowering import lower
from tests.support.processes import children, gone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")

ROOT = Path(__file__).parents[3]
PHASES = ("start", "search", "choosing", "measuring", "writing", "pictures")
SIGNALS: dict[str, list[int | float]] = {
    "SIGKILL": [signal.SIGKILL],
    "SIGTERM": [signal.SIGTERM],
    "SIGHUP": [signal.SIGHUP],
    "SIGINT": [signal.SIGINT],
    "SIGINT twice, 30 ms": [signal.SIGINT, 0.03, signal.SIGINT],
    "SIGINT twice, 600 ms": [signal.SIGINT, 0.6, signal.SIGINT],
}
FAULTS = (*SIGNALS, "full disk", "locked database", "dead worker")
#: Seconds from the fault to the end on an idle machine; where a run goes on to its proper end, that takes time too.
HANG, WHOLE = 10.0, 300.0
#: What ends a run at once.
AT_ONCE = ("SIGKILL", "SIGINT twice, 30 ms", "SIGINT twice, 600 ms")


class Outcome(NamedTuple):
    """What a run leaves after a fault."""

    seconds: float  # from the fault to the end
    code: int
    left: bool  # whether a process is left after 5 s
    rows: list  # of the store, read by somebody else
    in_mlflow: set[str]
    errors: str

    def __str__(self) -> str:
        found = sum(bool(row.champion) for row in self.rows)
        states = ", ".join(sorted({row.status for row in self.rows})) or "no run"
        return f"{states}, {found}/{len(self.rows)} kept, {self.seconds:.1f} s"


@contextmanager
def harmed(process: subprocess.Popen, fault: str, folder: Path) -> Iterator[None]:
    """Do harm to a run that stands still; it goes on from then."""
    if fault in SIGNALS:
        for one in SIGNALS[fault]:
            if isinstance(one, float):
                time.sleep(one)
            else:
                process.send_signal(one)
    elif fault == "dead worker":
        os.kill(children(process.pid)[0], signal.SIGKILL)
    elif fault == "locked database" and (folder / "runs" / "mlflow.db").exists():
        with closing(sqlite3.connect(folder / "runs" / "mlflow.db", timeout=5)) as db:
            db.execute("BEGIN IMMEDIATE")
            (folder / "go").touch()
            yield
        return
    (folder / "new").write_text("full" if fault == "full disk" else "")
    (folder / "new").rename(folder / "go")
    yield


def harm(folder: Path, phase: str, fault: str, seeds: int = 1) -> Outcome:
    """Start a run on an empty store, wait until it is in a phase, do harm, and look at what is left."""
    words = ["-m", "tests.support.held_run", str(folder), phase, str(seeds)]
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "held\n":
            pytest.fail(
                f"The run ended before it was harmed: {process.communicate(timeout=HANG)[1]}"
            )
        everybody = [process.pid, *children(process.pid)]
        began = time.monotonic()
        with harmed(process, fault, folder):
            _, errors = process.communicate(timeout=WHOLE)
        seconds = time.monotonic() - began
    finally:
        process.kill()
        process.wait()
    left = not gone([*everybody, *children(process.pid)])
    rows = Store(folder / "runs").list()
    Store(folder / "runs", write=True).close()  # as the next run does
    with closing(sqlite3.connect(folder / "runs" / "mlflow.db")) as db:
        in_mlflow = {status for (status,) in db.execute("SELECT status FROM runs")}
    return Outcome(seconds, process.returncode, left, rows, in_mlflow, errors)


def check(outcome: Outcome, phase: str, fault: str, folder: Path, seeds: int = 1) -> None:
    """Nothing that was found is lost, and nothing goes on."""
    assert "Traceback" not in outcome.errors, outcome.errors
    assert "ignored" not in outcome.errors, outcome.errors
    assert not outcome.left, "a process is left"
    assert not outcome.in_mlflow & {"RUNNING", "SCHEDULED"}
    if fault in AT_ONCE:
        crowd = max(
            1.0, os.getloadavg()[0] / (os.cpu_count() or 1)
        )  # what others leave of the machine
        assert outcome.seconds < HANG * crowd
    assert not [row for row in outcome.rows if row.status == "running"]
    if phase == "start" and (fault in (*SIGNALS, "full disk") or not outcome.rows):
        return  # nothing had been found, or no room for it
    assert len(outcome.rows) == seeds
    store = Store(folder / "runs")
    for row in outcome.rows:
        assert row.status != "failed"
        rule = find_rule(row.id, store)
        assert lower(rule).dw and "def dw" in export(rule, "python")
        assert row.champion or fault in ("full disk", "locked database")
        if fault == "dead worker":
            assert (row.status, row.score is not None) == ("finished", True)


CUT = [
    ("search", "SIGKILL"),
    ("choosing", "SIGINT twice, 30 ms"),
    ("measuring", "full disk"),
    ("search", "locked database"),
    ("search", "dead worker"),
]


@pytest.mark.parametrize(("phase", "fault"), CUT)
def test_what_was_found_is_kept(phase, fault, new_store, tmp_path):
    new_store(tmp_path / "runs")
    seeds = 2 if fault == "dead worker" else 1
    check(harm(tmp_path, phase, fault, seeds), phase, fault, tmp_path, seeds)


def test_many_seeds_are_kept_when_a_person_insists(new_store, tmp_path):
    fault = "SIGINT twice, 30 ms"
    new_store(tmp_path / "runs")
    check(harm(tmp_path, "search", fault, 2), "search", fault, tmp_path, 2)


CELLS = [
    (fault, seeds, phase)
    for fault in FAULTS
    for seeds in (1, 8)
    for phase in PHASES
    # Several seeds have no pictures; a run alone has no workers, and several have done with them when they write.
    if not (seeds == 8 and phase == "pictures")
    and not (fault == "dead worker" and (seeds == 1 or phase == "writing"))
]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "seeds", "phase"), CELLS)
def test_the_whole_table(fault, seeds, phase, new_store, tmp_path):
    new_store(tmp_path / "runs")
    outcome = harm(tmp_path, phase, fault, seeds)
    print(f"\n{fault:22} {phase:10} {seeds} seeds: {outcome}", flush=True)
    check(outcome, phase, fault, tmp_path, seeds)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB; only root may have one."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", place], check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return ballast


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["search", "choosing", "writing", "pictures"])
def test_a_disk_that_is_full_for_real(phase, new_store, small_disk):
    """Nothing fits any longer from a phase on."""
    new_store(small_disk / "runs")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.held_run", str(small_disk), phase],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    (small_disk / "new").touch()
    ballast = fill(small_disk)
    (small_disk / "new").rename(small_disk / "go")
    _, errors = process.communicate(timeout=WHOLE)
    print(phase, process.returncode, errors)
    assert "Traceback" not in errors
    ballast.unlink()
    (row,) = Store(small_disk / "runs").list()
    assert row.status != "running" and row.champion
    assert lower(find_rule(row.id, Store(small_disk / "runs"))).dw
