"""Whole runs: how a champion is chosen, and that a seed finds the same beside others as alone."""

import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy

from evolve.config.run_config import RunConfig
from evolve.running import loop
from evolve.running.interrupt import Interrupt
from evolve.running.loop import Job, run, run_together
from evolve.running.result import Candidate
from evolve.running.select_champion import _simplified, choose_champion
from evolve.search.lookahead import Lookahead
from substrate import POST, PRE, Rule, Slow, W, names
from substrate.devices import release_free_memory
from tests.support.runs import SMALL, Silent

pytestmark = pytest.mark.usefixtures("few_baselines")


def candidate(operators, scores):
    rule = Rule("champion", sympy.Integer(operators))
    # As if tuned, so that its length is taken as it is.
    return Candidate(rule, operators, 0.0, float(np.mean(scores)), np.asarray(scores), tuned=True)


def test_the_simplest_within_one_standard_error_is_chosen():
    rng = np.random.default_rng(0)
    base = rng.normal(0.8, 0.1, 100)
    best = candidate(9, base + 0.001 + 0.02 * rng.normal(size=100))
    close = candidate(4, base)
    poor = candidate(2, base - 0.05)
    front = [best, close, poor]
    assert choose_champion(front) is close
    clearly_better = candidate(9, base + 0.03 + 0.02 * rng.normal(size=100))
    assert choose_champion([clearly_better, close, poor]) is clearly_better
    assert choose_champion([candidate(5, [-1.0] * 10), candidate(0, [-1.0] * 10)]).operators == 0


def test_slow_variables_that_nothing_needs_are_dropped():
    a, b, c = names("a b c")
    slow = (Slow("a", PRE - a), Slow("b", a * POST), Slow("c", c + W))
    rule = Rule("champion", PRE * POST * b, slow=slow)
    whole = replace(candidate(0, [0.0, 1.0]), rule=rule, tuned=False)
    assert [s.name for s in _simplified(whole).rule.slow] == ["a", "b"]


def test_a_seed_finds_the_same_beside_others_as_alone():
    """Every generation of every seed, to the last bit, and the same champion."""
    configs = [RunConfig(seed=seed, **SMALL) for seed in (3, 4, 5)]
    logs = [Silent() for _ in configs]
    together = run_together(configs, logs)
    for config, log, result in zip(configs, logs, together, strict=True):
        own = Silent()
        alone = run(config, own)
        assert own.stats_of_all == log.stats_of_all
        assert len(own.stats_of_all) == 41
        assert alone.champion.rule == result.champion.rule
        assert alone.champion_row.score == result.champion_row.score
    assert len({tuple(log.stats_of_all) for log in logs}) == 3


def test_constants_are_tuned_where_they_evolve():
    """The champion's training score is at least what the search itself found."""
    genes = {"columns": 10, "evolved_constants": 2, "primitives": ["add", "sub", "mul"]}
    settings = {**SMALL, "genes": genes, "constants": {"best": 1, "budget": 300}}
    config = RunConfig(seed=1, **settings)
    assert (config.tuned, RunConfig().tuned) == (1, 0)
    log = Silent()
    result = run(config, log)
    found = max(stats.best for stats in log.stats_of_all)
    assert max(c.training for c in result.front) >= found
    assert any(c.training > found for c in result.front), "tuning should improve something"


@pytest.mark.parametrize("searches", [1, 3])
def test_free_memory_is_returned_again_and_again_while_searches_run(searches, monkeypatch):
    """Every so many rounds, of which each asks for one answer, in however many halves the searches advance."""
    rounds, returned = [], []

    class Worthless:
        lanes = width = 8
        asynchronous, races = True, False

        def begin(self, wanted, thresholds, gains=None):
            rounds.append("waits")
            yield None
            rounds.append("answers")
            yield [np.zeros(len(own)) for own in wanted]

    monkeypatch.setattr(loop, "TIDY", 2)
    monkeypatch.setattr(loop, "release_free_memory", lambda: returned.append(len(rounds) + 1))
    configs = [RunConfig(seed=seed, **SMALL) for seed in range(searches)]
    lookaheads = [Lookahead(c.grid, c.variation, c.seed, c.stop.generations) for c in configs]
    jobs = [Job(c, Silent(), p) for c, p in zip(configs, lookaheads, strict=True)]
    loop._search(jobs, Worthless(), Interrupt())
    assert len(returned) > 2
    assert returned == list(range(2, len(rounds) + 1, 2))


def resident():
    """Memory that this process holds [MB]."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks the GNU C library")
def test_memory_between_blocks_in_use_goes_back_to_the_system():
    """Of 128 MB in blocks below the size that is mapped apart, one in a hundred stays and pins the others."""
    blocks = [bytes([1]) * 64_000 for _ in range(2000)]
    blocks = blocks[::100]
    before = resident()
    release_free_memory()
    assert before - resident() > 60
    assert len(blocks) == 20
