"""A race saves instances, and changes nothing that a search finds."""

import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import INSTANCES_PER_GROUP, WORST
from evolve.evaluation.interpreter import Interpreter
from evolve.evaluation.pending import wait
from evolve.running.interrupt import Interrupt
from evolve.running.log import RunView
from evolve.running.loop import Job, _search
from evolve.running.select_champion import draw_arena
from evolve.search.genome import express, random_genome
from evolve.search.individual import Individual
from evolve.search.islands import apply_scores, score_threshold, start, unknown
from evolve.search.lookahead import Lookahead
from tasks import FAMILIES

CONFIG = RunConfig(
    options={"dimensions": [2, 3], "samples": 300},
    instances={"train": 30},
    variation={"islands": 2, "parents": 1, "children": 4, "patience": 0},
    genes={"columns": 12},
    stop={"generations": 60},
)


class Whole(Interpreter):
    """No thresholds: every rule learns on all instances at once."""

    def begin(self, wanted, thresholds=None, gains=None):
        yield [
            self.score([self.schedule(g) for g in graphs]).fitness if graphs else np.empty(0)
            for graphs in wanted
        ]


class Counting(Interpreter):
    """Counts rules times groups that learn."""

    learned = 0

    def start(self, population, places, *args, units=(0, 6), **more):
        self.learned += len(places) * (units[1] - units[0])
        return super().start(population, places, *args, units=units, **more)


def searched(kind, parents=1):
    variation = CONFIG.variation.model_copy(update={"parents": parents})
    train = draw_arena(CONFIG, "train")
    evaluator = kind([train], CONFIG.machines, 16)
    job = Job(CONFIG, RunView(), Lookahead(CONFIG.grid, variation, 3, CONFIG.stop.generations))
    evaluator.bounds(train)
    before = getattr(evaluator, "learned", 0)
    _search([job], evaluator, Interrupt())
    return job, getattr(evaluator, "learned", 0) - before


@pytest.mark.parametrize(
    ("parents", "share"), [(1, 0.7), (3, 1.0)]
)  # the worst of three is a low threshold
def test_a_search_finds_the_same_on_fewer_instances(parents, share):
    racing, learned = searched(Counting, parents)
    whole, _ = searched(Whole, parents)
    ours, theirs = racing.lookahead.state, whole.lookahead.state
    assert [p.stats._replace(diverged=0) for p in racing.history] == [
        p.stats._replace(diverged=0) for p in whole.history
    ]
    assert [i.phenotype.key for k in ours.islands for i in k] == [
        i.phenotype.key for k in theirs.islands for i in k
    ]
    assert [i.score for i in ours.hall] == [i.score for i in theirs.hall]
    best = np.maximum.accumulate([s.score for _, s in sorted(ours.front.items())])
    other = np.maximum.accumulate([s.score for _, s in sorted(theirs.front.items())])
    assert np.array_equal(best, other)
    assert learned < share * 6 * ours.evaluations


def test_no_rule_is_dropped_that_could_have_reached_the_threshold():
    train = draw_arena(CONFIG, "train")
    evaluator = Interpreter([train], CONFIG.machines, 64)
    rng = np.random.default_rng(0)
    graphs = [express(CONFIG.grid, random_genome(CONFIG.grid, rng)).graph for _ in range(60)]
    truth = evaluator.score([evaluator.schedule(g) for g in graphs]).fitness
    thresholds = rng.uniform(-0.5, 1.0, len(graphs))
    (found,) = wait(evaluator.begin([graphs], [thresholds]))
    same = np.isclose(found, truth, atol=1e-6)
    assert np.all(same | (found < thresholds))
    assert np.all(truth[~same] <= found[~same])
    assert np.any(~same & (truth > WORST)), "a rule was dropped that had not diverged"


@pytest.mark.parametrize("change", [{"patience": 3}, {"selection": "nsga2"}])
def test_there_is_no_threshold_where_parents_may_get_worse(change):
    variation = CONFIG.variation.model_copy(update=change)
    job, _ = searched(Interpreter)
    graph = job.lookahead.state.hall[0].phenotype.graph
    assert score_threshold(variation, job.lookahead.state)(graph) == -np.inf
    assert score_threshold(CONFIG.variation, job.lookahead.state)(graph) > -np.inf


def test_first_parents_stand_in_no_order():
    """The threshold is the score of the worst, wherever it stands."""
    variation = CONFIG.variation
    state, offspring = start(CONFIG.grid, variation, 0)
    apply_scores(variation, state, offspring, dict.fromkeys(unknown(offspring, state.known), 0.5))
    one = offspring.children[0]
    low, high = (Individual(one.genome, one.phenotype, score) for score in (0.1, 0.9))
    state.islands = [[low, high]]
    state.front.clear()
    state.front[0] = high
    assert score_threshold(variation, state)(high.phenotype.graph) <= low.score
    state.hall.maxsize = len(state.hall)  # full of 0.5
    assert score_threshold(variation, state)(high.phenotype.graph) == low.score


def test_no_cosine_is_above_the_ceiling():
    for fitness in ("angle", "final"):
        options = FAMILIES["pca"].options(dimensions=[3], samples=200, fitness=fitness)
        assert all(s.bounded for s in FAMILIES["pca"].build(options))
    options = FAMILIES["pca"].options(dimensions=[3], samples=200, fitness="variance")
    assert not any(s.bounded for s in FAMILIES["pca"].build(options))
    assert draw_arena(CONFIG, "train").instances == 3 * INSTANCES_PER_GROUP
