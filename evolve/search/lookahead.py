"""Looking ahead: a search that waits for scores breeds the next generations on a guess, to know what they need.

Most children are worse than their parents, so the guess is that every child whose formula is unknown is. The formulas
of the generations bred ahead are evaluated in the same call as those needed now, and the generations are then
concluded one by one with true scores. Where a score contradicts the guess, the later generations are thrown away, and
the random state is put back to where the search really is. The search is the same to the last bit; only the number of
calls differs.

With NSGA-II the guess would hardly ever hold, as most new formulas find a place for their size; and what an island
that is drawn anew becomes cannot be guessed at all. Nothing is bred ahead beyond either.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from evolve.search.genome import Genome, Grid
from evolve.search.individual import Individual
from evolve.search.islands import (
    GenerationStats,
    Key,
    Offspring,
    aged,
    apply_scores,
    breed,
    compete,
    remember,
    stale,
    start,
    unknown,
)
from evolve.search.variation import Variation
from substrate.compilation.graph import Graph

#: At most so many generations are bred ahead at a time.
HORIZON = 64


class Speculated(NamedTuple):
    """A generation that was bred ahead."""

    offspring: Offspring
    random: Any  # state of the generator after breeding
    parents: list[list[Individual]]  # as guessed, after the generation


class Lookahead:
    """Steers one search through rounds of evaluation.

    Parameters
    ----------
    grid, variation, seed, founders
        As for `evolve.search.islands.start`.
    generations
        The search ends there.
    """

    def __init__(
        self,
        grid: Grid,
        variation: Variation,
        seed: int,
        generations: int,
        founders: Sequence[Genome] = (),
    ) -> None:
        self.grid, self.variation, self.generations = grid, variation, generations
        self.state, offspring = start(grid, variation, seed, founders)
        random = self.state.rng.bit_generator.state
        self._speculated = [Speculated(offspring, random, [])]
        # Scores of formulas that were bred ahead and not needed yet. The graph belongs to the key: the same formula
        # computed in another order rounds differently, and the search would differ from one that does not look ahead.
        self._found: dict[Key, tuple[Graph, float]] = {}
        self._pending: dict[Key, Graph] = {}

    def begin_with(
        self,
        ranked: Sequence[Individual],
        shortest: Sequence[Individual],
        known: Mapping[Key, float],
        evaluations: int,
    ) -> None:
        """Begin with rules that have scores: every island with one of the best, the archives with all.

        Parameters
        ----------
        ranked
            The best rules, the best first; the islands take turns.
        shortest
            The best of every size, which islands with more than one parent get too.
        known
            Scores of these and of others, which are not scored again.
        evaluations
            Rules that were scored for that.
        """
        assert self.state.generation == 0 and not self._found, "the search has begun"
        if not ranked:
            return
        parents = self.variation.parents
        fresh = []
        for i, island in enumerate(self.state.islands):
            own = [ranked[i % len(ranked)], *shortest][:parents]
            # The objects must be new: each is a parent on one island.
            island[: len(own)] = [Individual(o.genome, o.phenotype) for o in own]
            fresh += island
        self._speculated[0] = self._speculated[0]._replace(offspring=Offspring(fresh, fresh))
        remember(self.state, [*ranked, *shortest], known, evaluations)

    def wanted(self, lanes: int) -> dict[Key, Graph]:
        """The formulas that the next generation needs, and those of later ones for lanes that would be idle."""
        state = self.state
        if self._speculated:  # the first generation
            self._pending = unknown(self._speculated[0].offspring, state.known)
            return self._pending
        generation, islands, ages = state.generation, state.islands, state.ages
        before = state.rng.bit_generator.state
        pending: dict[Key, Graph] = {}
        met: set[Key] = set()  # by then known, if the guess holds
        fresh, room = 0, lanes
        while len(self._speculated) < HORIZON and generation < self.generations:
            if self._speculated and len(pending) + fresh > room:
                break
            redrawn = stale(self.variation, ages, generation)
            offspring = breed(self.grid, self.variation, islands, state.rng, redrawn)
            needed = unknown(offspring, state.known).items()
            new = {k: g for k, g in needed if k not in met and not self._has(k, g)}
            if self._speculated and len(pending) + len(new) > room:
                state.rng.bit_generator.state = before
                break
            if not self._speculated:
                room = lanes * max(1, -(-len(new) // lanes))
            pending |= new
            met |= dict(needed).keys()
            fresh = len(new)
            generation += 1
            before = random = state.rng.bit_generator.state
            if redrawn or self.variation.selection == "nsga2":
                self._speculated.append(Speculated(offspring, random, []))
                break
            self._remember(offspring)
            islands = compete(self.variation, islands, offspring, ages, generation)
            ages = aged(self.variation, ages, islands, redrawn, generation)
            self._speculated.append(Speculated(offspring, random, islands))
        self._pending = pending
        return pending

    def _has(self, key: Key, graph: Graph) -> bool:
        return key in self._found and self._found[key][0] == graph

    def _remember(self, offspring: Offspring) -> None:
        """Give children the scores that are known; who has none does not compete."""
        peek, found = self.state.known.peek, self._found
        for child in offspring.novel:
            key = child.phenotype.key
            child.score_ = peek(key)
            if child.score_ is None and key in found and found[key][0] == child.phenotype.graph:
                child.score_ = found[key][1]

    def advance(self, scores: Mapping[Key, float]) -> Iterator[GenerationStats]:
        """Conclude the generations that were bred ahead, as far as the guess holds."""
        self._found |= {key: (self._pending[key], score) for key, score in scores.items()}
        speculated, self._speculated = self._speculated, []
        for offspring, random, parents in speculated:
            needed = unknown(offspring, self.state.known)
            if not all(self._has(key, graph) for key, graph in needed.items()):
                break  # a formula was forgotten that had been known
            found = {key: self._found.pop(key)[1] for key in needed}
            stats = apply_scores(self.variation, self.state, offspring, found)
            self.state.rng.bit_generator.state = random
            yield stats
            if not _same(parents, self.state.islands):
                break
        if len(self._found) > self.variation.memory:
            self._found.clear()


def _same(guess: list[list[Individual]], truth: list[list[Individual]]) -> bool:
    return all(
        a.genome is b.genome
        for island, real in zip(guess, truth, strict=bool(guess))
        for a, b in zip(island, real, strict=True)
    )
