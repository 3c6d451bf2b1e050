"""Seeds on every core: shares give what all gave together, and an end can be asked for from outside."""

import threading
import time

import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.running import parallel_seeds
from evolve.running.interrupt import StopFile
from evolve.running.loop import run_together
from evolve.running.result import Progress
from evolve.search.islands import GenerationStats
from tests.support.runs import SMALL, Silent

STATS = GenerationStats(0.5, 0.25, 8, 4, 2, 2, 1)


class Told(Silent):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.progress, self.phases = [], []

    def generation(self, progress):
        super().generation(progress)
        self.progress.append(progress)

    def phase(self, name):
        self.phases.append(name)


def test_shares_find_what_all_find_together(monkeypatch):
    monkeypatch.setattr(parallel_seeds, "shares_of", lambda searches: 2)
    configs = [RunConfig(seed=seed, **SMALL) for seed in (3, 4, 5)]
    logs = [Told() for _ in configs]
    shared = parallel_seeds.run_seeds(configs, logs)
    together = run_together(configs, [Silent() for _ in configs])
    for ours, theirs, log in zip(shared, together, logs, strict=True):
        assert [p.stats for p in ours.history] == [p.stats for p in theirs.history]
        assert ours.config == theirs.config
        assert ours.champion.rule == theirs.champion.rule
        assert np.array_equal(ours.champion.scores, theirs.champion.scores)
        # The log has every improvement, in order.
        best = [p.stats.best for p in ours.history]
        better = [
            p for p, was in zip(ours.history, [-np.inf, *best], strict=False) if p.stats.best > was
        ]
        assert [p.generation for p in log.progress] == sorted(p.generation for p in log.progress)
        assert {p.generation for p in better} <= {p.generation for p in log.progress}
    assert any("searching" in phase for phase in logs[0].phases)


def test_few_seeds_stay_in_one_process():
    assert parallel_seeds.shares_of(1) == parallel_seeds.shares_of(parallel_seeds.LEAST) == 1
    assert parallel_seeds.shares_of(1000) >= 1


def test_what_a_process_does_wrong_is_raised_here():
    with (
        parallel_seeds.run_in_processes(_fail, [(1,), (2,)]) as found,
        pytest.raises(ValueError, match="no luck"),
    ):
        found.result()


def _fail(number):
    raise ValueError(f"no luck {number}")


def test_a_file_log_passes_on_what_is_new_and_half_lines_wait(tmp_path):
    file_log, log = parallel_seeds.FileLog(tmp_path / "lines"), Told()
    follower = file_log.follow(log)
    next(follower)
    file_log.phase("searching, élan")
    file_log.generation(Progress(STATS, 1, 4, 0.5))
    file_log.generation(Progress(STATS, 2, 8, 0.6))  # nothing new, and soon after
    next(follower)
    assert log.phases == ["searching, élan"]
    assert log.progress == [Progress(STATS, 1, 4, 0.5)]
    with file_log.file.open("a") as file:
        file.write('"half')
    next(follower)
    with file_log.file.open("a") as file:
        file.write(' a line"\n')
    next(follower)
    assert log.phases[1:] == ["half a line"]


def test_a_stop_file_ends_searches_that_keep_what_they_have(tmp_path):
    config = RunConfig(**SMALL | {"stop": {"generations": 1_000_000}})
    stop_file, log = StopFile(tmp_path / "end"), Told()

    def ask():
        while not log.stats_of_all:
            time.sleep(0.01)
        stop_file.write()

    threading.Thread(target=ask, daemon=True).start()
    (result,) = run_together([config], [log], stop=stop_file)
    assert result.stopped and result.history[-1].generation < 1_000_000
    assert result.champion_row.n == 10
