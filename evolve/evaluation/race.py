"""A race: rules that can no longer matter are dropped before they have learned on every instance.

1. Long rules are tried on a first chunk of steps, since most of them diverge at once.
2. All rules learn on the first group of instances of the first setting.
3. The rest is for those that live, and that could still reach their threshold if they were perfect from there on.

A rule that is dropped gets the fitness that it would then have, which is below its threshold.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import jax
import numpy as np

from evolve.evaluation.arena import INSTANCES_PER_GROUP, WORST, Arena, Bounds, Scores
from evolve.evaluation.layout import ScheduledRule
from evolve.evaluation.pending import Running
from substrate.simulate import CHUNK

#: Rules of more instructions than this are tried on a first chunk of steps, if there are at least `TRIAL` chunks. A
#: single one is not, for the others would wait for it.
LONG, TRIAL = 16, 4
#: The first group of the first setting, where a race begins, in arrays (individual, setting, instance).
FIRST = 0, slice(0, INSTANCES_PER_GROUP)


class Track(Protocol):
    """Where rules learn: the interpreter."""

    def start(
        self,
        population: Sequence[ScheduledRule],
        places: np.ndarray,
        searches: np.ndarray,
        *,
        chunks: int = ...,
        units: tuple[int, int] = ...,
        gains: np.ndarray | None = ...,
    ) -> Running:
        """Hand the individuals in these places to the devices.

        They run so many chunks of steps of a range of units, which are the groups of one setting after another.
        """

    def qualities(self, running: Running) -> np.ndarray:
        """Wait for the devices; qualities of the members (member, setting, instance), nan where nothing has run."""


class Course(NamedTuple):
    """What all races on the same instances have in common."""

    units: int  # groups of all settings
    tried: bool  # whether a first chunk is little of all steps
    saves: bool  # whether thresholds can save instances: there is a rest, and nothing is better than perfect

    @classmethod
    def of(cls, arena: Arena) -> "Course":
        """The course of an arena, and of any other with the same shapes."""
        units = arena.instances // INSTANCES_PER_GROUP * len(arena.settings)
        steps = min(jax.tree.leaves(e.drive)[0].shape[1] for e in arena.episodes)
        bounded = all(setting.bounded for setting in arena.settings)
        return cls(units, steps >= TRIAL * CHUNK, units > 1 and bounded)


class Race:
    """One race; its first stages begin at once.

    Parameters
    ----------
    track
        Where the rules learn.
    course
        That of any of the searches: all have instances of the same shapes.
    bounds
        What 0 and 1 mean, (search, setting, instance).
    population, searches
        The rules, and the search that each belongs to.
    thresholds
        The fitness that each must be able to reach.
    gains
        The factor on the learning rate of each.
    """

    def __init__(
        self,
        track: Track,
        course: Course,
        bounds: Bounds,
        population: Sequence[ScheduledRule],
        searches: np.ndarray,
        thresholds: np.ndarray,
        gains: np.ndarray,
    ) -> None:
        self.track, self.bounds = track, bounds
        self.population, self.searches, self.thresholds = population, searches, thresholds
        self.gains = gains
        self.units = course.units
        long = np.array([rule.length > LONG for rule in population], bool)
        long &= course.tried and long.sum() > 1
        first = (0, 1)
        self.trial = self._start(np.flatnonzero(long), first, chunks=1)
        self.short = self._start(np.flatnonzero(~long), first)

    def _start(self, places: np.ndarray, units: tuple[int, int], **given: int) -> Running:
        """Let the individuals in these places learn on a range of units."""
        return self.track.start(
            self.population, places, self.searches, units=units, gains=self.gains, **given
        )

    def stages(self) -> Iterator[np.ndarray | None]:
        """The fitness of the population (individual,), after a None for every stage that must be waited for."""
        population, searches = self.population, self.searches
        tried = self.track.qualities(self.trial)[:, *FIRST]
        alive = self.trial.members[~np.isnan(tried).any(axis=1)]
        survivors = self._start(alive, (0, 1))
        if len(alive):
            yield None
        settings_and_instances = self.bounds.ceiling.shape[1:]
        quality = np.full((len(population), *settings_and_instances), np.nan, np.float32)
        for running in (self.short, survivors):
            quality[running.members] = self.track.qualities(running)
        fitness = self._best_possible(quality)
        going = np.flatnonzero(~(fitness + 1e-6 < self.thresholds) & (fitness > WORST))
        if self.units > 1:
            rest = self._start(going, (1, self.units))
            if len(going):
                yield None
            found = self.track.qualities(rest)
            found[:, *FIRST] = quality[(rest.members, *FIRST)]
            fitness[rest.members] = self._fitness(found, searches[rest.members])
        yield fitness

    def _fitness(self, quality: np.ndarray, searches: np.ndarray) -> np.ndarray:
        """Fitness of individuals of several searches, as `Scores` has it."""
        floor, ceiling = self.bounds
        score = Bounds(floor[searches], ceiling[searches]).normalise(quality)
        return Scores(score, quality, {}).fitness

    def _best_possible(self, quality: np.ndarray) -> np.ndarray:
        """The fitness of individuals that have learned on the first group, were they perfect on all others."""
        perfect = self.bounds.ceiling[self.searches]
        perfect[:, *FIRST] = quality[:, *FIRST]
        return self._fitness(perfect, self.searches)
