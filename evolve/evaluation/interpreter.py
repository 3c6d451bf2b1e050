"""A generation is scored in one compiled call over individuals x instances.

Individuals are cut into blocks of a fixed width and instances into groups of a fixed size, so that a rule's score
is the same to the last bit whatever else is evaluated beside it, and on however many cores. Devices share the
blocks; each runs its own, one after another, through every group of every setting. The number of blocks in use and
the length of the longest rule of a block are values, not shapes: nothing recompiles.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec

from evolve.evaluation.arena import (
    INSTANCES_PER_GROUP,
    WORST,
    Arena,
    Bounds,
    Raw,
    Scores,
    can_merge_lanes,
    join,
)
from evolve.evaluation.device_program import Blocks
from evolve.evaluation.layout import FOREVER, Layout, ScheduledRule
from evolve.evaluation.pending import PendingScores, wait
from substrate.compilation.graph import Graph, from_rule
from substrate.compilation.interpreter import DoesNotFit, Machine
from substrate.compilation.polynomials import Polynomials
from substrate.rule import Rule, Slow
from substrate.simulate import CHUNK

#: Individuals of a block on a CPU; accelerators take them all at once.
WIDTH = 8
#: Weights of all lanes of a block beyond which it is made narrower, so that what a rule computes stays in the cache.
BLOCK_LIMIT = 32_768

#: Rules of more instructions than this are tried on a first chunk of steps, if there are at least so many chunks:
#: most of them diverge at once. A single one is not, for the others would wait for it.
LONG, TRIAL = 16, 4
#: The first group of the first setting, where a race begins, in arrays (individual, setting, instance).
FIRST = 0, slice(0, INSTANCES_PER_GROUP)


class Running(NamedTuple):
    """What the devices are at work on."""

    raw: list[Future[Any]]
    lanes: list[list[int]]
    members: np.ndarray  # places in the population


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
        machines: Machine | Sequence[Polynomials | Machine],
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
        self.asynchronous = self.devices > 1 or devices[0].platform != "cpu"
        blocks = max(-(-capacity // self.width), len(self.arenas))
        self.blocks = -(-blocks // self.devices) * self.devices
        self.groups = self.arenas[0].instances // INSTANCES_PER_GROUP
        mixed = len(self.arenas) > 1 and all(
            can_merge_lanes(e, self.width, leading=1) for e in self.arenas[0].episodes
        )
        self.layout = Layout(self.machines, outputs, self.width, self.blocks, self.devices, mixed)
        self.compilations = 0
        self._mesh = Mesh(np.array(devices), ("blocks",))
        self._run = {full: self._compile(full) for full in (False, True)}
        self._resident: dict[int, tuple[Any, list[Any]]] = {}
        # Searches go on breeding meanwhile: devices may keep the thread that hands them work until it is done.
        self._line = ThreadPoolExecutor(1)

    @property
    def lanes(self) -> int:
        """Individuals that cost as much as one: what all devices do at a time."""
        return self.devices * self.width

    @cached_property
    def _polynomials(self) -> list[Polynomials]:
        """The machines for polynomials, of rising degree."""
        return [m for m in self.machines if isinstance(m, Polynomials)]

    @property
    def terminals(self) -> frozenset[str]:
        """What a rule may read here."""
        return frozenset(self.machines[-1].terminals)

    @property
    def functions(self) -> frozenset[str]:
        """What a rule may compute here."""
        return frozenset(self.machines[-1].operations)

    def _compile(self, full: bool) -> Any:
        """One program for all machines and settings; with `full`, metrics come too."""
        split, whole = PartitionSpec("blocks"), PartitionSpec()
        blocks = Blocks(self.arenas[0].settings, self.layout, self.groups, self.slow)

        def local(table: Array, episodes: Any) -> tuple[Any, ...]:
            self.compilations += 1
            return blocks.run(table, episodes, full)

        mapped = jax.shard_map(
            local, mesh=self._mesh, in_specs=(split, whole), out_specs=split, check_vma=False
        )
        return jax.jit(mapped)

    def score(
        self,
        population: Sequence[ScheduledRule],
        gains: Sequence[float] | None = None,
        full: bool = False,
        arena: Arena | None = None,
    ) -> Scores:
        """Score individuals on one arena, each with its own factor on the learning rate (1 by default)."""
        factors = np.ones(len(population)) if gains is None else np.asarray(gains)
        arena = arena or self.arenas[0]
        quality, _, metrics = self._instances(population, factors, full, arena)
        return Scores(self.bounds(arena).normalise(quality), quality, metrics)

    def fitness(self, graphs: Sequence[Graph]) -> np.ndarray:
        """Fitness of rules on the first search's arena; one too long for the machines is worth the least."""
        return self.fitness_of_all([graphs])[0]

    def fitness_of_all(self, wanted: Sequence[Sequence[Graph]]) -> list[np.ndarray]:
        """Fitness of the rules of several searches, each on the arena in its place, together."""
        return wait(self.begin(wanted))

    def begin(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None = None,
    ) -> PendingScores:
        """Start on the fitness of the rules of several searches.

        This is a race. Long rules are tried on a first chunk of steps, all rules on the first group of instances.
        The rest is for those that live and that could still reach their threshold if they were perfect from there
        on. Any other rule gets the fitness that it would then have.
        """
        codes = [self._schedule(graphs) for graphs in wanted]
        population = [c for own in codes for c in own.values()]
        runs = np.repeat(np.arange(len(codes)), list(map(len, codes)))
        long = np.array([c.length > LONG for c in population], bool)
        long &= self._worth_trying and long.sum() > 1
        least = np.full(len(population), -np.inf)
        if thresholds is not None and self.races:
            least = np.array([t[i] for t, own in zip(thresholds, codes, strict=True) for i in own])
        first, rest = (0, 1), (1, self._units)
        trial = self._start(population, np.flatnonzero(long), runs, chunks=1, units=first)
        short = self._start(population, np.flatnonzero(~long), runs, units=first)

        def stages() -> PendingScores:
            tried = self._qualities(trial)[:, *FIRST]
            alive = trial.members[~np.isnan(tried).any(axis=1)]
            heat = self._start(population, alive, runs, units=first)
            if len(alive):
                yield None
            quality = np.full((len(population), *self._scored), np.nan, np.float32)
            for running in (short, heat):
                quality[running.members] = self._qualities(running)
            fitness = self._most(quality, runs)
            going = np.flatnonzero(~(fitness + 1e-6 < least) & (fitness > WORST))
            if self._units > 1:
                final = self._start(population, going, runs, units=rest)
                if len(going):
                    yield None
                found = self._qualities(final)
                found[:, *FIRST] = quality[(final.members, *FIRST)]
                fitness[final.members] = self._fitness(found, runs[final.members])
            answers = [np.full(len(graphs), WORST) for graphs in wanted]
            place = 0
            for own, mine in zip(codes, answers, strict=True):
                mine[list(own)] = fitness[place : place + len(own)]
                place += len(own)
            yield answers

        return stages()

    @property
    def _units(self) -> int:
        """Groups of all settings."""
        return self.groups * len(self.arenas[0].settings)

    @property
    def races(self) -> bool:
        """Whether hurdles can save instances."""
        return self._units > 1 and all(s.bounded for s in self.arenas[0].settings)

    @property
    def _scored(self) -> tuple[int, int]:
        """Settings, and instances of each."""
        return len(self.arenas[0].settings), INSTANCES_PER_GROUP * self.groups

    def _fitness(self, quality: np.ndarray, runs: np.ndarray) -> np.ndarray:
        """Fitness of individuals of several searches, as `Scores` has it."""
        floor, ceiling = self._bounds
        score = Bounds(floor[runs], ceiling[runs]).normalise(quality)
        return Scores(score, quality, {}).fitness

    def _most(self, quality: np.ndarray, runs: np.ndarray) -> np.ndarray:
        """The fitness of individuals that have learned on the first group, were they perfect on all others."""
        perfect = self._bounds.ceiling[runs]
        perfect[:, *FIRST] = quality[:, *FIRST]
        return self._fitness(perfect, runs)

    @cached_property
    def _bounds(self) -> Bounds:
        """Floors and ceilings of all searches, (search, setting, instance)."""
        own = [self.bounds(arena) for arena in self.arenas]
        return Bounds(np.stack([b.floor for b in own]), np.stack([b.ceiling for b in own]))

    @cached_property
    def _worth_trying(self) -> bool:
        """Whether a first chunk is little of all steps."""
        steps = [jax.tree.leaves(e.drive)[0].shape[1] for e in self.arenas[0].episodes]
        return min(steps) >= TRIAL * CHUNK

    def bounds(self, arena: Arena) -> Bounds:
        """Floor and ceiling of an arena, measured once: at rate 0 nothing learns, nor does company."""
        if arena.bounds is None:
            quality, ceiling, _ = self._instances([self._still(0)], np.zeros(1), False, arena)
            arena.bounds = Bounds(quality[0], ceiling[0])
        return arena.bounds

    def warm(self) -> None:
        """Compile every machine now, so that no generation waits for it later."""
        self._instances([self._still(0)], np.ones(1), False, self.arenas[0])

    def _still(self, tier: int) -> ScheduledRule:
        code = self.machines[tier].schedule(from_rule(Rule("frozen", 0)))["dw"]
        return ScheduledRule(dict.fromkeys(self.outputs, code), tier)

    def schedule(self, graph: Graph) -> ScheduledRule:
        """Make a rule ready to run.

        Raises
        ------
        TooLong
            If no machine holds it.
        """
        expanded = None
        if self._polynomials:
            with suppress(DoesNotFit):
                expanded = self._polynomials[-1].expand(graph)
        for tier, machine in enumerate(self.machines):
            with suppress(DoesNotFit):
                if not isinstance(machine, Polynomials):
                    return ScheduledRule(machine.schedule(graph), tier)
                if expanded is not None:
                    return ScheduledRule(machine.ready(expanded), tier)
        raise DoesNotFit

    def _schedule(self, graphs: Sequence[Graph]) -> dict[int, ScheduledRule]:
        """Codes by place; rules that do not fit are left out."""
        codes: dict[int, ScheduledRule] = {}
        for i, graph in enumerate(graphs):
            with suppress(DoesNotFit):
                codes[i] = self.schedule(graph)
        return codes

    def _instances(
        self, population: Sequence[ScheduledRule], gains: np.ndarray, full: bool, arena: Arena
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

    def _call(
        self,
        population: Sequence[ScheduledRule],
        gains: np.ndarray,
        full: bool,
        episodes: Any,
        runs: Sequence[int],
    ) -> Raw:
        """Run a population, and put the answers in its order."""
        running = self._start(
            population, np.arange(len(population)), runs, gains=gains, full=full, episodes=episodes
        )
        return self._collect(running)

    def _start(
        self,
        population: Sequence[ScheduledRule],
        places: np.ndarray,
        runs: Sequence[int] | np.ndarray,
        *,
        chunks: int = FOREVER,
        units: tuple[int, int] = (0, FOREVER),
        gains: np.ndarray | None = None,
        full: bool = False,
        episodes: Any = None,
    ) -> Running:
        """Hand blocks of the individuals in these places to the devices, which run them while we go on."""
        raw, lanes, members = [], [], []
        for blocks in self.layout.deal(population, places.tolist(), runs):
            table, own = self.layout.pack(population, blocks, gains, chunks, units)
            data = self._together if episodes is None else episodes
            raw.append(self._line.submit(self._run[full], table, data))
            lanes.append(own)
            members += [i for block in blocks for i in block.members]
        return Running(raw, lanes, np.array(members, int))

    def _collect(self, running: Running) -> Raw:
        """Wait for the devices; the answers in the order of the population."""
        if not running.raw:
            nothing = np.empty((0, *self._scored), np.float32)
            return nothing, nothing, {}
        pairs = zip(running.raw, running.lanes, strict=True)
        some = [self._ordered(raw.result(), lanes) for raw, lanes in pairs]
        quality, ceiling, metrics = join(some, axis=0)
        back = np.argsort(running.members)
        return quality[back], ceiling[back], {name: m[back] for name, m in metrics.items()}

    def _ordered(self, raw: Any, lanes: list[int]) -> Raw:
        """(block, group, GROUP, lane) per setting -> (individual, setting, instance), in the order of the lanes."""
        quality, ceiling = (self._of_lanes([s[k] for s in raw], lanes) for k in (0, 1))
        return (
            quality,
            ceiling,
            {k: self._of_lanes([s[2][k] for s in raw], lanes) for k in raw[0][2]},
        )

    def _qualities(self, running: Running) -> np.ndarray:
        """Wait for the devices; the qualities of the members, as they stand."""
        some = [
            self._of_lanes([s[0] for s in raw.result()], lanes)
            for raw, lanes in zip(running.raw, running.lanes, strict=True)
        ]
        return np.concatenate(some) if some else np.empty((0, *self._scored), np.float32)

    def _of_lanes(self, settings: Sequence[Array], lanes: list[int]) -> np.ndarray:
        def one(array: Array) -> np.ndarray:
            wide = np.moveaxis(np.asarray(array), -1, 1).reshape(self.blocks * self.width, -1)
            return wide[lanes]

        return np.stack([one(array) for array in settings], axis=1)

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
            total = arena.instances // INSTANCES_PER_GROUP
            firsts = range(0, total, self.groups)
            rows = [np.minimum(np.arange(f, f + self.groups), total - 1) for f in firsts]
            # The arena is kept too, so that its id is not given to another.
            self._resident[id(arena)] = (arena, [self._send([arena], r) for r in rows])
        return self._resident[id(arena)][1]
