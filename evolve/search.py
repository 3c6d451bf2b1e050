"""Islands of (mu + lambda) searches over Cartesian genomes, on DEAP's selection and archives.

Every island keeps mu parents and makes lambda children a generation: a tournament picks a parent, mutation changes
it. Children whose expressed genes are untouched inherit their parent's fitness; children whose formula was scored
before get that score; only the rest is evaluated, all islands together. Among equals the child wins, so genomes
drift along neutral paths.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from deap import base, tools

from evolve.evaluate import WORST
from evolve.genome import Genome, Grid, Phenotype, draw, express, mutate_active, mutate_genes
from substrate.graph import Graph


class Fitness(base.Fitness):
    """One objective, to be maximised."""

    weights = (1.0,)


class ScoreAndSize(base.Fitness):
    """For the archive: score up, number of operations down."""

    weights = (1.0, -1.0)


class Individual:
    """A genome, what it expresses and what it is worth."""

    __slots__ = ("fitness", "genome", "phenotype")

    def __init__(self, genome: Genome, phenotype: Phenotype, score: float | None = None) -> None:
        self.genome, self.phenotype, self.fitness = genome, phenotype, Fitness()
        if score is not None:
            self.fitness.values = (score,)

    @property
    def score(self) -> float:
        """Training fitness."""
        return float(self.fitness.values[0])

    @property
    def size(self) -> int:
        """Number of operations expressed."""
        return len(self.phenotype.graph.nodes)

    def __deepcopy__(self, memo: object) -> "Individual":
        """DEAP's archives copy what they keep; nothing here is ever changed in place."""
        return self


@dataclass(frozen=True)
class Plan:
    """How a search varies and selects; see `evolve.config` for the meaning of every number."""

    islands: int
    parents: int
    children: int
    tournament: int
    mutation: str  # "gene" or "active"
    rate: float
    migration: int = 0  # generations between migrations; 0 for never


class Tally(NamedTuple):
    """What happened in one generation."""

    best: float
    median: float
    children: int
    evaluated: int
    cached: int
    silent: int
    diverged: int


@dataclass
class SearchState:
    """Everything that the next generation needs."""

    rng: np.random.Generator
    islands: list[list[Individual]] = field(default_factory=list)
    known: dict[tuple[int, ...], float] = field(default_factory=dict)  # fingerprint -> score
    hall: tools.HallOfFame = field(
        default_factory=lambda: tools.HallOfFame(
            16, similar=lambda a, b: a.phenotype.key == b.phenotype.key
        )
    )
    front: dict[int, Individual] = field(default_factory=dict)  # size -> best of that size
    generation: int = 0
    evaluations: int = 0

    @property
    def best(self) -> Individual:
        """The best individual so far."""
        return self.hall[0]


#: Scores distinct graphs; every score is a value, also a bad one.
Evaluate = Callable[[Sequence[Graph]], np.ndarray]


@contextmanager
def deap_draws(rng: np.random.Generator) -> Iterator[None]:
    """Let DEAP draw from the search's generator: it uses the global `random`, whose state is put back."""
    before = random.getstate()
    random.seed(int(rng.integers(2**63)))
    try:
        yield
    finally:
        random.setstate(before)


def start(
    grid: Grid, plan: Plan, seed: int, evaluate: Evaluate, founders: Sequence[Genome] = ()
) -> tuple[SearchState, Tally]:
    """Draw the first parents of every island and score them; founders replace the first ones of each."""
    state = SearchState(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0xE7,))))
    fresh = []
    for _ in range(plan.islands):
        drawn = [draw(grid, state.rng) for _ in range(plan.parents)]
        drawn[: len(founders)] = founders[: plan.parents]
        state.islands.append([Individual(g, express(grid, g)) for g in drawn])
        fresh += state.islands[-1]
    return state, _score(state, fresh, silent=0, evaluate=evaluate)


def step(grid: Grid, plan: Plan, state: SearchState, evaluate: Evaluate) -> Tally:
    """Advance every island by one generation."""
    parents = _pick(plan, state)
    genomes = [p.genome for p in parents]
    if plan.mutation == "gene":
        varied = mutate_genes(grid, state.rng, genomes, plan.rate)
    else:
        varied = mutate_active(grid, state.rng, genomes, [p.phenotype.active for p in parents])
    children = []
    silent = 0
    for parent, (genome, changed) in zip(parents, varied, strict=True):
        if changed.isdisjoint(parent.phenotype.active):
            silent += 1
            children.append(Individual(genome, parent.phenotype, parent.score))
        else:
            children.append(Individual(genome, express(grid, genome)))
    tally = _score(state, children, silent, evaluate)
    for i, island in enumerate(state.islands):
        offspring = children[i * plan.children : (i + 1) * plan.children]
        # selBest sorts stably: of equals the child, listed first, survives.
        state.islands[i] = tools.selBest(offspring + island, plan.parents)
    state.generation += 1
    if plan.migration and state.generation % plan.migration == 0:
        _migrate(state)
    return tally


def _migrate(state: SearchState) -> None:
    """Around a ring, every island's best takes the place of the next one's last, if it is better."""
    guests = [island[0] for island in state.islands]
    for guest, island in zip([guests[-1], *guests[:-1]], state.islands, strict=True):
        if guest.score > island[-1].score:
            island[-1] = guest
            island.sort(key=lambda i: -i.score)


def _pick(plan: Plan, state: SearchState) -> list[Individual]:
    """Tournaments within each island; the only parent there is needs none."""
    if plan.parents == 1:
        return [island[0] for island in state.islands for _ in range(plan.children)]
    with deap_draws(state.rng):
        return [
            winner
            for island in state.islands
            for winner in tools.selTournament(island, plan.children, plan.tournament)
        ]


def _score(
    state: SearchState, children: list[Individual], silent: int, evaluate: Evaluate
) -> Tally:
    """Give every child without a score one, evaluating each formula once."""
    unscored = [c for c in children if not c.fitness.valid]
    fresh = {
        c.phenotype.key: c.phenotype.graph for c in unscored if c.phenotype.key not in state.known
    }
    if fresh:
        scores = evaluate(list(fresh.values()))
        state.known.update(zip(fresh, scores.tolist(), strict=True))
        state.evaluations += len(fresh)
    for child in unscored:
        child.fitness.values = (state.known[child.phenotype.key],)
    _archive(state, unscored)
    scores_now = [c.score for c in children]
    return Tally(
        best=state.best.score,
        median=float(
            np.median([i[0].score if i[0].fitness.valid else WORST for i in state.islands])
        ),
        children=len(children),
        evaluated=len(fresh),
        cached=len(unscored) - len(fresh),
        silent=silent,
        diverged=sum(s <= WORST for s in scores_now),
    )


def _archive(state: SearchState, scored: list[Individual]) -> None:
    """Keep the best of all and the best of every size."""
    worst = state.hall[-1].score if len(state.hall) == state.hall.maxsize else -np.inf
    state.hall.update([c for c in scored if c.score > worst])
    for child in scored:
        kept = state.front.get(child.size)
        if kept is None or child.score > kept.score:
            state.front[child.size] = child


def pareto(state: SearchState) -> list[Individual]:
    """The front of score against number of operations, simplest first."""
    archive = tools.ParetoFront()
    for individual in state.front.values():
        point = Individual(individual.genome, individual.phenotype, individual.score)
        point.fitness = ScoreAndSize((individual.score, individual.size))
        archive.update([point])
    return sorted((state.front[p.size] for p in archive), key=lambda i: i.size)
