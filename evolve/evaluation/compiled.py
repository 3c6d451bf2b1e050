"""Rules compiled on their own, one or several in a program: where the interpreter does not reach, or costs more.

A program is made once for a rule's equations, what a setting depends on, and a shape; constants, rates and instances
are arguments. So another arena or seed of the same task compiles nothing, with or without a chip.

Up to `GROUPS_PER_CALL` groups of instances learn side by side, since a single rule on a small network leaves most of
a vector idle.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from itertools import cycle
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from evolve.evaluation import fixed_projections
from evolve.evaluation.arena import (
    Arena,
    Bounds,
    Raw,
    Scores,
    SettingKey,
    can_merge_lanes,
    learn,
    prefers_vmap,
)
from evolve.evaluation.evaluator import Gains
from evolve.evaluation.pending import PendingScores
from rules_zoo import RULES
from substrate.compilation.graph import Graph, lower_graph
from substrate.compilation.lowering import lower
from substrate.networks.base import require_compatible
from substrate.plasticity import Plasticity
from substrate.rule import Rule, Slow
from substrate.simulate import Episode
from tasks.base import Setting

#: Groups of instances that learn side by side.
GROUPS_PER_CALL = 10

#: Rules of one program: alone each costs twice as much to compile as with fifteen others.
RULES_PER_PROGRAM = 16


def _skeleton(rule: Rule) -> Rule:
    """What of a rule is compiled: its equations, not its name or the values of its constants."""
    constants = dict.fromkeys(rule.constants, 0.0)
    return replace(rule, name="compiled", constants=constants, reference="", note="")


def instances(
    rules: Sequence[Rule], arena: Arena, gains: Sequence[Sequence[float]] = ((1.0,),)
) -> list[Raw]:
    """Qualities, ceilings and metrics, (gain, setting, instance), of rules that become one program.

    Raises
    ------
    UserError
        If a rule reads what the task's network does not show.
    """
    require_all_compatible(rules, arena)
    skeletons = tuple(_skeleton(rule) for rule in rules)
    constants = [{k: np.float32(v) for k, v in rule.constants.items()} for rule in rules]
    factors = np.broadcast_to(np.asarray(gains, np.float32), (len(rules), len(gains[0])))
    answers = []
    for index, key in enumerate(arena.keys):
        width = groups_per_call(arena.episodes[index], len(gains[0]))
        run = _program(skeletons, key)
        answers.append(run(constants, factors, arena.side_by_side(index, width)))
    return [
        _ordered([answer[i] for answer in answers], arena, len(gains[0])) for i in range(len(rules))
    ]


def measure_all(
    rules: Sequence[Rule], arena: Arena, bounds: Bounds, gains: Gains | None = None
) -> dict[str, Scores]:
    """Score rules, each at its own gains; those with as many gains become one program."""
    own = {rule.name: (1.0,) if gains is None else tuple(gains[rule.name]) for rule in rules}
    bundles: dict[int, list[Rule]] = {}
    for rule in rules:
        bundles.setdefault(len(own[rule.name]), []).append(rule)
    measured: dict[str, Scores] = {}
    for bundle in bundles.values():
        found = instances(bundle, arena, [own[rule.name] for rule in bundle])
        for rule, (quality, _, metrics) in zip(bundle, found, strict=True):
            measured[rule.name] = Scores(bounds.normalise(quality), quality, metrics)
    return measured


def require_all_compatible(rules: Iterable[Rule], arena: Arena) -> None:
    """Refuse a rule that an arena's networks cannot run."""
    for rule in rules:
        require_compatible(rule, arena.observables)


def groups_per_call(episodes: Episode, gains: int) -> int:
    """How many groups learn side by side; the last call is filled up, so they are dealt out evenly."""
    if prefers_vmap(episodes):
        return 1
    groups = len(jax.tree.leaves(episodes.drive)[0])
    most = next(
        (
            n
            for n in range(GROUPS_PER_CALL, 1, -1)
            if can_merge_lanes(episodes, n * gains, leading=1)
        ),
        1,
    )
    calls = -(-groups // most)
    return -(-groups // calls)


@lru_cache(maxsize=512)
def _program(skeletons: tuple[Rule, ...], key: SettingKey) -> Any:
    """The program of some rules on one setting."""
    return jitted([partial(lower, rule) for rule in skeletons], key.setting, full=True)


Lowered = Callable[[Mapping[str, Array]], Plasticity]


def jitted(rules: Sequence[Lowered], setting: Setting, full: bool) -> Any:
    """One program for rules that get their constants when they run; with `full`, metrics come too."""

    @jax.jit
    def run(constants: list[dict[str, Array]], gains: Array, episodes: Any) -> list[Any]:
        """Gains are (rule, gain), episodes (call, ..., GROUP, width); answers (call, GROUP, width x gain)."""
        count = gains.shape[1]
        width = jax.tree.leaves(episodes)[0].shape[-1]
        factors = jnp.tile(gains, (1, width))

        def all_rules(episode: Any) -> list[Any]:
            merged = can_merge_lanes(episode, count)  # the inputs of all groups are there already
            if width > 1:
                episode = jax.tree.map(lambda a: jnp.repeat(a, count, axis=-1), episode)
            vmapped, answers = prefers_vmap(episode), []
            for rule, values, own in zip(rules, constants, factors, strict=True):
                answers.append(
                    learn(setting, rule(values), episode, own, merged, vmapped, full=full)
                )
            return answers

        return lax.map(all_rules, episodes)

    return run


def qualities(
    graphs: Sequence[Graph],
    arena: Arena,
    slow: tuple[Slow, ...] = (),
    gains: Sequence[float] | None = None,
) -> np.ndarray:
    """Qualities (individual, setting, instance) of rules that are met once: their programs are forgotten again."""
    bundles = [
        slice(first, first + RULES_PER_PROGRAM)
        for first in range(0, len(graphs), RULES_PER_PROGRAM)
    ]
    factors = np.ones((len(graphs), 1), np.float32)
    if gains is not None:
        factors[:, 0] = gains

    def one(bundle: slice, device: jax.Device) -> np.ndarray:
        some = graphs[bundle]
        other = fixed_projections.fixed_rules(arena.settings)
        lowered = [fixed_projections.with_fixed(lower_graph(graph, slow), other) for graph in some]
        rules = [partial(same, plasticity) for plasticity in lowered]
        with jax.default_device(device):
            answers = []
            for index, setting in enumerate(arena.settings):
                episodes = arena.side_by_side(index, groups_per_call(arena.episodes[index], 1))
                run = jitted(rules, setting, full=False)
                answers.append(run([{} for _ in some], factors[bundle], episodes))
            parts = ([answer[i] for answer in answers] for i in range(len(some)))
            return np.concatenate([_ordered(part, arena, 1)[0] for part in parts])

    with unkept():
        # Threads: compiling lets go of the interpreter lock, and so does learning.
        import joblib  # late: most runs never come here

        found = joblib.Parallel(n_jobs=-1, prefer="threads")(
            joblib.delayed(one)(b, d) for b, d in zip(bundles, cycle(jax.devices()), strict=False)
        )
    return np.concatenate(list(found))


def same(plasticity: Plasticity, constants: Mapping[str, Array]) -> Plasticity:
    """The plasticity of a rule without constants."""
    return plasticity


@contextmanager
def unkept() -> Iterator[None]:
    """Write no program to disk while the block runs: nobody will ask for it again."""
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, float("inf"))
    try:
        yield
    finally:
        jax.config.update(name, before)


def _ordered(parts: Iterable[Any], arena: Arena, gains: int) -> Raw:
    """(call, GROUP, width x gain) per setting -> (gain, setting, instance)."""

    def one(array: Array) -> np.ndarray:
        calls, group, lanes = array.shape
        cut = np.asarray(array).reshape(calls, group, lanes // gains, gains)
        return cut.transpose(3, 0, 2, 1).reshape(gains, -1)[:, : arena.instances]

    def stacked(arrays: Iterable[Array]) -> np.ndarray:
        return np.stack([one(a) for a in arrays], axis=1)

    qualities, ceilings, metrics = zip(*parts, strict=True)
    named: Mapping[str, list[Array]] = {k: [m[k] for m in metrics] for k in metrics[0]}
    return stacked(qualities), stacked(ceilings), {k: stacked(m) for k, m in named.items()}


def _each_at_1(graphs: Sequence[Sequence[Graph]]) -> list[list[float]]:
    """The task's own learning rate for every rule of several searches."""
    return [[1.0] * len(some) for some in graphs]


class Compiled:
    """Scores rules by compiling each, up to `RULES_PER_PROGRAM` in one program.

    Rules of a search are met once, and their programs are forgotten; those of known rules are kept.

    Parameters
    ----------
    arenas
        The training instances of the searches.
    slow
        Scope and initial value of slow variables that rules may have.
    """

    lanes = width = 1  # every rule costs
    asynchronous = races = False

    def __init__(self, arenas: Sequence[Arena], slow: tuple[Slow, ...] = ()) -> None:
        self.arenas, self.slow = tuple(arenas), slow
        self._measured: WeakKeyDictionary[Arena, Bounds] = WeakKeyDictionary()

    def on(self, arenas: Sequence[Arena], capacity: int) -> "Compiled":
        """The same for other networks; every rule is compiled, so any number fits."""
        return Compiled(arenas, self.slow)

    def warm(self) -> None:
        """Nothing can be compiled before its rule is known."""

    def begin(
        self,
        wanted: Sequence[Sequence[Graph]],
        thresholds: Sequence[Sequence[float]] | None = None,
        gains: Sequence[Sequence[float]] | None = None,
    ) -> PendingScores:
        """Fitness of the rules of several searches, each on its training instances; the work is done when asked."""
        yield [
            self._scores(graphs, arena, own).fitness if graphs else np.empty(0)
            for graphs, arena, own in zip(
                wanted, self.arenas, gains or _each_at_1(wanted), strict=True
            )
        ]

    def score_graphs(
        self,
        graphs: Sequence[Sequence[Graph]],
        arenas: Sequence[Arena],
        gains: Sequence[Sequence[float]] | None = None,
    ) -> list[np.ndarray]:
        """Scores of rules on the arena in their place: (individual, instance of all settings)."""
        return [
            self._scores(some, arena, own).score.reshape(len(some), -1)
            for some, arena, own in zip(graphs, arenas, gains or _each_at_1(graphs), strict=True)
        ]

    def measure(
        self, rules: Sequence[Sequence[Rule]], arenas: Sequence[Arena], gains: Gains | None = None
    ) -> list[dict[str, Scores]]:
        """Score lists of rules on the arena in their place."""
        for some, arena in zip(rules, arenas, strict=True):
            require_all_compatible(some, arena)
        return [
            measure_all(some, arena, self.bounds(arena), gains)
            for some, arena in zip(rules, arenas, strict=True)
        ]

    def _scores(self, graphs: Sequence[Graph], arena: Arena, gains: Sequence[float]) -> Scores:
        quality = qualities(graphs, arena, self.slow, gains)
        return Scores(self.bounds(arena).normalise(quality), quality, {})

    def bounds(self, arena: Arena) -> Bounds:
        """What 0 and 1 mean on an arena; measured once, at rate 0, if the arena does not say."""
        if arena.bounds is not None:
            return arena.bounds
        if arena not in self._measured:
            quality, ceiling, _ = instances([RULES["frozen"]], arena, ((0.0,),))[0]
            self._measured[arena] = Bounds(quality[0], ceiling[0])
        return self._measured[arena]

    def bounds_of(self, arenas: Sequence[Arena]) -> list[Bounds]:
        """The same for several arenas."""
        return [self.bounds(arena) for arena in arenas]
