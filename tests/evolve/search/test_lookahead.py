"""Looking ahead changes how often a search asks for scores, and nothing else."""

import numpy as np
import pytest

from evolve.search.lookahead import Lookahead
from tests.support.searches import GRID, VARIATIONS, Counting, evolve, varying

#: Every way a search can go, and the ways in which looking ahead could go wrong.
WAYS = [
    *VARIATIONS,
    varying(4, 1, 4, 1, "active", 0.06, migration=3, patience=5),
    varying(2, 6, 8, 2, "gene", 0.05, migration=4, patience=4),
    varying(1, 1, 4, 1, "gene", 0.06, memory=12),
    varying(4, 1, 4, 1, "active", 0.06, memory=40, patience=6, spread=3),
    varying(3, 8, 8, 2, "active", 0.06, migration=3, selection="nsga2", patience=8),
]


def piloted(variation, seed, generations, lanes):
    """The stats of all generations, the final genomes and the number of rounds."""
    lookahead, fitness = Lookahead(GRID, variation, seed, generations), Counting()
    stats_of_all, rounds = [], 0
    while len(stats_of_all) <= generations:
        wanted = lookahead.wanted(lanes)
        rounds += bool(wanted)
        scores = fitness(list(wanted.values())).tolist() if wanted else []
        stats_of_all += lookahead.advance(dict(zip(wanted, scores, strict=True)))
    return stats_of_all, [[i.genome for i in k] for k in lookahead.state.islands], rounds


@pytest.mark.parametrize("variation", WAYS)
@pytest.mark.parametrize("lanes", [1, 16, 64])
def test_the_search_is_the_same(variation, lanes):
    state, stats_of_all, _ = evolve(variation, seed=5, generations=80)
    ahead, genomes, _ = piloted(variation, 5, 80, lanes)
    assert sum(t.evaluated for t in stats_of_all) == state.evaluations
    assert ahead == stats_of_all
    assert genomes == [[i.genome for i in k] for k in state.islands]


def test_fewer_calls_are_made():
    variation = varying(1, 1, 4, 1, "gene", 0.06)
    _, _, alone = piloted(variation, 0, 300, 1)
    _, _, ahead = piloted(variation, 0, 300, 32)
    assert ahead < alone / 2


def test_the_random_state_is_where_the_search_is():
    """What was bred ahead and thrown away leaves no trace in the generator."""
    variation = VARIATIONS[0]
    state, _, _ = evolve(variation, seed=1, generations=40)
    lookahead, fitness = Lookahead(GRID, variation, 1, 40), Counting()
    while lookahead.state.generation < 40:
        wanted = lookahead.wanted(64)
        list(lookahead.advance(dict(zip(wanted, fitness(list(wanted.values())), strict=True))))
    assert lookahead.state.rng.bit_generator.state == state.rng.bit_generator.state
    assert np.array_equal(lookahead.state.rng.random(3), state.rng.random(3))
