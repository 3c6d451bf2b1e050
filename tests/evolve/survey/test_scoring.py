"""A race over rules and rates finds what scoring everything finds."""

from functools import cache

import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import WORST
from evolve.evaluation.pending import wait
from evolve.running.loop import build_evaluator
from evolve.running.select_champion import draw_arena
from evolve.survey.formulas import formulas
from evolve.survey.rules import rules
from evolve.survey.scoring import geometric, score_all

CONFIG = RunConfig(
    engine="interpreter",
    options={"dimensions": [2, 3], "samples": 200},
    instances={"train": 10},
)
RULES = rules(formulas(CONFIG.grid.terminals, ("add", "sub", "mul"), 3))
RATES = geometric(5)


@cache
def evaluator():
    return build_evaluator(CONFIG, [draw_arena(CONFIG, "train")])


@cache
def exhaustive():
    """Fitness of every rule at every rate, (rule, rate)."""
    graphs = [RULES.graph(i) for i in range(len(RULES))]
    columns = [wait(evaluator().begin([graphs], gains=[[rate] * len(graphs)]))[0] for rate in RATES]
    return np.stack(columns, axis=1)


def scored(**options):
    given = {"rates": RATES, "keep": 20, "margin": 0.1, **options}
    return score_all(RULES.graph, RULES.sizes, evaluator(), **given)


def test_rates_are_spread_around_that_of_the_task():
    assert geometric(1) == (1.0,)
    assert geometric(9) == (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16)


@pytest.mark.parametrize("keep", [5, 60])
def test_the_best_of_all_and_of_every_size_are_those_of_scoring_everything(keep):
    everything, scores = exhaustive(), scored(keep=keep)
    best = everything.max(axis=1)
    assert scores.certain
    assert scores.exact.sum() < len(RULES), "the race has spared nothing"
    expected = np.argsort(-best, kind="stable")[:keep]
    close = expected[best[expected] >= best.max() - 0.1]
    np.testing.assert_array_equal(scores.best[: len(close)], close)
    np.testing.assert_array_equal(scores.score[close], best[close])
    np.testing.assert_array_equal(
        scores.rate[close], np.array(RATES)[everything[close].argmax(axis=1)]
    )
    for size in range(4):
        places = np.flatnonzero(RULES.sizes == size)
        found = scores.best_of(places)
        assert scores.score[found] == best[places].max()


def test_what_did_not_learn_is_bounded_and_what_diverges_is_worst():
    everything, scores = exhaustive(), scored()
    best = everything.max(axis=1)
    assert np.all(scores.score[~scores.exact] >= best[~scores.exact] - 1e-5)
    np.testing.assert_array_equal(scores.score[scores.diverged], WORST)
    assert np.all(best[scores.diverged] == WORST)
    assert 0 < scores.diverged.sum() < len(RULES)


def test_at_one_rate_every_rule_has_its_score():
    scores = scored(rates=(1.0,))
    np.testing.assert_array_equal(scores.score, exhaustive()[:, 2])
    assert scores.exact.all() and scores.certain


@pytest.mark.parametrize("rates", [(1.0,), RATES])
def test_an_early_end_says_how_far_it_came(rates, monkeypatch):
    monkeypatch.setattr("evolve.survey.scoring.BATCH", 500)
    scores = scored(rates=rates, progress=lambda done, of: True)
    assert 0 < scores.done < len(RULES)
    assert len(scores.best), "what was looked at has a best"
    assert np.all(scores.best < scores.done)


@pytest.mark.parametrize("rates", [(1.0,), RATES])
def test_rules_that_all_diverge_have_scores_too(rates, monkeypatch):
    class Diverging:
        races = True

        def begin(self, wanted, thresholds=None, gains=None):
            yield [np.full(len(own), WORST) for own in wanted]

    scores = score_all(RULES.graph, RULES.sizes, Diverging(), rates)
    assert scores.certain and scores.diverged.all() and scores.exact.all()
    assert scores.best[0] == 0 and scores.score[0] == WORST
