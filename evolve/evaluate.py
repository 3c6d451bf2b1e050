"""Where rules and tasks meet: a generation is scored in one compiled call over individuals x instances.

Individuals are cut into blocks of a fixed width and instances into groups of a fixed size, so that a rule's score
is the same to the last bit whatever else is evaluated beside it, and on however many cores. Devices share the
blocks; each runs its own, one after another, through every group of every setting.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec

from substrate.graph import Graph, from_rule
from substrate.plasticity import Plasticity
from substrate.program import (
    Code,
    Machine,
    Programs,
    TooLong,
    assemble,
    interpret,
    schedule,
)
from substrate.rule import Rule, Slow
from substrate.simulate import Episode, fold, simulate
from tasks.base import Family, Options, Setting, draw

#: Score of an individual whose weights diverged, and the least that any instance can score.
WORST = -1.0
#: Instances that learn together.
GROUP = 10
#: Individuals of a block on a CPU; accelerators take them all at once.
WIDTH = 16
#: Folding the lanes repeats the inputs for every individual of a block; not beyond this many numbers.
FOLD_LIMIT = 20_000_000

#: Codes of one individual's equations by name.
Codes = Mapping[str, Code]
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
    """

    def __init__(
        self, family: Family, options: Options, seed: int, split: str, instances: int
    ) -> None:
        self.settings: tuple[Setting, ...] = family.build(options)
        groups = range(-(-instances // GROUP))
        self.instances = len(groups) * GROUP

        def stacked(index: int, setting: Setting) -> Episode:
            drawn = [
                draw(setting, (seed, index), split, range(g * GROUP, (g + 1) * GROUP))
                for g in groups
            ]
            return jax.tree.map(lambda *arrays: np.stack(arrays), *drawn)

        #: One episode a setting; arrays begin with the group axis and end in (GROUP, 1).
        self.episodes: tuple[Episode, ...] = tuple(
            stacked(i, s) for i, s in enumerate(self.settings)
        )
        self.bounds: Bounds | None = None  # measured on first use, by not learning
        self.resident: list[Any] | None = None  # the episodes on the devices, once sent

    @property
    def observables(self) -> frozenset[str]:
        """What a rule may read in every setting."""
        return frozenset.intersection(*(s.network.observables for s in self.settings))


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
    trace = simulate(setting.network, plasticity, episode, rate, setting.reading, lanes)
    outcome = setting.score(episode, trace)

    def shaped(values: Array) -> Array:
        return jnp.broadcast_to(values, trace.alive.shape).reshape(GROUP, individuals)

    def living(values: Array) -> Array:
        return shaped(jnp.where(trace.alive, values, jnp.nan))

    metrics = {name: living(values) for name, values in outcome.metrics.items()}
    return living(outcome.quality), shaped(outcome.ceiling), metrics


def foldable(episode: Episode, individuals: int) -> bool:
    return int(np.prod(episode.drive.shape[1:])) * individuals <= FOLD_LIMIT


class Interpreter:
    """Scores whole populations on an arena; compiled once for a machine and the arena's shapes.

    Parameters
    ----------
    arena
        The instances; another arena of the same task may be given to each call, which then runs in as many parts
        as it has times more instances.
    machine
        What the rules are made of.
    capacity
        Individuals a call can hold; more are split over calls.
    outputs
        Names of the equations, `dw` first.
    slow
        Scope and initial value of slow variables that rules may have.
    """

    def __init__(
        self,
        arena: Arena,
        machine: Machine,
        capacity: int,
        outputs: tuple[str, ...] = ("dw",),
        slow: tuple[Slow, ...] = (),
    ) -> None:
        self.arena, self.machine, self.outputs, self.slow = arena, machine, outputs, slow
        devices = jax.devices()
        small = max(4, 2 ** (capacity - 1).bit_length())  # a search of few children needs no more
        self.width = min(WIDTH, small) if devices[0].platform == "cpu" else max(WIDTH, capacity)
        self.devices = len(devices)
        blocks = -(-capacity // self.width)
        self.blocks = -(-blocks // self.devices) * self.devices
        self.groups = arena.instances // GROUP
        self.compilations = 0
        self._mesh = Mesh(np.array(devices), ("blocks",))
        self._run = {full: self._compile(full) for full in (False, True)}

    def _compile(self, full: bool) -> Any:
        """One program for all settings; with `full`, metrics come too."""
        split, whole = PartitionSpec("blocks"), PartitionSpec()

        def local(
            programs: dict[str, Programs], lengths: Array, gains: Array, episodes: Any
        ) -> tuple[Any, ...]:
            self.compilations += 1
            return tuple(
                self._setting(setting, episode, programs, lengths, gains, full)
                for setting, episode in zip(self.arena.settings, episodes, strict=True)
            )

        mapped = jax.shard_map(
            local,
            mesh=self._mesh,
            in_specs=(split, split, split, whole),
            out_specs=split,
            check_vma=False,
        )
        return jax.jit(mapped)

    def _setting(
        self,
        setting: Setting,
        episodes: Episode,
        programs: dict[str, Programs],
        lengths: Array,
        gains: Array,
        full: bool,
    ) -> Any:
        """Run this device's blocks, (block, ...), through the groups of one setting."""
        blocks, groups = lengths.shape[0], episodes.w0.shape[0]
        folded = foldable(episodes, self.width)

        def at(block: Array, group: Array) -> Any:
            mine = {
                name: jax.tree.map(lambda a: _lanes(a[block], folded), code)
                for name, code in programs.items()
            }
            length = {name: lengths[block, i] for i, name in enumerate(self.outputs)}
            plasticity = interpret(mine, length, self.machine, self.slow)
            episode = jax.tree.map(lambda a: a[group], episodes)
            quality, ceiling, metrics = learn(setting, plasticity, episode, gains[block], folded)
            return quality, ceiling, metrics if full else {}

        def one(i: Array, results: Any) -> Any:
            block, group = i // groups, i % groups
            return jax.tree.map(
                lambda kept, new: kept.at[block, group].set(new), results, at(block, group)
            )

        shapes = jax.eval_shape(at, jnp.int32(0), jnp.int32(0))
        empty = jax.tree.map(lambda s: jnp.full((blocks, groups, *s.shape), jnp.nan), shapes)
        # Blocks in use come first, so their number is enough to know.
        used = jnp.sum(lengths[:, 0] > 0)
        return lax.fori_loop(0, used * groups, one, empty)

    def score(
        self,
        population: Sequence[Codes],
        gains: Sequence[float] | None = None,
        full: bool = False,
        arena: Arena | None = None,
    ) -> Scores:
        """Score individuals, each with its own factor on the learning rate (1 by default)."""
        factors = [1.0] * len(population) if gains is None else list(gains)
        arena = arena or self.arena
        size = self.blocks * self.width
        parts = [
            self._instances(population[i : i + size], factors[i : i + size], full, arena)
            for i in range(0, len(population), size)
        ]
        quality, _, metrics = _join(parts, axis=0)
        return Scores(self.bounds(arena).normalise(quality), quality, metrics)

    def _instances(
        self, population: Sequence[Codes], gains: Sequence[float], full: bool, arena: Arena
    ) -> Raw:
        """Score on all instances of an arena, as many at a time as the interpreter was built for."""
        some = [self._call(population, gains, full, part) for part in self._resident(arena)]
        quality, ceiling, metrics = _join(some, axis=2)
        kept = slice(arena.instances)
        return (
            quality[..., kept],
            ceiling[..., kept],
            {name: values[..., kept] for name, values in metrics.items()},
        )

    def fitness(self, graphs: Sequence[Graph]) -> np.ndarray:
        """Training fitness of rules given as graphs; one too long for the machine is worth the least."""
        fitness = np.full(len(graphs), WORST)
        codes: dict[int, Codes] = {}
        for i, graph in enumerate(graphs):
            with suppress(TooLong):
                codes[i] = schedule(graph, self.machine)
        if codes:
            fitness[list(codes)] = self.score(list(codes.values())).fitness
        return fitness

    def bounds(self, arena: Arena) -> Bounds:
        """Floor and ceiling of an arena; measured once, by not learning."""
        if arena.bounds is None:
            still = {name: (self._load_zero,) for name in self.outputs}
            quality, ceiling, _ = self._instances([still], [1.0], False, arena)
            arena.bounds = Bounds(quality[0], ceiling[0])
        return arena.bounds

    @cached_property
    def _load_zero(self) -> Any:
        return schedule(from_rule(Rule("frozen", 0)), self.machine)["dw"][0]

    def _call(
        self, population: Sequence[Codes], gains: Sequence[float], full: bool, episodes: Any
    ) -> Raw:
        """Sort by length, deal the blocks to the devices, and put the answers back in order."""
        order = sorted(range(len(population)), key=lambda i: -len(population[i]["dw"]))
        share = self.blocks // self.devices
        lanes = np.empty(len(population), int)  # where individual i went
        for rank, i in enumerate(order):
            block, lane = divmod(rank, self.width)
            position = (block % self.devices) * share + block // self.devices
            lanes[i] = position * self.width + lane
        lengths = np.zeros((self.blocks, len(self.outputs)), np.int32)
        factors = np.ones(self.blocks * self.width, np.float32)
        factors[lanes] = gains
        programs = {}
        for column, name in enumerate(self.outputs):
            codes = [population[i][name] for i in range(len(population))]
            programs[name], lengths[:, column] = assemble(
                codes, lanes, self.machine, self.blocks, self.width
            )
        raw = self._run[full](programs, lengths, factors.reshape(-1, self.width), episodes)

        def ordered(array: Array) -> np.ndarray:
            """(block, group, GROUP, lane) of one setting -> (individual, instance)."""
            wide = np.moveaxis(np.asarray(array), -1, 1).reshape(self.blocks * self.width, -1)
            return wide[lanes]

        quality, ceiling = (np.stack([ordered(s[k]) for s in raw], axis=1) for k in (0, 1))
        names = raw[0][2]
        metrics = {k: np.stack([ordered(s[2][k]) for s in raw], axis=1) for k in names}
        return quality, ceiling, metrics

    def _resident(self, arena: Arena) -> list[Any]:
        """The arena's episodes on every device, in parts of this interpreter's shape; sent once."""
        if arena.resident is None:
            sharding = jax.NamedSharding(self._mesh, PartitionSpec())
            size, total = self.groups, arena.instances // GROUP

            def part(first: int) -> Any:
                rows = np.minimum(np.arange(first, first + size), total - 1)
                return jax.tree.map(lambda a: a[rows], arena.episodes)

            arena.resident = [
                jax.device_put(part(first), sharding) for first in range(0, total, size)
            ]
        return arena.resident


def _join(parts: Sequence[Raw], axis: int) -> Raw:
    metrics = {k: np.concatenate([p[2][k] for p in parts], axis) for k in parts[0][2]}
    quality, ceiling = (np.concatenate([p[i] for p in parts], axis) for i in (0, 1))
    return quality, ceiling, metrics


def _lanes(code: Array, folded: bool) -> Array:
    """Repeat code (segment, SEGMENT, 1, P) for every instance of a group if the lanes are folded."""
    if not folded:
        return code
    *front, _, individuals = code.shape
    return fold(jnp.broadcast_to(code, (*front, GROUP, individuals)), individuals)
