"""Islands of (mu + lambda) searches over Cartesian genomes, on DEAP's selection and archives.

Every island keeps mu parents and makes lambda children a generation: a tournament picks a parent, mutation changes
it. Children whose expressed genes are untouched inherit their parent's fitness; children whose formula was scored
before get that score; only the rest is evaluated, all islands together. Among equals the child wins, so genomes
drift along neutral paths.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple

import numpy as np
from deap import base, tools

from evolve.evaluate import WORST
from evolve.genome import Genome, Grid, Phenotype, draw, express, mutate_active, mutate_genes
from substrate.graph import Graph

#: Fingerprint of every equation of a rule.
Key = tuple[int, ...]


class Fitness(base.Fitness):
    """One objective, to be maximised."""

    weights = (1.0,)


class ScoreAndSize(base.Fitness):
    """For the archive: score up, number of operations down."""

    weights = (1.0, -1.0)


class Individual:
    """A genome, what it expresses and what it is worth."""

    __slots__ = ("fitness_", "genome", "phenotype", "score_")

    def __init__(self, genome: Genome, phenotype: Phenotype, score: float | None = None) -> None:
        self.genome, self.phenotype, self.score_ = genome, phenotype, score
        self.fitness_: base.Fitness | None = None

    @property
    def scored(self) -> bool:
        """Whether it has a score yet."""
        return self.score_ is not None

    @property
    def score(self) -> float:
        """Training fitness."""
        assert self.score_ is not None, "ask `scored` first"
        return self.score_

    @property
    def fitness(self) -> base.Fitness:
        """The score as DEAP's selection and archives want it."""
        if self.fitness_ is None:
            self.fitness_ = Fitness((self.score,))
        return self.fitness_

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


class Brood(NamedTuple):
    """The children of one generation, those of each island together."""

    children: list[Individual]
    silent: int


@dataclass
class SearchState:
    """Everything that the next generation needs."""

    rng: np.random.Generator
    islands: list[list[Individual]] = field(default_factory=list)
    known: dict[Key, float] = field(default_factory=dict)  # scores of the formulas met
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
    grid: Grid, plan: Plan, seed: int, founders: Sequence[Genome] = ()
) -> tuple[SearchState, Brood]:
    """Draw the first parents of every island; founders replace the first ones of each."""
    state = SearchState(np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0xE7,))))
    fresh = []
    for _ in range(plan.islands):
        drawn = [draw(grid, state.rng) for _ in range(plan.parents)]
        drawn[: len(founders)] = founders[: plan.parents]
        state.islands.append([Individual(g, express(grid, g)) for g in drawn])
        fresh += state.islands[-1]
    return state, Brood(fresh, 0)


def breed(
    grid: Grid, plan: Plan, islands: list[list[Individual]], rng: np.random.Generator
) -> Brood:
    """Vary the parents; children that express the same as their parent inherit its score."""
    parents = _pick(plan, islands, rng)
    genomes = [p.genome for p in parents]
    if plan.mutation == "gene":
        varied = mutate_genes(grid, rng, genomes, plan.rate)
    else:
        varied = mutate_active(grid, rng, genomes, [p.phenotype.active for p in parents])
    children = []
    silent = 0
    for parent, (genome, changed) in zip(parents, varied, strict=True):
        if changed.isdisjoint(parent.phenotype.active):
            silent += 1
            children.append(Individual(genome, parent.phenotype, parent.score))
        else:
            children.append(Individual(genome, express(grid, genome)))
    return Brood(children, silent)


def unknown(brood: Brood, known: Mapping[Key, float]) -> dict[Key, Graph]:
    """The formulas of a brood that have no score yet, each once."""
    return {
        c.phenotype.key: c.phenotype.graph
        for c in brood.children
        if not c.scored and c.phenotype.key not in known
    }


def conclude(plan: Plan, state: SearchState, brood: Brood, found: Mapping[Key, float]) -> Tally:
    """Score a brood with what was known and what was found, archive it, and let it compete.

    The first brood has no competitors: its children are the parents.
    """
    unscored = [c for c in brood.children if not c.scored]
    fresh = {k: found[k] for k in unknown(brood, state.known)}
    state.known.update(fresh)
    state.evaluations += len(fresh)
    for child in unscored:
        child.score_ = state.known[child.phenotype.key]
    _archive(state, [c for c in unscored if c.phenotype.key in fresh])
    first = brood.children[0] is state.islands[0][0]
    if not first:
        state.generation += 1
        state.islands = compete(plan, state.islands, brood, state.generation)
    return Tally(
        best=state.best.score,
        median=median(island[0].score for island in state.islands),
        children=len(brood.children),
        evaluated=len(fresh),
        cached=len(unscored) - len(fresh),
        silent=brood.silent,
        diverged=sum(c.score <= WORST for c in brood.children),
    )


def compete(
    plan: Plan, islands: list[list[Individual]], brood: Brood, generation: int
) -> list[list[Individual]]:
    """The parents of the next generation; children without a score do not take part.

    Of equals the child, listed first, survives.
    """
    offspring = [
        brood.children[i : i + plan.children] for i in range(0, len(brood.children), plan.children)
    ]
    survivors = [
        _best([c for c in own if c.scored] + island, plan.parents)
        for own, island in zip(offspring, islands, strict=True)
    ]
    if plan.migration and generation % plan.migration == 0:
        _migrate(survivors)
    return survivors


def step(grid: Grid, plan: Plan, state: SearchState, evaluate: Evaluate) -> Tally:
    """Advance every island by one generation."""
    return settle(plan, state, breed(grid, plan, state.islands, state.rng), evaluate)


def settle(plan: Plan, state: SearchState, brood: Brood, evaluate: Evaluate) -> Tally:
    """Evaluate what is unknown of a brood, and conclude the generation."""
    fresh = unknown(brood, state.known)
    scores = evaluate(list(fresh.values())).tolist() if fresh else []
    return conclude(plan, state, brood, dict(zip(fresh, scores, strict=True)))


def _best(candidates: list[Individual], count: int) -> list[Individual]:
    """The best, stably: among equals those listed first."""
    if count == 1:
        return [max(candidates, key=lambda i: i.score)]
    return tools.selBest(candidates, count)


def _migrate(islands: list[list[Individual]]) -> None:
    """Around a ring, every island's best takes the place of the next one's last, if it is better."""
    guests = [island[0] for island in islands]
    for guest, island in zip([guests[-1], *guests[:-1]], islands, strict=True):
        if guest.score > island[-1].score:
            island[-1] = guest
            island.sort(key=lambda i: -i.score)


def _pick(
    plan: Plan, islands: list[list[Individual]], rng: np.random.Generator
) -> list[Individual]:
    """Tournaments within each island; the only parent there is needs none."""
    if plan.parents == 1:
        return [island[0] for island in islands for _ in range(plan.children)]
    with deap_draws(rng):
        return [
            winner
            for island in islands
            for winner in tools.selTournament(island, plan.children, plan.tournament)
        ]


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
        point.fitness_ = ScoreAndSize((individual.score, individual.size))
        archive.update([point])
    return sorted((state.front[p.size] for p in archive), key=lambda i: i.size)
