"""What one instance of each setting looks like: its size, its steps, its synapses."""

import time
from functools import lru_cache
from typing import NamedTuple

import jax
import numpy as np

from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import SettingKey
from substrate.errors import UserError
from substrate.memory import at_most, in_words, tightest
from tasks.base import Draw


class InstanceShape(NamedTuple):
    """One instance of a setting; all instances of a setting have the same shape."""

    setting: str
    bytes: int  # as it is kept, in float32
    steps: int
    synapses: int
    arrays: int  # of weights
    updates: int  # of synapses, by one rule
    seconds: float  # to draw it


def shapes(config: RunConfig) -> tuple[InstanceShape, ...]:
    """The shape of an instance, by setting. A few instances are drawn, once for a task and its options.

    Raises
    ------
    UserError
        If a single instance does not fit into memory.
    """
    settings = range(len(config.settings))
    keys = [SettingKey(config.family.build, config.task_options, i, None) for i in settings]
    try:
        return tuple(_shape(key, config.seed) for key in keys)
    except MemoryError:
        raise UserError(
            f"A single instance of the task {config.task!r} does not fit into memory, of which "
            f"{in_words(_free())} can be had. Give options that make it smaller, such as fewer inputs or steps; see "
            f"`hebbarium tasks {config.task}`."
        ) from None


@lru_cache(maxsize=256)
def _shape(key: SettingKey, seed: int) -> InstanceShape:
    setting = key.setting
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, key.place, 0)))
    with at_most(_free()):
        instance = setting.sample(Draw(rng, "train", 0, seed))
        began = time.perf_counter()
        setting.sample(
            Draw(rng, "train", 1, seed + 1)
        )  # the first one may have had to import a library
    seconds = time.perf_counter() - began
    weights = jax.tree.leaves(instance.w0)
    steps = len(jax.tree.leaves(instance.drive)[0])
    synapses = sum(int(np.size(w)) for w in weights)
    numbers = sum(int(np.size(a)) for a in jax.tree.leaves(tuple(instance)))
    return InstanceShape(
        setting=setting.name,
        bytes=4 * numbers,
        steps=steps,
        synapses=synapses,
        arrays=len(weights),
        updates=synapses * steps * setting.network.updates,
        seconds=seconds,
    )


def _free() -> int:
    """Bytes that this process can still take."""
    everything = 2**62
    short = tightest(everything, everything)
    return short[0].bytes if short else everything
