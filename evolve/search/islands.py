"""Islands of (mu + lambda) searches over Cartesian genomes, on DEAP's selection and archives.

Every island keeps mu parents and makes lambda children a generation: a tournament picks a parent, mutation changes
it. Children whose expressed genes are untouched inherit their parent's fitness; children whose formula was scored
before get that score; only the rest is evaluated, all islands together. Among equals the child wins, so genomes
drift along neutral paths.

An island keeps those of the best score, or by NSGA-II those that are good for their size. Islands may mutate to
different degrees, from careful to bold, and one that stands still for too long is drawn anew.
"""

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from statistics import median
from typing import NamedTuple

import numpy as np
from deap import tools

from evolve.evaluation.arena import WORST
from evolve.search.genome import Genome, Grid, express, mutate_active, mutate_genes, random_genome
from evolve.search.individual import Individual
from evolve.search.pareto import front, nsga2
from evolve.search.score_cache import Key, ScoreCache
from evolve.search.variation import Variation
from substrate.compilation.graph import Graph


class GenerationStats(NamedTuple):
    """What happened in one generation: scores, and counts of children."""

    best: float
    median: float
    children: int
    evaluated: int
    cached: int
    silent: int
    diverged: int


class Offspring(NamedTuple):
    """The children of one generation, those of each island together."""

    children: list[Individual]
    novel: list[Individual]  # those of them that express something else than their parent
    redrawn: frozenset[int] = frozenset()  # islands that start again: their parents do not compete


class IslandAge(NamedTuple):
    """How an island does: its best score, since when it has it, and when it was drawn."""

    best: float = -np.inf
    since: int = 0
    born: int = 0


@dataclass
class SearchState:
    """Everything that the next generation needs."""

    rng: np.random.Generator
    known: ScoreCache  # scores of the formulas met
    islands: list[list[Individual]] = field(default_factory=list)
    ages: list[IslandAge] = field(default_factory=list)  # of the islands, if patience is limited
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
    grid: Grid, variation: Variation, seed: int, founders: Sequence[Genome] = ()
) -> tuple[SearchState, Offspring]:
    """Draw the first parents of every island; founders replace the first ones of each."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0xE7,)))
    state = SearchState(rng, ScoreCache(variation.memory))
    if variation.patience:
        state.ages = [IslandAge()] * variation.islands
    fresh = []
    for _ in range(variation.islands):
        drawn = [random_genome(grid, state.rng) for _ in range(variation.parents)]
        drawn[: len(founders)] = founders[: variation.parents]
        state.islands.append([Individual(g, express(grid, g)) for g in drawn])
        fresh += state.islands[-1]
    return state, Offspring(fresh, fresh)


def breed(
    grid: Grid,
    variation: Variation,
    islands: list[list[Individual]],
    rng: np.random.Generator,
    redrawn: frozenset[int] = frozenset(),
) -> Offspring:
    """Vary the parents; children that express the same as their parent inherit its score."""
    parents = _pick(variation, islands, rng)
    children = []
    for parent, (genome, changed) in zip(
        parents, _vary(grid, variation, parents, rng), strict=True
    ):
        if parent.phenotype.active.isdisjoint(changed):
            children.append(Individual(genome, parent.phenotype, parent.score))
        else:
            children.append(Individual(genome, express(grid, genome)))
    for island in sorted(redrawn):
        own = slice(island * variation.children, (island + 1) * variation.children)
        drawn = [random_genome(grid, rng) for _ in range(variation.children)]
        children[own] = [Individual(g, express(grid, g)) for g in drawn]
    return Offspring(children, [c for c in children if c.score_ is None], redrawn)


def stale(variation: Variation, ages: Sequence[IslandAge], generation: int) -> frozenset[int]:
    """The islands that have not improved for as long as they are given."""
    if not variation.patience:
        return frozenset()
    return frozenset(
        i for i, age in enumerate(ages) if generation - age.since >= variation.patience
    )


def unknown(offspring: Offspring, known: ScoreCache) -> dict[Key, Graph]:
    """The formulas of the offspring that have no score yet, each once."""
    return {
        c.phenotype.key: c.phenotype.graph for c in offspring.novel if c.phenotype.key not in known
    }


def remember(
    state: SearchState, scored: Sequence[Individual], known: Mapping[Key, float], evaluations: int
) -> None:
    """Take what was scored before the search: the archives keep the best, and no formula is scored again."""
    state.known.learn(known)
    state.evaluations += evaluations
    _archive(state, list(scored))


def score_threshold(variation: Variation, state: SearchState) -> Callable[[Graph], float]:
    """The least score with which a formula can still matter: as a parent on any island, or in an archive.

    Parents and archives only get better, so what falls short of it once never matters; not so where islands are
    drawn anew, or where size counts.
    """
    if variation.selection != "score" or variation.patience or not state.islands[0][0].scored:
        return lambda graph: -np.inf
    kept = state.hall[-1].score if len(state.hall) == state.hall.maxsize else -np.inf
    # The first parents are not sorted.
    least = min(kept, *(parent.score for island in state.islands for parent in island))
    front = state.front

    def of(graph: Graph) -> float:
        size = len(graph.nodes)
        return min(least, max((i.score for s, i in front.items() if s <= size), default=-np.inf))

    return of


def apply_scores(
    variation: Variation, state: SearchState, offspring: Offspring, found: Mapping[Key, float]
) -> GenerationStats:
    """Score the offspring, archive it, and let it compete; `found` holds the scores that were unknown.

    The first generation has no competitors: its children are the parents.
    """
    fresh = []
    for child in offspring.novel:
        key = child.phenotype.key
        if key in found:
            child.score_ = found[key]
            fresh.append(child)
        else:
            child.score_ = state.known.recall(key)
    state.known.learn(found)
    state.evaluations += len(found)
    _archive(state, fresh)
    if offspring.children[0] is not state.islands[0][0]:
        state.generation += 1
        state.islands = compete(variation, state.islands, offspring, state.ages, state.generation)
    elif variation.selection == "nsga2":
        state.islands = [
            nsga2(island, variation.parents, variation.cost) for island in state.islands
        ]
    if variation.selection == "nsga2":  # a formula may come back in a shorter form
        for island in state.islands:
            _keep_by_size(state, island)
    state.ages = aged(variation, state.ages, state.islands, offspring.redrawn, state.generation)
    return GenerationStats(
        best=state.best.score,
        median=median([island[0].score for island in state.islands]),
        children=len(offspring.children),
        evaluated=len(found),
        cached=len(offspring.novel) - len(found),
        silent=len(offspring.children) - len(offspring.novel),
        diverged=sum([c.score <= WORST for c in offspring.children]),
    )


def compete(
    variation: Variation,
    islands: list[list[Individual]],
    offspring: Offspring,
    ages: Sequence[IslandAge],
    generation: int,
) -> list[list[Individual]]:
    """The parents of the next generation; children without a score do not take part.

    Of equals the child, listed first, survives.
    """
    select = partial(nsga2, cost=variation.cost) if variation.selection == "nsga2" else _best
    survivors = []
    for i, island in enumerate(islands):
        own = offspring.children[i * variation.children : (i + 1) * variation.children]
        rivals = [c for c in own if c.score_ is not None]
        if i not in offspring.redrawn:
            rivals += island
        survivors.append(select(rivals, variation.parents))
    if variation.migration and generation % variation.migration == 0:
        young = {
            i for i, a in enumerate(ages) if a.born and generation - a.born < variation.patience
        }
        _migrate(variation, survivors, young | offspring.redrawn)
    return survivors


def aged(
    variation: Variation,
    ages: list[IslandAge],
    islands: list[list[Individual]],
    redrawn: frozenset[int],
    generation: int,
) -> list[IslandAge]:
    """The islands' ages after a generation."""
    if not variation.patience:
        return ages
    now = []
    for i, island in enumerate(islands):
        before = IslandAge(born=generation) if i in redrawn else ages[i]
        best = max(individual.score for individual in island)
        now.append(IslandAge(best, generation, before.born) if best > before.best else before)
    return now


def _best(candidates: list[Individual], count: int) -> list[Individual]:
    """The best, stably: among equals those listed first."""
    if count == 1:
        return [max(candidates, key=_score)]
    return tools.selBest(candidates, count)


_score = attrgetter("score_")


def _migrate(variation: Variation, islands: list[list[Individual]], closed: Set[int]) -> None:
    """Around a ring, every island's best joins the next one if it is good enough.

    By score it takes the place of the last; with NSGA-II it competes with all. Islands that were drawn anew take no
    guests until their patience has passed once, or they would fall to what the others know.
    """
    guests = [island[0] for island in islands]
    for i, island in enumerate(islands):
        guest = guests[i - 1]
        if i in closed:
            continue
        if variation.selection == "nsga2":
            islands[i] = nsga2([*island, guest], variation.parents, variation.cost)
        elif guest.score > island[-1].score:
            island[-1] = guest
            island.sort(key=lambda i: -i.score)


def _pick(
    variation: Variation, islands: list[list[Individual]], rng: np.random.Generator
) -> list[Individual]:
    """Tournaments within each island; the only parent there is needs none."""
    if variation.parents == 1:
        return [island[0] for island in islands for _ in range(variation.children)]
    if variation.selection == "nsga2":  # the order of an island is that of its tournaments
        rounds = (variation.children, variation.tournament)
        places = [rng.integers(len(island), size=rounds).min(axis=1) for island in islands]
        return [island[i] for island, own in zip(islands, places, strict=True) for i in own]
    with deap_draws(rng):
        return [
            winner
            for island in islands
            for winner in tools.selTournament(island, variation.children, variation.tournament)
        ]


def _vary(
    grid: Grid, variation: Variation, parents: list[Individual], rng: np.random.Generator
) -> Sequence[tuple[Genome, Collection[int]]]:
    """Mutate the parents, those of later islands more: their rate, or the active genes that change, is higher."""
    genomes = [p.genome for p in parents]
    if variation.mutation == "gene":
        if variation.spread == 1:
            return mutate_genes(grid, rng, genomes, variation.rate)
        rates = [min(1.0, variation.rate * f / variation.spread**0.5) for f in variation.factors]
        own = [
            genomes[i : i + variation.children] for i in range(0, len(genomes), variation.children)
        ]
        return [m for g, r in zip(own, rates, strict=True) for m in mutate_genes(grid, rng, g, r)]
    active = [p.phenotype.active for p in parents]
    varied = mutate_active(grid, rng, genomes, active)
    if variation.spread == 1:
        return varied
    # Rounded down, so that the mean number of changes is the island's factor.
    goals = np.repeat(variation.factors, variation.children) + rng.random(len(parents))
    for done in range(2, int(goals.max()) + 1):
        more = np.flatnonzero(goals >= done).tolist()
        again = mutate_active(grid, rng, [varied[i][0] for i in more], [active[i] for i in more])
        for i, (genome, changed) in zip(more, again, strict=True):
            varied[i] = genome, varied[i][1] | changed
    return varied


def _archive(state: SearchState, scored: list[Individual]) -> None:
    """Keep the best of all and the best of every size."""
    worst = state.hall[-1].score if len(state.hall) == state.hall.maxsize else -np.inf
    state.hall.update([c for c in scored if c.score > worst])
    _keep_by_size(state, scored)


def _keep_by_size(state: SearchState, scored: list[Individual]) -> None:
    """Keep the best of every size."""
    for child in scored:
        kept = state.front.get(child.size)
        if kept is None or child.score > kept.score:
            state.front[child.size] = child


def pareto(state: SearchState) -> list[Individual]:
    """The front of score against number of operations, simplest first."""
    return front(state.front.values())
