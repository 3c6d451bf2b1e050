"""Small searches with a fitness that costs nothing."""

import numpy as np

from evolve.search import islands
from evolve.search.genome import Grid
from evolve.search.islands import Plan

GRID = Grid(("pre", "post", "w"), ("add", "sub", "mul"), 12)


class Counting:
    """A cheap fitness: rewards operations up to a number; remembers what it was asked."""

    def __init__(self, plateau=4):
        self.plateau, self.asked = plateau, []

    def __call__(self, graphs):
        self.asked += graphs
        return np.array([min(len(g.nodes), self.plateau) / self.plateau for g in graphs])


def begin(plan, seed, fitness, founders=()):
    state, offspring = islands.start(GRID, plan, seed, founders)
    return state, islands.evaluate_and_apply(plan, state, offspring, fitness)


def evolve(plan, seed=0, generations=30, fitness=None):
    fitness = fitness or Counting()
    state, stats = begin(plan, seed, fitness)
    stats_of_all = [stats]
    for _ in range(generations):
        stats_of_all.append(islands.step(GRID, plan, state, fitness))
    return state, stats_of_all, fitness


PLANS = [
    Plan(8, 1, 4, 1, "gene", 0.06),
    Plan(4, 1, 4, 1, "active", 0.06),
    Plan(2, 6, 8, 2, "gene", 0.05),
]
