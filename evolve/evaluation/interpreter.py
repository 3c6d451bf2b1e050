"""A generation is scored in one compiled call over individuals x instances.

Individuals are cut into blocks of a fixed width and instances into groups of a fixed size, so that a rule's score
is the same to the last bit whatever else is evaluated beside it, and on however many cores. Devices share the
blocks; each runs its own, one after another, through every group of every setting. The number of blocks in use and
the length of the longest rule of a block are values, not shapes: nothing recompiles.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, lru_cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh, PartitionSpec

from evolve.evaluation import compiled
from evolve.evaluation.arena import (
    WORST,
    Arena,
    Bounds,
    Raw,
    Scores,
    SettingKey,
    can_merge_lanes,
    join,
)
from evolve.evaluation.device_program import Blocks
from evolve.evaluation.evaluator import Gains
from evolve.evaluation.fixed_projections import evolving_part, fixed_rules
from evolve.evaluation.layout import FOREVER, Layout, ScheduledRule
from evolve.evaluation.pending import PendingScores, Running, wait
from evolve.evaluation.race import Course, Race
from evolve.evaluation.resident import ResidentEpisodes
from evolve.evaluation.signal_range import exact_machines
from substrate.compilation.graph import Graph, from_rule
from substrate.compilation.interpreter import DoesNotFit, Machine
from substrate.compilation.polynomials import Polynomials
from substrate.rule import Rule, Slow

#: Individuals of a block on a CPU; accelerators take them all at once.
WIDTH = 8
#: Weights of all lanes of a block beyond which it is made narrower, so that what a rule computes stays in the cache.
BLOCK_LIMIT = 32_768


@lru_cache(maxsize=32)
def _program(
    keys: tuple[SettingKey, ...], layout: Layout, groups: int, slow: tuple[Slow, ...], full: bool
) -> Any:
    """One program for all machines and settings; with `full`, metrics come too.

    It depends on no instances, so searches that begin one after another share it.
    """
    blocks = Blocks(tuple(key.setting for key in keys), layout, groups, slow)
    split, whole = PartitionSpec("blocks"), PartitionSpec()
    mapped = jax.shard_map(
        partial(blocks.run, full=full),
        mesh=Mesh(np.array(jax.devices()), ("blocks",)),
        in_specs=(split, whole),
        out_specs=split,
        check_vma=False,
    )
    return jax.jit(mapped)


def forget_programs() -> None:
    """Have every interpreter that is made from now on compile its own program; to measure how long that takes."""
    _program.cache_clear()


class Interpreter:
    """Scores whole populations; compiled once for some machines and the shapes of a task.

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
        given = (machines,) if isinstance(machines, Machine) else machines
        self.machines = exact_machines(given, self.arenas)
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
        mixed = len(self.arenas) > 1 and all(
            can_merge_lanes(e, self.width, leading=1) for e in self.arenas[0].episodes
        )
        self.layout = Layout(self.machines, outputs, self.width, self.blocks, self.devices, mixed)
        self._resident = ResidentEpisodes(Mesh(np.array(devices), ("blocks",)), self.arenas)
        self._measured: WeakKeyDictionary[Arena, Bounds] = WeakKeyDictionary()
        shapes = self.arenas[0].keys, self.layout, self._resident.groups, slow
        self._run = {full: _program(*shapes, full) for full in (False, True)}
        # A thread of its own, so that searches go on breeding: devices may block it until their work is done.
        self._queue = ThreadPoolExecutor(1)

    @property
    def lanes(self) -> int:
        """Individuals that cost as much as one: what all devices do at a time."""
        return self.devices * self.width

    @property
    def races(self) -> bool:
        """Whether thresholds can save instances."""
        return self._course.saves

    @cached_property
    def _course(self) -> Course:
        return Course.of(self.arenas[0])

    def on(self, arenas: Sequence[Arena], capacity: int) -> "Interpreter":
        """The same machines on other networks."""
        return Interpreter(arenas, self.machines, capacity, self.outputs, self.slow)

    def warm(self) -> None:
        """Compile every machine, and measure all floors in one call: alone, each arena would stay on the devices."""
        self._each([[self._still]], self.arenas[:1])
        self.bounds_of(self.arenas)

    @cached_property
    def _polynomials(self) -> list[Polynomials]:
        """The machines for polynomials, of rising degree."""
        return [m for m in self.machines if isinstance(m, Polynomials)]

    def bounds(self, arena: Arena) -> Bounds:
        """What 0 and 1 mean on an arena."""
        return self.bounds_of([arena])[0]

    def bounds_of(self, arenas: Sequence[Arena]) -> list[Bounds]:
        """The same for several arenas; measured together, at rate 0, where nothing learns, nor do fixed rules."""
        missing = [a for a in arenas if a.bounds is None and a not in self._measured]
        raw = self._each([[self._still]] * len(missing), missing, [[0.0]] * len(missing))
        for arena, (quality, ceiling, _) in zip(missing, raw, strict=True):
            self._measured[arena] = Bounds(quality[0], ceiling[0])
        return [arena.bounds or self._measured[arena] for arena in arenas]

    @cached_property
    def _own_bounds(self) -> Bounds:
        """Those of all searches, (search, setting, instance)."""
        own = self.bounds_of(self.arenas)
        return Bounds(np.stack([b.floor for b in own]), np.stack([b.ceiling for b in own]))

    @cached_property
    def _still(self) -> ScheduledRule:
        """A rule that changes nothing."""
        code = self.machines[0].schedule(from_rule(Rule("frozen", 0)))["dw"]
        return ScheduledRule(dict.fromkeys(self.outputs, code), 0)

    def schedule(self, graph: Graph) -> ScheduledRule:
        """Make a rule ready to run.

        Raises
        ------
        DoesNotFit
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
        """Rules by place; those that do not fit are left out. What is given several times is made ready once."""
        ready: dict[int, ScheduledRule | None] = {}
        for graph in graphs:
            if id(graph) not in ready:
                ready[id(graph)] = None
                with suppress(DoesNotFit):
                    ready[id(graph)] = self.schedule(graph)
        found = ((i, ready[id(graph)]) for i, graph in enumerate(graphs))
        return {i: rule for i, rule in found if rule is not None}

    def score(
        self,
        population: Sequence[ScheduledRule],
        gains: Sequence[float] | None = None,
        full: bool = False,
        arena: Arena | None = None,
    ) -> Scores:
        """Score individuals on one arena, each with its own factor on the learning rate (1 by default)."""
        arena = arena or self.arenas[0]
        ((quality, _, metrics),) = self._each(
            [population], [arena], None if gains is None else [gains], full
        )
        return Scores(self.bounds(arena).normalise(quality), quality, metrics)

    def fitness(self, graphs: Sequence[Graph]) -> np.ndarray:
        """Fitness of rules on the first search's arena; one too long for the machines is worth the least."""
        return wait(self.begin([graphs]))[0]

    def begin(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None = None,
        gains: Sequence[Sequence[float]] | None = None,
    ) -> PendingScores:
        """Start on the fitness of the rules of several searches, as a race."""
        rules = [self._schedule(graphs) for graphs in wanted]
        population = [rule for own in rules for rule in own.values()]
        searches = np.repeat(np.arange(len(rules)), list(map(len, rules)))
        least = np.full(len(population), -np.inf)
        if thresholds is not None and self.races:
            least = np.array([t[i] for t, own in zip(thresholds, rules, strict=True) for i in own])
        factors = np.ones(len(population))
        if gains is not None:
            factors = np.array([g[i] for g, own in zip(gains, rules, strict=True) for i in own])
        race = Race(self, self._course, self._own_bounds, population, searches, least, factors)

        def stages() -> PendingScores:
            for fitness in race.stages():
                if fitness is None:
                    yield None
                    continue
                answers = [np.full(len(graphs), WORST) for graphs in wanted]
                place = 0
                for own, mine in zip(rules, answers, strict=True):
                    mine[list(own)] = fitness[place : place + len(own)]
                    place += len(own)
                yield answers

        return stages()

    def score_graphs(
        self,
        graphs: Sequence[Sequence[Graph]],
        arenas: Sequence[Arena],
        gains: Sequence[Sequence[float]] | None = None,
    ) -> list[np.ndarray]:
        """Scores of rules on the arena in their place: (individual, instance of all settings)."""
        scheduled = [self._schedule(some) for some in graphs]
        factors = None
        if gains is not None:
            factors = [[g[i] for i in own] for g, own in zip(gains, scheduled, strict=True)]
        raw = self._each([list(own.values()) for own in scheduled], arenas, factors)
        answers = []
        for some, own, arena, bounds, (quality, _, _) in zip(
            graphs, scheduled, arenas, self.bounds_of(arenas), raw, strict=True
        ):
            scores = np.full((len(some), len(arena.settings) * arena.instances), WORST)
            if own:
                scores[list(own)] = bounds.normalise(quality).reshape(len(own), -1)
            answers.append(scores)
        return answers

    def measure(
        self, rules: Sequence[Sequence[Rule]], arenas: Sequence[Arena], gains: Gains | None = None
    ) -> list[dict[str, Scores]]:
        """Score lists of rules on the arena in their place; those that no machine holds are compiled."""

        def factors(name: str) -> Sequence[float]:
            return (1.0,) if gains is None else gains[name]

        for some, arena in zip(rules, arenas, strict=True):
            compiled.require_all_compatible(some, arena)
        held = [self._held(some) for some in rules]
        raw = self._each(
            [[rule for name, rule in own.items() for _ in factors(name)] for own in held],
            arenas,
            [[f for name in own for f in factors(name)] for own in held],
            full=True,
        )
        measured: list[dict[str, Scores]] = []
        for own, bounds, (quality, _, metrics) in zip(
            held, self.bounds_of(arenas), raw, strict=True
        ):
            mine: dict[str, Scores] = {}
            first = 0
            for name in own:
                part = slice(first, first := first + len(factors(name)))
                score = bounds.normalise(quality[part])
                metrics_of = {k: m[part] for k, m in metrics.items()}
                mine[name] = Scores(score, quality[part], metrics_of)
            measured.append(mine)
        for some, arena, mine in zip(rules, arenas, measured, strict=True):
            others = [rule for rule in some if rule.name not in mine]
            mine |= compiled.measure_all(others, arena, self.bounds(arena), gains)
        return measured

    def _held(self, rules: Sequence[Rule]) -> dict[str, ScheduledRule]:
        """The rules that a machine holds, by name."""
        held: dict[str, ScheduledRule] = {}
        machine, other = self.machines[-1], fixed_rules(self.arenas[0].settings)
        for whole in rules:
            rule = evolving_part(whole, other)
            if rule is None or rule.slow or not rule.reads <= set(machine.terminals):
                continue
            graph = from_rule(rule)
            known = {node.function for node in graph.nodes} <= set(machine.operations)
            if known and set(graph.outputs) == set(self.outputs):
                with suppress(DoesNotFit):
                    held[rule.name] = self.schedule(graph)
        return held

    def _each(
        self,
        populations: Sequence[Sequence[ScheduledRule]],
        arenas: Sequence[Arena],
        gains: Sequence[Sequence[float]] | None = None,
        full: bool = False,
    ) -> list[Raw]:
        """Score populations, each on the arena in its place; the arenas have as many instances as each other."""
        answers: list[Raw] = []
        for first in range(0, len(arenas), len(self.arenas)):
            here = slice(first, first + len(self.arenas))
            some, own = arenas[here], populations[here]
            searches = np.repeat(np.arange(len(own)), list(map(len, own)))
            flat = [rule for population in own for rule in population]
            factors = np.ones(len(flat))
            if gains is not None:
                factors = np.array([g for x in gains[here] for g in x])
            raw: Raw
            if not flat:
                nothing = np.empty((0, len(some[0].settings), some[0].instances))
                raw = nothing, nothing, {}
            else:
                parts = (
                    self._resident.parts(some[0]) if len(some) == 1 else self._resident.shared(some)
                )
                raw = join([self._call(flat, factors, full, e, searches) for e in parts], axis=2)
            for search, arena in enumerate(some):
                mine = np.flatnonzero(searches == search), arena.instances
                metrics = {name: _cut(values, *mine) for name, values in raw[2].items()}
                answers.append((_cut(raw[0], *mine), _cut(raw[1], *mine), metrics))
        return answers

    def _call(
        self,
        population: Sequence[ScheduledRule],
        gains: np.ndarray,
        full: bool,
        episodes: Any,
        searches: np.ndarray,
    ) -> Raw:
        """Score a population on a part of the episodes, in its order."""
        everybody = np.arange(len(population))
        running = self.start(
            population, everybody, searches, gains=gains, full=full, episodes=episodes
        )
        return self._collect(running)

    def start(
        self,
        population: Sequence[ScheduledRule],
        places: np.ndarray,
        searches: np.ndarray,
        *,
        chunks: int = FOREVER,
        units: tuple[int, int] = (0, FOREVER),
        gains: np.ndarray | None = None,
        full: bool = False,
        episodes: Any = None,
    ) -> Running:
        """Hand the individuals in these places to the devices, which run them while this process goes on.

        They learn for so many chunks of steps on a range of units, the groups of one setting after another; on the
        training instances of the search that each belongs to, if no episodes are given.
        """
        raw, lanes, members = [], [], []
        for blocks in self.layout.deal(population, places.tolist(), searches):
            table, own = self.layout.pack(population, blocks, gains, chunks, units)
            data = self._resident.together if episodes is None else episodes
            raw.append(self._queue.submit(self._run[full], table, data))
            lanes.append(own)
            members += [i for block in blocks for i in block.members]
        return Running(raw, lanes, np.array(members, int))

    def _collect(self, running: Running) -> Raw:
        """Wait for the devices; the answers in the order of the population."""
        if not running.raw:
            nothing = self._no_qualities
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

    def qualities(self, running: Running) -> np.ndarray:
        """Wait for the devices; qualities of the members (member, setting, instance), nan where nothing has run."""
        some = [
            self._of_lanes([s[0] for s in raw.result()], lanes)
            for raw, lanes in zip(running.raw, running.lanes, strict=True)
        ]
        return np.concatenate(some) if some else self._no_qualities

    def _of_lanes(self, settings: Sequence[Array], lanes: list[int]) -> np.ndarray:
        def one(array: Array) -> np.ndarray:
            wide = np.moveaxis(np.asarray(array), -1, 1).reshape(self.blocks * self.width, -1)
            return wide[lanes]

        return np.stack([one(array) for array in settings], axis=1)

    @property
    def _no_qualities(self) -> np.ndarray:
        """Of no individuals."""
        first = self.arenas[0]
        return np.empty((0, len(first.settings), first.instances), np.float32)


def _cut(array: np.ndarray, individuals: np.ndarray, instances: int) -> np.ndarray:
    return array[individuals, ..., :instances]
