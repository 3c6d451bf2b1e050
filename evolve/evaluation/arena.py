"""Where rules and tasks meet: instances of a task, what learning on them is worth, and what 0 and 1 mean."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from substrate.errors import UserError
from substrate.hardware import Chip, ChipKeys, Profile
from substrate.plasticity import Plasticity
from substrate.simulate import Episode, Trace, Window, cut, merge_lanes, simulate
from tasks.base import SPLITS, Family, Options, Outcome, Setting, draw_instances

#: Score of an individual whose weights diverged, and the least that any instance can score.
WORST = -1.0
#: Instances that learn together.
INSTANCES_PER_GROUP = 10
#: Synapses of a projection from which on lanes are batched by `vmap`.
LARGE = 1000
#: Merging the lanes repeats the inputs for every individual of a block; not beyond this many numbers.
MERGE_LIMIT = 20_000_000

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
    """What 0 and 1 mean, (setting, instance) each, or (individual, setting, instance)."""

    floor: np.ndarray  # quality of not learning
    ceiling: np.ndarray  # quality of the best known solution

    def normalise(self, quality: np.ndarray) -> np.ndarray:
        """Score qualities (individual, setting, instance); their mean over instances is exact at 0 and 1."""
        span = (self.ceiling - self.floor).mean(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore"):
            return np.fmax((quality - self.floor) / span, WORST)


class SettingKey(NamedTuple):
    """What a setting depends on: equal keys mean equal settings, so compiled programs are found by them."""

    build: Callable[[Options], tuple[Setting, ...]]
    options: Options
    place: int  # among the settings of the task
    profile: Profile | None

    @property
    def setting(self) -> Setting:
        """The setting."""
        setting = _settings(self.build, self.options)[self.place]
        return setting if self.profile is None else replace(setting, profile=self.profile)


class Arena:
    """The instances of one split of a task, and the settings that they belong to.

    Parameters
    ----------
    family, options
        The task.
    seed, split
        Choose the stream of instances.
    instances
        Per setting; rounded up to a multiple of `INSTANCES_PER_GROUP`.
    hardware
        The chip that the networks run on; its instances take turns, and those of different splits never meet.
    bounds
        What 0 and 1 mean. If not given, an evaluator measures them on these networks.
    """

    def __init__(
        self,
        family: Family,
        options: Options,
        seed: int,
        split: str,
        instances: int,
        hardware: Profile | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        groups = range(-(-instances // INSTANCES_PER_GROUP))
        self.instances = len(groups) * INSTANCES_PER_GROUP
        self.hardware = None if hardware is None or hardware.ideal else hardware
        count = len(_settings(family.build, options))
        #: What each setting depends on.
        self.keys = tuple(SettingKey(family.build, options, i, self.hardware) for i in range(count))
        self.settings = tuple(key.setting for key in self.keys)

        def stacked(index: int, setting: Setting) -> Episode:
            drawn = [
                draw_instances(
                    setting,
                    (seed, index),
                    split,
                    range(g * INSTANCES_PER_GROUP, (g + 1) * INSTANCES_PER_GROUP),
                )
                for g in groups
            ]
            whole = jax.tree.map(lambda *arrays: np.stack(arrays), *drawn)
            if setting.profile is None:
                return whole
            fits(setting.profile, whole)
            return whole._replace(chip_keys=chip_keys(setting.profile, seed, split, self.instances))

        #: One episode a setting; arrays begin with the group axis and end in (GROUP, 1).
        self.episodes: tuple[Episode, ...] = tuple(
            stacked(i, s) for i, s in enumerate(self.settings)
        )
        self._bounds = bounds
        self._side_by_side: dict[tuple[int, int], Episode] = {}

    @property
    def bounds(self) -> Bounds | None:
        """What 0 and 1 mean, if it was given."""
        return self._bounds

    def with_bounds(self, bounds: Bounds) -> "Arena":
        """The same instances on another scale: those on a chip share the scale of the ideal network."""
        other = copy.copy(self)
        other._bounds = bounds
        return other

    def side_by_side(self, index: int, width: int) -> Episode:
        """The episodes of a setting with `width` groups side by side: arrays (call, ..., GROUP, width).

        The last groups are repeated where the number of groups is no multiple.
        """

        def laid(array: np.ndarray) -> np.ndarray:
            calls = -(-len(array) // width)
            rows = np.minimum(np.arange(calls * width), len(array) - 1)
            cut = array[rows, ..., 0].reshape(calls, width, *array.shape[1:-1])
            return np.ascontiguousarray(np.moveaxis(cut, 1, -1))

        if width == 1:
            return self.episodes[index]
        if (index, width) not in self._side_by_side:
            self._side_by_side[index, width] = jax.tree.map(laid, self.episodes[index])
        return self._side_by_side[index, width]

    @property
    def observables(self) -> Mapping[str, frozenset[str]]:
        """What the synapses of each plastic projection observe in every setting."""
        return common_observables(self.settings)


def common_observables(settings: Sequence[Setting]) -> Mapping[str, frozenset[str]]:
    """The plastic projections that all settings have, and what their synapses observe everywhere."""
    observed = [setting.network.observables for setting in settings]
    return {
        projection: frozenset.intersection(*(own[projection] for own in observed))
        for projection in observed[0]
        if all(projection in own for own in observed)
    }


@lru_cache(maxsize=64)
def _settings(
    build: Callable[[Options], tuple[Setting, ...]], options: Options
) -> tuple[Setting, ...]:
    return build(options)


def chip_keys(profile: Profile, seed: int, split: str, instances: int) -> ChipKeys:
    """The chip of each instance, and a key of its own; arrays (group, GROUP, 1)."""
    stream = SPLITS.index(split)

    def keys(kind: int, count: int) -> np.ndarray:
        return np.random.SeedSequence(seed, spawn_key=(0xC419, stream, kind)).generate_state(count)

    chips = keys(0, profile.chips)[np.arange(instances) % profile.chips]
    return ChipKeys(*(a.reshape(-1, INSTANCES_PER_GROUP, 1) for a in (chips, keys(1, instances))))


def fits(profile: Profile, episode: Episode) -> None:
    """Refuse a network with more synapses a neuron than the chip has."""
    inputs = max(w.shape[-3] for w in jax.tree.leaves(episode.w0))
    synapses = sum(int(np.prod(w.shape[-4:-2])) for w in jax.tree.leaves(episode.w0))
    register = profile.schedule.register(inputs)
    if profile.memory is not None and register and 4 * synapses > profile.memory:
        raise UserError(
            f"Hardware {profile.name!r} adds changes up in {profile.memory} bytes, and {synapses} synapses need "
            f"{4 * synapses}. Write at every step: {profile.name}:period=1,remainder=dropped,rounding=stochastic."
        )
    if profile.fan_in is not None and inputs > profile.fan_in:
        raise UserError(
            f"Hardware {profile.name!r} has {profile.fan_in} synapses a neuron, and the network needs {inputs}. "
            "Take another profile or a smaller network."
        )


def with_chip(setting: Setting, plasticity: Plasticity, episode: Episode) -> Plasticity:
    """The plasticity on the setting's chips, if it has any."""
    if setting.profile is None or setting.profile.ideal:
        return plasticity
    return plasticity._replace(chip=Chip(setting.profile, episode.chip_keys, setting.network.units))


def learn(
    setting: Setting,
    plasticity: Plasticity,
    episode: Episode,
    gains: Array,
    merged: bool,
    vmapped: bool = False,
    chunks: Array | None = None,
    window: Window | None = None,
    full: bool = True,
) -> tuple[Array, Array, dict[str, Array]]:
    """Quality (nan where diverged), ceiling and metrics, (GROUP, P) each.

    Parameters
    ----------
    gains
        Factors on the learning rate, (P,).
    merged
        Whether instances and individuals share one lane axis.
    vmapped
        Whether every lane is a program of its own, batched by `vmap`: best for large networks, whose synapses fill
        the machine's vectors. The plasticity must then be the same in all lanes.
    chunks
        Stop after so many chunks of steps, to see which lanes are alive by then; see `simulate`.
    window
        Where the drive comes from, if not from the episode.
    full
        Whether metrics are wanted; what only they need is not gathered otherwise.
    """
    if vmapped:
        return _vmapped(setting, plasticity, episode, gains, full)
    individuals = gains.shape[0]
    rate = setting.rate * jnp.broadcast_to(gains, (INSTANCES_PER_GROUP, individuals))
    if merged:
        window = _merge_window(window or partial(cut, episode.drive), individuals)
        episode = merge_lanes(episode._replace(drive=None), individuals)._replace(
            drive=episode.drive
        )
        rate = merge_lanes(rate, individuals)
    quality, ceiling, metrics = _lanes(setting, plasticity, episode, rate, full, chunks, window)

    def shaped(values: Array) -> Array:
        return values.reshape(INSTANCES_PER_GROUP, individuals)

    return shaped(quality), shaped(ceiling), {name: shaped(m) for name, m in metrics.items()}


def _merge_window(window: Window, individuals: int) -> Window:
    """Merge the lanes of inputs as they are needed: all at once, they would not stay in the processor's cache."""
    return lambda start, steps: merge_lanes(window(start, steps), individuals)


def _lanes(
    setting: Setting,
    plasticity: Plasticity,
    episode: Episode,
    rate: Array,
    full: bool,
    chunks: Array | None = None,
    window: Window | None = None,
) -> tuple[Array, Array, dict[str, Array]]:
    """Results in the shape of the lanes, (K, P), which is that of the rate."""
    plasticity = with_chip(setting, plasticity, episode)

    def score(trace: Trace) -> Outcome:
        outcome = setting.score(episode, trace)
        return outcome if full else outcome._replace(metrics={})

    trace = simulate(
        setting.network,
        plasticity,
        episode,
        rate,
        setting.reading,
        rate.shape[1],
        chunks,
        window,
        use=score,
    )
    outcome = score(trace)

    def alive_lanes(values: Array) -> Array:
        return jnp.where(trace.alive, values, jnp.nan)

    metrics = {name: alive_lanes(values) for name, values in outcome.metrics.items()}
    return alive_lanes(outcome.quality), jnp.broadcast_to(outcome.ceiling, rate.shape), metrics


def _vmapped(
    setting: Setting, plasticity: Plasticity, episode: Episode, gains: Array, full: bool
) -> tuple[Array, Array, dict[str, Array]]:
    """Results (GROUP, P) of a program for one lane, batched by `vmap`."""

    def lane(instance: Episode, gain: Array) -> Any:
        single = jax.tree.map(lambda a: a[..., None, None], instance)
        found = _lanes(setting, plasticity, single, jnp.full((1, 1), setting.rate) * gain, full)
        return jax.tree.map(lambda a: a[0, 0], found)

    # What all individuals share has a last axis of 1 and is not repeated for them.
    own = jax.tree.map(lambda a: a if a.shape[-1] > 1 else a[..., 0], episode)
    places = jax.tree.map(lambda a: -1 if a.shape[-1] > 1 else None, episode)
    groups = jax.tree.map(lambda a: -2 if a.shape[-1] > 1 else -1, episode)
    return jax.vmap(jax.vmap(lane, in_axes=(places, 0)), in_axes=(groups, None))(own, gains)


def prefers_vmap(episodes: Episode) -> bool:
    """Whether a projection has so many synapses that `vmap` over lanes is faster; arrays end in (pre, GROUP, 1)."""
    return any(int(np.prod(w.shape[-4:-2])) >= LARGE for w in jax.tree.leaves(episodes.w0))


def can_merge_lanes(episodes: Episode, individuals: int, leading: int = 0) -> bool:
    """Whether one episode's inputs may be repeated so often; arrays have so many axes before their own.

    What all steps share is not repeated.
    """
    if episodes.shared is not None:
        return False
    numbers = sum(int(np.prod(a.shape[leading:])) for a in jax.tree.leaves(episodes.drive))
    return numbers * individuals <= MERGE_LIMIT


def join(parts: Sequence[Raw], axis: int) -> Raw:
    """Put results together along an axis."""
    metrics = {k: np.concatenate([p[2][k] for p in parts], axis) for k in parts[0][2]}
    quality, ceiling = (np.concatenate([p[i] for p in parts], axis) for i in (0, 1))
    return quality, ceiling, metrics
