"""The search: neutral drift, inheritance, caching, archives, and that a seed decides everything."""

import random

import numpy as np
import pytest

from evolve.search import islands
from evolve.search.islands import Individual
from evolve.search.score_cache import ScoreCache
from tests.support.searches import GRID, VARIATIONS, Counting, begin, evolve, step, varying


@pytest.mark.parametrize("variation", VARIATIONS)
def test_fitness_never_falls_and_reaches_the_top(variation):
    state, stats_of_all, _ = evolve(variation, generations=120)
    best = [t.best for t in stats_of_all]
    assert best == sorted(best)
    assert best[-1] == 1.0
    assert all(len(island) == variation.parents for island in state.islands)


@pytest.mark.parametrize("variation", VARIATIONS)
def test_a_seed_decides_everything(variation):
    a, b = (evolve(variation, seed=3) for _ in range(2))
    assert a[1] == b[1]
    assert [i.genome for k in a[0].islands for i in k] == [
        i.genome for k in b[0].islands for i in k
    ]
    assert a[1] != evolve(variation, seed=4)[1]


@pytest.mark.parametrize("variation", VARIATIONS)
def test_no_formula_is_evaluated_twice(variation):
    state, stats_of_all, fitness = evolve(variation)
    assert len(fitness.asked) == len(state.known) == state.evaluations
    assert sum(t.evaluated for t in stats_of_all) == state.evaluations
    for stats in stats_of_all[1:]:
        assert stats.evaluated + stats.cached + stats.silent <= stats.children
        assert stats.children == variation.islands * variation.children


def test_among_equals_the_child_wins():
    """On a flat landscape every generation replaces every parent, silently or not."""
    variation = VARIATIONS[0]
    flat = lambda graphs: np.zeros(len(graphs))  # noqa: E731
    state, _ = begin(variation, 0, flat)
    before = [island[0].genome for island in state.islands]
    for _ in range(5):
        step(GRID, variation, state, flat)
    assert all(old != i[0].genome for old, i in zip(before, state.islands, strict=True))


def test_silent_mutants_inherit():
    variation = varying(20, 1, 4, 1, "gene", 0.01)
    state, stats_of_all, _ = evolve(variation, generations=10)
    silent = sum(t.silent for t in stats_of_all)
    assert silent > 0.5 * sum(t.children for t in stats_of_all[1:])
    for island in state.islands:
        for individual in island:
            (expected,) = Counting()([individual.phenotype.graph])
            assert individual.score == expected


def test_active_mutation_makes_no_silent_mutant():
    assert all(t.silent == 0 for t in evolve(VARIATIONS[1])[1])


def test_tournaments_prefer_the_better():
    variation = varying(1, 20, 400, 3, "gene", 0.01)
    state, _ = begin(variation, 0, Counting())
    state.islands[0] = [
        Individual(i.genome, i.phenotype, float(rank)) for rank, i in enumerate(state.islands[0])
    ]
    picked = np.array([p.score for p in islands._pick(variation, state.islands, state.rng)])
    # The mean rank of the best of 3 out of 20 drawn with replacement is about 14.
    assert picked.mean() == pytest.approx(14.0, abs=1.0)


def test_the_global_random_state_is_left_alone():
    random.seed(5)
    before = random.getstate()
    evolve(VARIATIONS[2], generations=3)
    assert random.getstate() == before


def test_the_front_has_no_dominated_point():
    state, _, _ = evolve(VARIATIONS[0], generations=60)
    front = islands.pareto(state)
    sizes, scores = [i.size for i in front], [i.score for i in front]
    assert sizes == sorted(set(sizes))
    assert scores == sorted(set(scores))
    for kept in state.front.values():
        assert any(f.size <= kept.size and f.score >= kept.score for f in front)


def test_the_hall_of_fame_holds_distinct_formulas():
    state, _, _ = evolve(VARIATIONS[0], generations=60)
    keys = [i.phenotype.key for i in state.hall]
    assert len(set(keys)) == len(keys) > 3
    scores = [i.score for i in state.hall]
    assert scores == sorted(scores, reverse=True)


def test_a_search_can_start_from_a_genome():
    seed = evolve(VARIATIONS[0])[0].best
    state, stats = begin(VARIATIONS[0], 9, Counting(), [seed.genome])
    assert stats.best == seed.score
    assert all(isinstance(i, Individual) and i.genome is seed.genome for (i,) in state.islands)


def changes(variation, generations=20):
    """Mean number of genes in which the children of every island differ from their parent."""
    founder = evolve(VARIATIONS[1])[0].best.genome
    state, _ = begin(variation, 2, Counting(), [founder])
    counts = np.zeros(variation.islands)
    for _ in range(generations):
        offspring = islands.breed(GRID, variation, state.islands, state.rng)
        for i, child in enumerate(offspring.children):
            pairs = zip(founder.genes, child.genome.genes, strict=True)
            counts[i // variation.children] += sum(a != b for a, b in pairs)
    return counts / generations / variation.children


def test_mutation_is_graded_over_the_islands():
    """Geometrically, around the rate by gene; from one active gene on by active genes."""
    by_gene = changes(varying(5, 1, 20, 1, "gene", 0.08, spread=16), 50) / GRID.size
    assert by_gene == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32], rel=0.1)
    active = changes(varying(3, 1, 20, 1, "active", 0.06, spread=4), 50)
    assert active / active[0] == pytest.approx([1, 2, 4], rel=0.15)
    assert varying(3, 1, 4, 1, "active", 0.06, spread=9).factors == (1.0, 3.0, 9.0)


def test_an_island_that_stands_still_is_drawn_anew():
    """After `patience` generations, and its best stays in the archives."""
    variation = varying(6, 1, 4, 1, "active", 0.06, patience=7)
    state, _ = begin(variation, 0, Counting(2))
    founders = [island[0] for island in state.islands]
    for _ in range(60):
        redrawn = islands.stale(variation, state.ages, state.generation)
        before = list(state.islands)
        step(GRID, variation, state, Counting(2))
        for i, (old, island, age) in enumerate(zip(before, state.islands, state.ages, strict=True)):
            assert (age.born == state.generation) == (i in redrawn)
            assert state.generation - age.since <= variation.patience
            assert i in redrawn or island[0].score >= old[0].score
    assert max(age.born for age in state.ages) > 10
    assert state.best.score == 1.0
    assert all(f not in [i[0] for i in state.islands] for f in founders)


def test_a_young_island_takes_no_guests():
    variation = varying(2, 1, 1, 1, "active", 0.06, migration=1, patience=5)
    state, _ = begin(variation, 0, Counting())
    one, other = (island[0] for island in state.islands)
    good, bad = (Individual(i.genome, i.phenotype, s) for i, s in ((one, 1.0), (other, 0.0)))
    offspring = islands.Offspring([good, bad], [bad])
    for born, expected in ((0, 1), (6, 0), (1, 1)):
        ages = [islands.IslandAge(), islands.IslandAge(born=born)]
        _, (kept,) = islands.compete(variation, [[good], [bad]], offspring, ages, 8)
        assert kept.score == expected


def test_known_scores_are_bounded_and_the_oldest_are_forgotten():
    known = ScoreCache(3)
    known.learn({(i,): float(i) for i in range(3)})
    assert known.recall((0,)) == 0.0
    assert known.peek((1,)) == 1.0  # leaves no trace
    known.learn({(3,): 3.0})
    assert len(known) == 3
    assert [(i,) in known for i in range(4)] == [True, False, True, True]
    assert known.peek((1,)) is None
    known.learn({(i,): 0.0 for i in range(10, 20)})
    assert len(known) == 3


def test_a_search_with_a_short_memory_evaluates_again():
    variation = varying(4, 1, 4, 1, "active", 0.06, memory=20)
    state, stats_of_all, fitness = evolve(variation, generations=60)
    assert len(state.known) == 20
    assert len(fitness.asked) == state.evaluations == sum(t.evaluated for t in stats_of_all)
    endless, _, _ = evolve(VARIATIONS[1], generations=60)
    assert state.evaluations > endless.evaluations
