"""How the platform stands beside what else can be done here: ratios of things timed in turns, no absolute times."""

import pytest

from evolve.bench import engine, search, start
from evolve.bench.workloads import QUICK


@pytest.fixture(scope="module")
def engine_():
    """Medians of the engine's figures by name."""
    return {f.name: f.median for f in engine.measure(QUICK, print)}


@pytest.mark.parametrize("rule", ["oja", "oja_subspace"])
def test_a_compiled_rule_has_half_the_speed_of_one_written_by_hand(engine_, rule):
    assert engine_[f"engine.layer.{rule}.speed_of_hand"] >= 0.5


@pytest.mark.parametrize(("data", "share"), [("published", 0.5), ("wide", 0.3)])
def test_the_interpreter_keeps_a_share_of_what_compiling_each_rule_would_give(engine_, data, share):
    assert engine_[f"engine.{data}.share_of_alone"] >= share


@pytest.mark.parametrize(("data", "times"), [("published", 25), ("wide", 4)])
def test_the_interpreter_is_many_times_as_fast_as_numpy(engine_, data, times):
    assert engine_[f"engine.{data}.times_numpy"] >= times


def test_a_compilation_is_worth_many_interpreted_rules(engine_):
    interpreted = 1e-6 * engine_["engine.published.us_per_rule"]
    assert engine_["engine.published.alone_compile_seconds"] > 20 * interpreted


def test_runs_together_cost_no_more_than_one_by_one():
    figures = {f.name: f.median for f in search.measure(QUICK, print)}
    single, together = (
        figures[f"search.published.variance.20.{w}"] for w in ("single", "together")
    )
    assert together < 1.3 * single


def test_a_second_start_is_faster():
    figures = {f.name: f.median for f in start.measure(QUICK, print)}
    assert figures["start.warm_first_generation"] < 0.8 * figures["start.cold_first_generation"]
