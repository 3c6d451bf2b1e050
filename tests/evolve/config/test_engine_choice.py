"""The engine is chosen by estimate, the choice is kept, and no result depends on it beyond rounding."""

import numpy as np
import pytest

from evolve.config import engine_choice
from evolve.config.engine_choice import COSTS, Workload, choose_engine, decide
from evolve.config.run_config import RunConfig
from evolve.evaluation.compiled import Compiled
from evolve.evaluation.interpreter import Interpreter
from evolve.evaluation.pending import wait
from evolve.running.interrupt import Interrupt
from evolve.running.log import RunView
from evolve.running.loop import Job, _search
from evolve.running.select_champion import draw_arena
from evolve.search.genome import Grid, express, random_genome
from evolve.search.lookahead import Lookahead

SMALL = RunConfig(
    seed=5,
    options={"dimensions": [2], "samples": 250, "statistics": ["spread"]},
    genes={"columns": 8, "primitives": ["sub", "mul"]},
    variation={"islands": 2, "children": 2},
    stop={"generations": 6},
)


def test_short_runs_are_interpreted_and_long_ones_compiled():
    assert decide(RunConfig())[1].engine == "interpreter"
    wide = 64 * 100 * 10 * 3000
    assert choose_engine(Workload(100, 7, 100, wide)).engine == "compiled"
    assert choose_engine(Workload(1000, 63, 1000, 1e5)).engine == "interpreter"


def test_the_better_engine_changes_once_as_runs_grow_longer():
    engines = [
        choose_engine(Workload(50, 4, 50, updates)).engine for updates in np.logspace(3, 10, 30)
    ]
    assert sorted(engines, reverse=True) == engines
    assert set(engines) == {"interpreter", "compiled"}


def test_the_estimate_is_what_it_says():
    found = choose_engine(Workload(rules=3, programs=2, runs=6, updates=1e9, instructions=10))
    assert found.interpreter == pytest.approx(
        COSTS.start + 6 * (COSTS.interpreted + 10 * COSTS.instruction)
    )
    assert found.compiled == pytest.approx(
        2 * COSTS.program + 3 * COSTS.rule + 6 * (COSTS.compiled + 10 * COSTS.operation)
    )


def test_a_choice_that_was_kept_is_not_made_again(monkeypatch):
    """The configuration that is stored holds the engine; other coefficients cannot change it any more."""
    kept, first = decide(SMALL)
    assert (first.requested, kept.engine) == ("auto", "interpreter")
    free = engine_choice.Costs(1e9, 1e9, 1e9, 0, 0, 0, 0)
    monkeypatch.setattr(engine_choice, "COSTS", free)
    assert choose_engine(Workload(1, 1, 1, 1), costs=free).engine == "compiled"
    again, second = decide(kept)
    assert (second.requested, again) == ("interpreter", kept)


def test_updates_are_synapses_times_steps_times_instances():
    config = RunConfig(options={"dimensions": [2, 5], "samples": 300})
    assert engine_choice.size(config, 20) == ((2 + 5) * 300 * 20, 1)


def test_every_sample_of_a_batch_is_counted():
    """24 x 24, 24 x 1 and 1 x 24 synapses, and 24 x 1 of feedback; four trials at once."""
    config = RunConfig(task="temporal_credit", options={"batch": 4, "batches": 10, "neurons": 24})
    one = RunConfig(task="temporal_credit", options={"batch": 1, "batches": 10, "neurons": 24})
    assert engine_choice.size(config, 10)[0] == 4 * engine_choice.size(one, 10)[0]


def searched(evaluator):
    """The tallies of a search, and its best rule."""
    lookahead = Lookahead(SMALL.grid, SMALL.variation, SMALL.seed, SMALL.stop.generations)
    job = Job(SMALL, RunView(), lookahead)
    _search([job], evaluator, Interrupt())
    return [p.stats for p in job.history], lookahead.state.best


def test_steps_within_a_step_are_counted():
    """Twenty synapses, five epochs of 80 ms in steps of 0.05 ms."""
    config = RunConfig(task="anticipation", options={"epochs": 5})
    assert engine_choice.size(config, 10) == (20 * 5 * 1600 * 10, 1)


def test_a_search_finds_the_same_with_either_engine():
    train = draw_arena(SMALL, "train")
    there, best = searched(Interpreter([train], SMALL.machines, 8))
    here, other = searched(Compiled([train]))
    assert best.phenotype.key == other.phenotype.key
    for a, b in zip(there, here, strict=True):
        assert a.best == pytest.approx(b.best, abs=1e-4)
        assert (a.evaluated, a.cached, a.silent) == (b.evaluated, b.cached, b.silent)


def test_both_engines_score_slow_variables_alike():
    config = RunConfig(
        options={"dimensions": [3], "samples": 150},
        genes={"columns": 10, "slow": ["trace"]},
        instances={"validation": 10},
    )
    grid: Grid = config.grid
    rng = np.random.default_rng(4)
    graphs = [express(grid, random_genome(grid, rng)).graph for _ in range(3)]
    train, arenas = draw_arena(config, "train"), [draw_arena(config, "validation")]
    interpreted = Interpreter([train], config.machines, 8, grid.outputs, config.slow)
    compiled = Compiled([train], config.slow)
    there, here = (e.score_graphs([graphs], arenas)[0] for e in (interpreted, compiled))
    np.testing.assert_allclose(there, here, atol=1e-4)
    there, here = (wait(e.begin([graphs]))[0] for e in (interpreted, compiled))
    np.testing.assert_allclose(there, here, atol=1e-4)
