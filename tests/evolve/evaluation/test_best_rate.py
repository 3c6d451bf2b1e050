"""The best of several learning rates: the same for a rule and its multiples, and not many times as dear as one."""

from functools import cache

import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import WORST
from evolve.evaluation.best_rate import RATES, rates_of_graphs, rates_of_rules
from evolve.evaluation.pending import wait
from evolve.running.loop import build_evaluator
from evolve.running.select_champion import draw_arena
from evolve.search.genome import express, random_genome
from evolve.search.islands import start
from rules_zoo import RULES
from substrate.compilation.graph import from_rule
from substrate.rule import Rule
from substrate.vocabulary import POST, PRE, W

CONFIG = RunConfig(
    rates="best",
    engine="interpreter",
    options={"dimensions": [2, 3, 4], "samples": 400},
)
OJA = from_rule(RULES["oja"])


@cache
def evaluator():
    return build_evaluator(CONFIG, [draw_arena(CONFIG, "train")])


@cache
def population():
    rng = np.random.default_rng(0)
    drawn = [express(CONFIG.grid, random_genome(CONFIG.grid, rng)).graph for _ in range(300)]
    return [*drawn, OJA]


@cache
def exhaustive():
    """Fitness at every rate, (rule, rate)."""
    graphs, inner = population(), evaluator().inner
    columns = [wait(inner.begin([graphs], gains=[[r] * len(graphs)]))[0] for r in RATES]
    return np.stack(columns, axis=1)


def multiple(factor):
    return from_rule(Rule(f"{factor} oja", factor * POST * (PRE - POST * W)))


def test_a_rule_and_its_multiples_are_worth_the_same():
    graphs = [OJA, multiple(2), multiple(4)]
    fitness = wait(evaluator().begin([graphs]))[0]
    np.testing.assert_allclose(fitness, fitness[0], atol=1e-5)
    (rates,) = rates_of_graphs(evaluator(), [graphs], [draw_arena(CONFIG, "train")])
    assert rates[0] == 2 * rates[1] == 4 * rates[2]


def test_the_race_finds_the_best_rate_or_one_that_is_hardly_worse():
    best, found = exhaustive().max(axis=1), wait(evaluator().begin([population()]))[0]
    assert np.all(found <= best + 1e-6)
    assert np.all(found[best == WORST] == WORST)
    good = best > 0.1
    assert good.any() and np.max((best - found)[good]) < 0.05


def test_a_threshold_changes_only_what_falls_short_of_it():
    free = wait(evaluator().begin([population()]))[0]
    least = float(np.sort(free)[-5])
    held = wait(evaluator().begin([population()], [[least] * len(free)]))[0]
    matters = free >= least
    np.testing.assert_array_equal(held[matters], free[matters])
    assert np.all(held[~matters] < least)


def test_it_costs_less_than_half_of_trying_everything_and_with_thresholds_a_third(monkeypatch):
    """Rules times groups of instances that learn, of the first generation of a search."""
    inner, learned = evaluator().inner, []
    begin = type(inner).start

    def counting(self, population, places, *rest, units=(0, 3), **more):
        learned.append(len(places) * (min(units[1], 3) - units[0]))
        return begin(self, population, places, *rest, units=units, **more)

    monkeypatch.setattr(type(inner), "start", counting)
    _, offspring = start(CONFIG.grid, CONFIG.variation, 0)
    graphs = [one.phenotype.graph for one in offspring.novel]
    wait(evaluator().begin([graphs], [[0.0] * len(graphs)]))
    assert sum(learned) < len(graphs) * len(RATES) * 3 / 2
    learned.clear()
    wait(evaluator().begin([graphs], [[0.8] * len(graphs)]))
    assert sum(learned) < len(graphs) * len(RATES) * 3 / 3


def test_known_rules_get_the_same_treatment():
    train = draw_arena(CONFIG, "train")
    names = ["oja", "hebb"]
    rates = rates_of_rules(evaluator(), [RULES[name] for name in names], train)
    (alone,) = rates_of_graphs(evaluator(), [[from_rule(RULES[n]) for n in names]], [train])
    assert [rates[name] for name in names] == alone


@pytest.mark.parametrize("hardware", ["ideal", "bss2"])
def test_chips_keep_the_rate_of_the_task(hardware):
    config = RunConfig(rates="best", hardware=hardware)
    assert config.at_best_rate == (hardware == "ideal")
