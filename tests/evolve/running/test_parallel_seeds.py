"""Seeds on every core: shares give what all gave together, and an end can be asked for from outside."""

import threading
import time

import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.running import parallel_seeds, select_champion
from evolve.running.loop import run_together
from evolve.running.result import Progress
from evolve.search.islands import GenerationStats
from tests.support.runs import SMALL, Silent, few_baselines

pytestmark = pytest.mark.usefixtures("few_baselines")

STATS = GenerationStats(0.5, 0.25, 8, 4, 2, 2, 1)


class Told(Silent):
    """Keeps what it is told."""

    def __init__(self):
        super().__init__()
        self.progress, self.phases, self.findings, self.ended = [], [], [], 0

    def generation(self, progress):
        super().generation(progress)
        self.progress.append(progress)

    def improved(self, find):
        self.findings.append(find())

    def searched(self):
        self.ended += 1

    def phase(self, name, steps=0):
        self.phases.append(name)


class Wire:
    """A link that keeps what is told."""

    def __init__(self):
        self.told = []

    def tell(self, message):
        self.told.append(message)


share = parallel_seeds._share


def sharing(*words):
    """What a worker does, there too with few baselines."""
    select_champion.baselines = few_baselines(select_champion.baselines)
    return share(*words)


def test_shares_find_what_all_find_together(monkeypatch):
    monkeypatch.setattr(parallel_seeds, "shares_of", lambda searches: 2)
    monkeypatch.setattr(parallel_seeds, "_share", sharing)
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
        # And the best rule is known before the search is over.
        assert log.findings[-1].score == best[-1]
        assert log.ended == 1
    assert any("searching" in phase for phase in logs[0].phases)


def test_few_seeds_stay_in_one_process():
    assert parallel_seeds.shares_of(1) == parallel_seeds.shares_of(parallel_seeds.LEAST) == 1
    assert parallel_seeds.shares_of(1000) >= 1


def test_a_log_in_a_worker_tells_what_is_new_and_the_rest_at_the_end():
    wire, log = Wire(), Told()
    far = parallel_seeds.LinkLog(wire, 0)
    far.phase("searching, élan")
    far.generation(Progress(STATS, 1, 4, 0.5))
    far.improved(lambda: "a rule")
    far.generation(Progress(STATS, 2, 8, 0.6))  # nothing new, and soon after
    far.improved(lambda: "a better rule")
    assert len(wire.told) == 3
    far.searched()
    for _, message in wire.told:
        parallel_seeds._pass_on(log, message)
    assert log.phases == ["searching, élan"]
    assert log.progress == [Progress(STATS, 1, 4, 0.5), Progress(STATS, 2, 8, 0.6)]
    assert log.findings == ["a rule", "a better rule"] and log.ended == 1


class StopsWhenAsked:
    """Asks for an end when it is told to."""

    requested = False


def test_an_end_may_be_asked_for_from_outside_and_what_there_is_is_kept():
    config = RunConfig(**SMALL | {"stop": {"generations": 1_000_000}})
    stop, log = StopsWhenAsked(), Told()

    def ask():
        while not log.stats_of_all:
            time.sleep(0.01)
        stop.requested = True

    threading.Thread(target=ask, daemon=True).start()
    (result,) = run_together([config], [log], stop=stop)
    assert result.stopped and result.history[-1].generation < 1_000_000
    assert result.champion_row.n == 10
