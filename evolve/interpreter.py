"""A generation is scored in one compiled call over individuals x instances.

Individuals are cut into blocks of a fixed width and instances into groups of a fixed size, so that a rule's score
is the same to the last bit whatever else is evaluated beside it, and on however many cores. Devices share the
blocks; each runs its own, one after another, through every group of every setting. The number of blocks in use and
the length of the longest rule of a block are values, not shapes: nothing recompiles.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh, PartitionSpec

from evolve.company import beside
from evolve.evaluate import (
    GROUP,
    WORST,
    Arena,
    Bounds,
    Raw,
    Scores,
    foldable,
    join,
    learn,
)
from substrate.graph import Graph, from_rule
from substrate.program import Code, Machine, Programs, TooLong, assemble, interpret, schedule
from substrate.rule import Rule, Slow
from substrate.simulate import Episode, fold
from tasks.base import Setting

#: Individuals of a block on a CPU; accelerators take them all at once.
WIDTH = 8
#: Weights of all lanes of a block beyond which it is made narrower, so that what a rule computes stays in the cache.
BLOCK_LIMIT = 32_768


class Codes(NamedTuple):
    """One individual, ready to run."""

    equations: Mapping[str, Code]
    tier: int  # which of the interpreter's machines it is for


class Block(NamedTuple):
    """Individuals that learn together on one arena."""

    members: list[int]  # places in the population
    arena: int
    length: int  # instructions of the longest member
    tier: int


class Interpreter:
    """Scores whole populations; compiled once for a machine and the shapes of a task.

    Parameters
    ----------
    arenas
        Instances of one task and size, several where several searches share the interpreter. Another arena may be
        given to single calls, which then run in as many parts as it has times more instances.
    machines
        What the rules are made of; a rule runs on the first that holds it, so the cheapest comes first.
    capacity
        Individuals that a call can hold; more are split over calls.
    outputs
        Names of the equations, `dw` first.
    slow
        Scope and initial value of slow variables that rules may have.
    """

    def __init__(
        self,
        arenas: Arena | Sequence[Arena],
        machines: Machine | Sequence[Machine],
        capacity: int,
        outputs: tuple[str, ...] = ("dw",),
        slow: tuple[Slow, ...] = (),
    ) -> None:
        self.arenas = (arenas,) if isinstance(arenas, Arena) else tuple(arenas)
        self.machines = (machines,) if isinstance(machines, Machine) else tuple(machines)
        self.outputs, self.slow = outputs, slow
        devices = jax.devices()
        self.width = max(WIDTH, capacity)
        if devices[0].platform == "cpu":
            largest = max(w[0].size for a in self.arenas[0].episodes for w in jax.tree.leaves(a.w0))
            self.width = max(1, min(WIDTH, BLOCK_LIMIT // largest))
        self.devices = len(devices)
        blocks = max(-(-capacity // self.width), len(self.arenas))
        self.blocks = -(-blocks // self.devices) * self.devices
        self.groups = self.arenas[0].instances // GROUP
        self.compilations = 0
        self._mesh = Mesh(np.array(devices), ("blocks",))
        self._run = {
            (tier, full): self._compile(machine, full)
            for tier, machine in enumerate(self.machines)
            for full in (False, True)
        }
        self._resident: dict[int, tuple[Any, list[Any]]] = {}

    @property
    def lanes(self) -> int:
        """Individuals that cost as much as one: what all devices do at a time."""
        return self.devices * self.width

    @property
    def terminals(self) -> frozenset[str]:
        """What a rule may read here."""
        return frozenset(self.machines[0].terminals)

    @property
    def functions(self) -> frozenset[str]:
        """What a rule may compute here."""
        return frozenset(self.machines[0].operations)

    def _compile(self, machine: Machine, full: bool) -> Any:
        """One program for all settings; with `full`, metrics come too."""
        split, whole = PartitionSpec("blocks"), PartitionSpec()

        def local(
            programs: dict[str, Programs], lengths: Array, where: Array, gains: Array, episodes: Any
        ) -> tuple[Any, ...]:
            self.compilations += 1
            return tuple(
                self._setting(setting, episode, machine, programs, lengths, where, gains, full)
                for setting, episode in zip(self.arenas[0].settings, episodes, strict=True)
            )

        mapped = jax.shard_map(
            local,
            mesh=self._mesh,
            in_specs=(split, split, split, split, whole),
            out_specs=split,
            check_vma=False,
        )
        return jax.jit(mapped)

    def _setting(
        self,
        setting: Setting,
        episodes: Episode,
        machine: Machine,
        programs: dict[str, Programs],
        lengths: Array,
        where: Array,
        gains: Array,
        full: bool,
    ) -> Any:
        """Run this device's blocks through the groups of one setting; episodes are (arena, group, ...)."""
        blocks, groups = lengths.shape[0], self.groups
        folded = foldable(episodes, self.width, leading=2)

        def at(block: Array, group: Array) -> Any:
            mine = {
                name: jax.tree.map(lambda a: _lanes(a[block], folded), code)
                for name, code in programs.items()
            }
            length = {name: lengths[block, i] for i, name in enumerate(self.outputs)}
            plasticity = beside(interpret(mine, length, machine, self.slow), setting.company)
            episode = jax.tree.map(lambda a: a[where[block], group], episodes)
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
        """Score individuals on one arena, each with its own factor on the learning rate (1 by default)."""
        factors = np.ones(len(population)) if gains is None else np.asarray(gains)
        arena = arena or self.arenas[0]
        quality, _, metrics = self._instances(population, factors, full, arena)
        return Scores(self.bounds(arena).normalise(quality), quality, metrics)

    def fitness(self, graphs: Sequence[Graph], arena: Arena | None = None) -> np.ndarray:
        """Fitness of rules given as graphs; one too long for the machine is worth the least."""
        fitness = np.full(len(graphs), WORST)
        codes = self._schedule(graphs)
        if codes:
            fitness[list(codes)] = self.score(list(codes.values()), arena=arena).fitness
        return fitness

    def fitness_of_all(self, wanted: Sequence[Sequence[Graph]]) -> list[np.ndarray]:
        """Fitness of the rules of several searches, each on the arena in its place, in one call."""
        if len(self.arenas) == 1:
            return [self.fitness(wanted[0])]
        fitness = [np.full(len(graphs), WORST) for graphs in wanted]
        population: list[Codes] = []
        places: list[tuple[int, int]] = []
        for run, graphs in enumerate(wanted):
            for i, codes in self._schedule(graphs).items():
                population.append(codes)
                places.append((run, i))
        if population:
            runs = [run for run, _ in places]
            gains = np.ones(len(population))
            quality, _, _ = self._call(population, gains, False, self._together, runs)
            for run in sorted(set(runs)):
                own = [k for k, (r, _) in enumerate(places) if r == run]
                score = self.bounds(self.arenas[run]).normalise(quality[own])
                fitness[run][[places[k][1] for k in own]] = Scores(score, quality[own], {}).fitness
        return fitness

    def bounds(self, arena: Arena) -> Bounds:
        """Floor and ceiling of an arena, measured once: at rate 0 nothing learns, nor does company."""
        if arena.bounds is None:
            quality, ceiling, _ = self._instances([self._still(0)], np.zeros(1), False, arena)
            arena.bounds = Bounds(quality[0], ceiling[0])
        return arena.bounds

    def warm(self) -> None:
        """Compile every machine now, so that no generation waits for it later."""
        for tier in range(1, len(self.machines)):
            self._instances([self._still(tier)], np.ones(1), False, self.arenas[0])

    def _still(self, tier: int) -> Codes:
        code = schedule(from_rule(Rule("frozen", 0)), self.machines[tier])["dw"]
        return Codes(dict.fromkeys(self.outputs, code), tier)

    def schedule(self, graph: Graph) -> Codes:
        """Make a rule ready to run.

        Raises
        ------
        TooLong
            If no machine holds it.
        """
        for tier, machine in enumerate(self.machines):
            with suppress(TooLong):
                return Codes(schedule(graph, machine), tier)
        raise TooLong

    def _schedule(self, graphs: Sequence[Graph]) -> dict[int, Codes]:
        """Codes by place; rules that do not fit are left out."""
        codes: dict[int, Codes] = {}
        for i, graph in enumerate(graphs):
            with suppress(TooLong):
                codes[i] = self.schedule(graph)
        return codes

    def _instances(
        self, population: Sequence[Codes], gains: np.ndarray, full: bool, arena: Arena
    ) -> Raw:
        """Score on all instances of an arena, as many at a time as the interpreter was built for."""
        runs = [0] * len(population)
        some = [self._call(population, gains, full, part, runs) for part in self._parts(arena)]
        quality, ceiling, metrics = join(some, axis=2)
        kept = slice(arena.instances)
        return (
            quality[..., kept],
            ceiling[..., kept],
            {name: values[..., kept] for name, values in metrics.items()},
        )

    def _blocks(self, population: Sequence[Codes], runs: Sequence[int]) -> Iterator[list[Block]]:
        """Cut the population into blocks of one arena and like lengths, as many as fit into a call."""
        length = [max(map(len, codes.equations.values())) for codes in population]
        tier = [codes.tier for codes in population]
        order = sorted(range(len(population)), key=lambda i: (tier[i], runs[i], -length[i]))
        blocks: list[Block] = []
        for i in order:
            last = blocks[-1] if blocks else None
            same = last and (last.tier, last.arena) == (tier[i], runs[i])
            if last and same and len(last.members) < self.width:
                last.members.append(i)
            else:
                blocks.append(Block([i], runs[i], length[i], tier[i]))
        for machine in range(len(self.machines)):
            own = sorted((b for b in blocks if b.tier == machine), key=lambda b: -b.length)
            for first in range(0, len(own), self.blocks):
                yield own[first : first + self.blocks]

    def _call(
        self,
        population: Sequence[Codes],
        gains: np.ndarray,
        full: bool,
        episodes: Any,
        runs: Sequence[int],
    ) -> Raw:
        """Deal blocks to the devices, run them, and put the answers back in order."""
        share = self.blocks // self.devices
        parts, members = [], []
        for blocks in self._blocks(population, runs):
            tier = blocks[0].tier
            where = np.zeros(self.blocks, np.int32)
            lanes: list[int] = []
            here: list[int] = []
            for rank, block in enumerate(blocks):
                position = (rank % self.devices) * share + rank // self.devices
                where[position] = block.arena
                start = position * self.width
                lanes += range(start, start + len(block.members))
                here += block.members
            lengths = np.zeros((self.blocks, len(self.outputs)), np.int32)
            programs = {}
            for column, name in enumerate(self.outputs):
                codes = [population[i].equations[name] for i in here]
                programs[name], lengths[:, column] = assemble(
                    codes, lanes, self.machines[tier], self.blocks, self.width
                )
            factors = np.ones((self.blocks, self.width), np.float32)
            factors.flat[lanes] = gains[here]
            raw = self._run[tier, full](programs, lengths, where, factors, episodes)
            parts.append(self._ordered(raw, lanes))
            members += here
        quality, ceiling, metrics = join(parts, axis=0)
        back = np.argsort(members)
        return quality[back], ceiling[back], {name: m[back] for name, m in metrics.items()}

    def _ordered(self, raw: Any, lanes: list[int]) -> Raw:
        """(block, group, GROUP, lane) per setting -> (individual, setting, instance), in the order of the lanes."""

        def one(array: Array) -> np.ndarray:
            wide = np.moveaxis(np.asarray(array), -1, 1).reshape(self.blocks * self.width, -1)
            return wide[lanes]

        quality, ceiling = (np.stack([one(s[k]) for s in raw], axis=1) for k in (0, 1))
        metrics = {k: np.stack([one(s[2][k]) for s in raw], axis=1) for k in raw[0][2]}
        return quality, ceiling, metrics

    def _send(self, arenas: Sequence[Arena], rows: np.ndarray) -> Any:
        """Episodes of these groups of some arenas, (arena, group, ...), on every device."""
        sharding = jax.NamedSharding(self._mesh, PartitionSpec())
        some = [jax.tree.map(lambda a: a[rows], arena.episodes) for arena in arenas]
        missing = len(self.arenas) - len(some)
        stacked = jax.tree.map(lambda *a: np.stack(a + (a[0],) * missing), *some)
        return jax.device_put(stacked, sharding)

    @cached_property
    def _together(self) -> Any:
        """The episodes of all searches."""
        return self._send(self.arenas, np.arange(self.groups))

    def _parts(self, arena: Arena) -> list[Any]:
        """One arena's episodes in parts of this interpreter's shape; sent once."""
        if id(arena) not in self._resident:
            total = arena.instances // GROUP
            firsts = range(0, total, self.groups)
            rows = [np.minimum(np.arange(f, f + self.groups), total - 1) for f in firsts]
            # The arena is kept too, so that its id is not given to another.
            self._resident[id(arena)] = (arena, [self._send([arena], r) for r in rows])
        return self._resident[id(arena)][1]


def _lanes(code: Array, folded: bool) -> Array:
    """Repeat code (segment, SEGMENT, 1, P) for every instance of a group if the lanes are folded."""
    if not folded:
        return code
    *front, _, individuals = code.shape
    return fold(jnp.broadcast_to(code, (*front, GROUP, individuals)), individuals)
