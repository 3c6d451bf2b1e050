"""What a run tells its store and its view: enough, not too much, and nothing that can end it."""

import sqlite3
import time
from contextlib import closing
from itertools import pairwise

import pytest

from evolve.expressions.rule_file import read_rule
from evolve.running.finding import Finding
from evolve.running.log import DENSE, Recorder, RunView, Throttle, is_logged
from evolve.running.result import Progress
from evolve.search.islands import GenerationStats
from evolve.tracking import files
from evolve.tracking.store import Store
from substrate import POST, PRE, Rule, W
from substrate.errors import UserError


def progress(generation, best=0.5):
    stats = GenerationStats(best, 0.25, 8, 4, 2, 2, 1)
    return Progress(stats, generation, 4 * generation, 0.01 * generation)


def finding(score=0.5, unwritable=""):
    return Finding(Rule("champion", POST * (PRE - POST * W)), score, 7, unwritable)


@pytest.fixture
def log(folder):
    with Store(folder) as store, store.begin("pca", "x", {}, {}) as log:
        yield log


def test_the_first_generations_are_all_logged_and_later_ones_ever_more_seldom():
    logged = [g for g in range(1_000_000) if is_logged(g)]
    assert logged[: DENSE + 1] == list(range(DENSE + 1))
    assert len(logged) < 3000
    gaps = [b - a for a, b in pairwise(logged)]
    assert gaps == sorted(gaps) and max(gaps) < 0.01 * logged[-1]


def test_15000_generations_stay_under_5_megabytes(folder):
    """With an improvement now and then, as they come; the first, every better and the last generation are there."""
    before = (folder / "mlflow.db").stat().st_size
    better = [int(1.1**i) for i in range(101)]
    with Store(folder) as store, store.begin("pca", "x", {}, {}) as log:
        recorder = Recorder(log, RunView())
        for generation in range(15_001):
            recorder.generation(
                progress(generation, 1 - 1 / (1 + sum(b <= generation for b in better)))
            )
        recorder.searched()
    assert (folder / "mlflow.db").stat().st_size - before < 5e6
    with closing(sqlite3.connect(folder / "mlflow.db")) as db:
        steps = [
            s for (s,) in db.execute("SELECT step FROM metrics WHERE key = 'best' ORDER BY step")
        ]
    assert {0, *(b for b in better if b <= 15_000), 15_000} <= set(steps)
    assert len(steps) == len(set(steps))


def test_the_best_rule_is_kept_as_a_file_at_once_and_only_a_better_one_later(log):
    recorder = Recorder(log, RunView())
    recorder._keeping = Throttle(share=1e9, least=0)
    recorder.generation(progress(0))
    recorder.improved(finding)
    path = log.folder / "champion.json"
    assert read_rule(path).equations == finding().rule.equations
    assert log._sink.find("x").champion == "post*(pre - post*w)"
    path.unlink()
    recorder.improved(lambda: finding(0.4))  # of a process that had to begin again
    assert not path.exists()
    recorder.improved(lambda: finding(0.6, "0.9\tno file can hold it\tw**128"))
    assert path.exists()
    assert "w**128" in (log.folder / "unwritable.txt").read_text()


def test_keeping_costs_a_small_part_of_the_time():
    throttle = Throttle(share=0.1, least=0.0)
    began, done = time.monotonic(), 0
    while time.monotonic() - began < 1.0:
        if throttle.due:
            throttle.spend(lambda: time.sleep(0.01))
            done += 1
    assert 1 <= done <= 11


def test_a_store_that_fails_is_tried_again_and_nothing_is_lost(log, monkeypatch):
    """Neither rule nor points; the run hears nothing of it."""
    write, broken = files.write, [True]

    def failing(path, content):
        if broken:
            raise OSError(28, "No space left on device")
        write(path, content)

    sink_log = log._sink.log

    def locked(*words, **named):
        if broken:
            raise UserError("database is locked")
        sink_log(*words, **named)

    recorder = Recorder(log, RunView())
    recorder._keeping = Throttle(share=1e9, least=0)
    monkeypatch.setattr(files, "write", failing)
    monkeypatch.setattr(log._sink, "log", locked)
    for generation in range(3):
        recorder.generation(progress(generation))
        recorder.improved(finding)
    assert not log.found
    broken.clear()
    recorder.searched()
    assert log.found and not log.notes
    log.flush()
    history = log._sink._client.get_metric_history(log.id, "best")
    assert [m.step for m in history] == [0, 1, 2]


def test_a_rule_that_cannot_be_kept_in_the_end_is_a_note(log, monkeypatch):
    def failing(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", failing)
    recorder = Recorder(log, RunView())
    recorder.generation(progress(0))
    recorder.improved(finding)
    recorder.searched()
    assert "No space left" in log.notes[0]


def test_a_terminal_that_is_gone_ends_no_run(log):
    class Gone(RunView):
        def generation(self, progress):
            raise OSError(5, "Input/output error")

    recorder = Recorder(log, Gone())
    recorder.generation(progress(0))
    recorder.generation(progress(1))
    recorder.phase("anything")
    assert len(log.notes) == 1 and "Input/output error" in log.notes[0]


def test_what_a_process_that_began_again_tells_twice_is_logged_once(log):
    recorder = Recorder(log, RunView())
    for generation in (0, 1, 2, 0, 1, 2, 3):
        recorder.generation(progress(generation))
    recorder.searched()
    log.flush()
    history = log._sink._client.get_metric_history(log.id, "best")
    assert [m.step for m in history] == [0, 1, 2, 3]
