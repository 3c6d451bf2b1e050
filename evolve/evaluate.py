"""Where rules and tasks meet: instances of a task, what learning on them was worth, and what 0 and 1 mean."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from substrate.errors import UserError
from substrate.hardware import Chip, Lanes, Profile
from substrate.plasticity import Plasticity
from substrate.simulate import Episode, fold, simulate
from tasks.base import SPLITS, Family, Options, Setting, draw

#: Score of an individual whose weights diverged, and the least that any instance can score.
WORST = -1.0
#: Instances that learn together.
GROUP = 10
#: Folding the lanes repeats the inputs for every individual of a block; not beyond this many numbers.
FOLD_LIMIT = 20_000_000

#: Qualities, ceilings and metrics, each (individual, setting, instance).
Raw = tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]


class Scores(NamedTuple):
    """What individuals achieved; arrays are (individual, setting, instance)."""

    score: np.ndarray  # normalised between floor and ceiling, at least WORST
    quality: np.ndarray  # in the task's own unit, nan where the weights diverged
    metrics: dict[str, np.ndarray]

    @property
    def diverged(self) -> np.ndarray:
        """Whether the weights diverged on any instance, (individual,)."""
        return np.isnan(self.quality).any(axis=(1, 2))

    @property
    def fitness(self) -> np.ndarray:
        """Mean score, (individual,); one diverged instance makes it the worst there is."""
        return np.where(self.diverged, WORST, self.score.mean(axis=(1, 2)))


class Bounds(NamedTuple):
    """What 0 and 1 mean, (setting, instance) each."""

    floor: np.ndarray  # quality of not learning
    ceiling: np.ndarray  # quality of the best known solution

    def normalise(self, quality: np.ndarray) -> np.ndarray:
        """Score qualities (individual, setting, instance); their mean over instances is exact at 0 and 1."""
        span = (self.ceiling - self.floor).mean(axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.fmax((quality - self.floor) / span, WORST)


class Arena:
    """The instances of one split of a task, and the settings that they belong to.

    Parameters
    ----------
    family, options
        The task.
    seed, split
        Choose the stream of instances.
    instances
        Per setting; rounded up to a multiple of `GROUP`.
    hardware
        The chip that the networks run on; its instances take turns, and those of different splits never meet.
    """

    def __init__(
        self,
        family: Family,
        options: Options,
        seed: int,
        split: str,
        instances: int,
        hardware: Profile | None = None,
    ) -> None:
        self.settings: tuple[Setting, ...] = family.build(options)
        groups = range(-(-instances // GROUP))
        self.instances = len(groups) * GROUP
        self.hardware = None if hardware is None or hardware.ideal else hardware
        if self.hardware is not None:
            self.settings = tuple(replace(s, profile=self.hardware) for s in self.settings)

        def stacked(index: int, setting: Setting) -> Episode:
            drawn = [
                draw(setting, (seed, index), split, range(g * GROUP, (g + 1) * GROUP))
                for g in groups
            ]
            whole = jax.tree.map(lambda *arrays: np.stack(arrays), *drawn)
            if setting.profile is None:
                return whole
            fits(setting.profile, whole)
            return whole._replace(lanes=lanes(setting.profile, seed, split, self.instances))

        #: One episode a setting; arrays begin with the group axis and end in (GROUP, 1).
        self.episodes: tuple[Episode, ...] = tuple(
            stacked(i, s) for i, s in enumerate(self.settings)
        )
        self.bounds: Bounds | None = None  # measured on first use, by not learning

    @property
    def observables(self) -> frozenset[str]:
        """What a rule may read in every setting."""
        return frozenset.intersection(*(s.network.observables for s in self.settings))


def lanes(profile: Profile, seed: int, split: str, instances: int) -> Lanes:
    """The chip of each instance, and a key of its own; arrays (group, GROUP, 1)."""
    stream = SPLITS.index(split)

    def keys(kind: int, count: int) -> np.ndarray:
        return np.random.SeedSequence(seed, spawn_key=(0xC419, stream, kind)).generate_state(count)

    chips = keys(0, profile.chips)[np.arange(instances) % profile.chips]
    return Lanes(*(a.reshape(-1, GROUP, 1) for a in (chips, keys(1, instances))))


def fits(profile: Profile, episode: Episode) -> None:
    """Refuse a network with more synapses a neuron than the chip has."""
    inputs = max(w.shape[-3] for w in jax.tree.leaves(episode.w0))
    synapses = sum(int(np.prod(w.shape[-4:-2])) for w in jax.tree.leaves(episode.w0))
    if profile.memory is not None and profile.schedule.period > 1 and 4 * synapses > profile.memory:
        raise UserError(
            f"Hardware {profile.name!r} adds changes up in {profile.memory} bytes, and {synapses} synapses need "
            f"{4 * synapses}. Write at every step: {profile.name}:period=1,rounding=stochastic."
        )
    if profile.fan_in is not None and inputs > profile.fan_in:
        raise UserError(
            f"Hardware {profile.name!r} has {profile.fan_in} synapses a neuron, and the network needs {inputs}. "
            "Take another profile or a smaller network."
        )


def mounted(setting: Setting, plasticity: Plasticity, episode: Episode) -> Plasticity:
    """The plasticity on the setting's chips, if it has any."""
    if setting.profile is None or setting.profile.ideal:
        return plasticity
    return plasticity._replace(chip=Chip(setting.profile, episode.lanes))


def learn(
    setting: Setting, plasticity: Plasticity, episode: Episode, gains: Array, folded: bool
) -> tuple[Array, Array, dict[str, Array]]:
    """Quality (nan where diverged), ceiling and metrics, (GROUP, P) each; `gains` (P,) multiply the rate."""
    individuals = gains.shape[0]
    rate = setting.rate * jnp.broadcast_to(gains, (GROUP, individuals))
    lanes = individuals
    if folded:
        episode, rate = fold(episode, individuals), fold(rate, individuals)
        lanes = GROUP * individuals
    plasticity = mounted(setting, plasticity, episode)
    trace = simulate(setting.network, plasticity, episode, rate, setting.reading, lanes)
    outcome = setting.score(episode, trace)

    def shaped(values: Array) -> Array:
        return jnp.broadcast_to(values, trace.alive.shape).reshape(GROUP, individuals)

    def living(values: Array) -> Array:
        return shaped(jnp.where(trace.alive, values, jnp.nan))

    metrics = {name: living(values) for name, values in outcome.metrics.items()}
    return living(outcome.quality), shaped(outcome.ceiling), metrics


def foldable(episodes: Episode, individuals: int, leading: int = 0) -> bool:
    """Whether one episode's inputs may be repeated so often; arrays have so many axes before their own."""
    numbers = sum(int(np.prod(a.shape[leading:])) for a in jax.tree.leaves(episodes.drive))
    return numbers * individuals <= FOLD_LIMIT


def join(parts: Sequence[Raw], axis: int) -> Raw:
    """Put results together along an axis."""
    metrics = {k: np.concatenate([p[2][k] for p in parts], axis) for k in parts[0][2]}
    quality, ceiling = (np.concatenate([p[i] for p in parts], axis) for i in (0, 1))
    return quality, ceiling, metrics
