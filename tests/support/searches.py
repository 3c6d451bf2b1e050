"""Small searches with a fitness that costs nothing."""

import numpy as np

from evolve.search import islands
from evolve.search.genome import Grid
from evolve.search.variation import Variation

GRID = Grid(("pre", "post", "w"), ("add", "sub", "mul"), 12)


class Counting:
    """A cheap fitness: rewards operations up to a number; remembers what it was asked."""

    def __init__(self, plateau=4):
        self.plateau, self.asked = plateau, []

    def __call__(self, graphs):
        self.asked += graphs
        return np.array([min(len(g.nodes), self.plateau) / self.plateau for g in graphs])


def varying(islands, parents, children, tournament, mutation, rate, **more):
    """A search without migration, whose islands mutate alike unless something else is said."""
    return Variation(
        islands=islands,
        parents=parents,
        children=children,
        tournament=tournament,
        mutation=mutation,
        rate=rate,
        **{"migration": 0, "spread": 1.0, **more},
    )


def step(grid, variation, state, evaluate):
    """Advance every island by one generation, without looking ahead."""
    redrawn = islands.stale(variation, state.ages, state.generation)
    offspring = islands.breed(grid, variation, state.islands, state.rng, redrawn)
    return evaluate_and_apply(variation, state, offspring, evaluate)


def evaluate_and_apply(variation, state, offspring, evaluate):
    """Evaluate what is unknown of the offspring, and end the generation."""
    fresh = islands.unknown(offspring, state.known)
    scores = evaluate(list(fresh.values())).tolist() if fresh else []
    return islands.apply_scores(variation, state, offspring, dict(zip(fresh, scores, strict=True)))


def begin(variation, seed, fitness, founders=()):
    state, offspring = islands.start(GRID, variation, seed, founders)
    return state, evaluate_and_apply(variation, state, offspring, fitness)


def evolve(variation, seed=0, generations=30, fitness=None):
    fitness = fitness or Counting()
    state, stats = begin(variation, seed, fitness)
    stats_of_all = [stats]
    for _ in range(generations):
        stats_of_all.append(step(GRID, variation, state, fitness))
    return state, stats_of_all, fitness


VARIATIONS = [
    varying(8, 1, 4, 1, "gene", 0.06),
    varying(4, 1, 4, 1, "active", 0.06),
    varying(2, 6, 8, 2, "gene", 0.05),
]
