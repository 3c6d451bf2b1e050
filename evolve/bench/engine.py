"""The engine: random rules in the interpreter, the same rules compiled on their own, one rule on a large layer."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.experimental.compilation_cache import compilation_cache

from evolve.bench.figures import Figure, Say, in_turns, ratio, timed
from evolve.bench.workloads import Sizes, published, random_rules, training, updates, wide, words
from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import Arena, can_merge_lanes, learn
from evolve.evaluation.interpreter import Interpreter, forget_programs
from rules_zoo import RULES
from substrate.compilation.graph import Graph, to_rule
from substrate.compilation.lowering import lower
from substrate.networks.feedforward import feedforward
from substrate.rule import Rule
from substrate.simulate import NO_READING, Episode, simulate


def measure(sizes: Sizes, say: Say) -> list[Figure]:
    """All figures of the engine."""
    configs = {
        "published": (published(sizes), sizes.rules),
        "wide": (wide(sizes), sizes.wide_rules),
    }
    figures = []
    for name, (config, count) in configs.items():
        say(f"{count} random rules on the {name} data, in the interpreter and compiled alone")
        figures += _population(name, config, count, sizes)
    say("one rule on a large layer, beside the same by hand")
    return figures + _layer(sizes)


@contextmanager
def _compiling() -> Iterator[None]:
    """Do not look for compiled programs on disk while the block runs."""
    before = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    compilation_cache.reset_cache()  # JAX asks only once whether there is one
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        compilation_cache.reset_cache()


def _population(name: str, config: RunConfig, count: int, sizes: Sizes) -> list[Figure]:
    """Random rules on one kind of data: speed, compile seconds, and the share of what compiling each would give."""
    arena = training(config)
    interpreter = Interpreter(arena, config.machines, count)
    graphs = random_rules(config, count, interpreter)
    codes = [interpreter.schedule(graph) for graph in graphs]
    few = graphs[: min(sizes.alone, count)]
    alone = Alone([to_rule(graph, f"random{i}") for i, graph in enumerate(few)], arena)
    small = Interpreter(arena, config.machines, len(few))
    with _compiling():
        twice = range(min(2, sizes.repeats))
        compiling = tuple(_first_call(arena, config, graphs[0]) for _ in twice)
        compile_alone = timed(alone) / len(few)
    seconds = in_turns(
        {
            "fitness": lambda: interpreter.fitness(graphs),
            "call": lambda: interpreter.score(codes),
            "few": lambda: small.score(codes[: len(few)]),
            "alone": alone,
        },
        sizes.repeats,
    )
    slow = [timed(partial(numpy_weights, graph, arena)) for graph in few[:3]]
    work = updates(config)
    size = {"rules": count, "data": words(config), "updates_per_rule": work}
    per_rule = [1e6 * s / count for s in seconds["fitness"]]
    whole = seconds["fitness"]
    prefix = f"engine.{name}"
    return [
        Figure(
            f"{prefix}.us_per_rule",
            f"{count} random rules, scheduling included",
            "us a rule",
            "less",
            tuple(per_rule),
            size,
        ),
        Figure(
            f"{prefix}.rules_per_second",
            f"{count} random rules, scheduling included",
            "rules/s",
            "more",
            tuple(count / s for s in whole),
        ),
        Figure(
            f"{prefix}.updates_per_second",
            "synapse updates in the interpreter's call",
            "million/s",
            "more",
            tuple(1e-6 * count * work / s for s in seconds["call"]),
        ),
        Figure(
            f"{prefix}.compile_seconds",
            "compiling the interpreter, once",
            "s",
            "less",
            compiling,
        ),
        Figure(
            f"{prefix}.alone_compile_seconds",
            f"compiling {len(few)} rules alone",
            "s a rule",
            "less",
            (compile_alone,),
        ),
        Figure(
            f"{prefix}.share_of_alone",
            f"speed over {len(few)} rules compiled alone",
            "share",
            "more",
            ratio(seconds["alone"], seconds["few"]),
        ),
        Figure(
            f"{prefix}.times_numpy",
            "speed over a NumPy loop, all data sets at once",
            "times",
            "more",
            tuple(1e6 * s / median(per_rule) for s in slow),
        ),
    ]


def _first_call(arena: Arena, config: RunConfig, graph: Graph) -> float:
    """Seconds until an interpreter answers for the first time, less those of its second answer."""
    forget_programs()
    interpreter = Interpreter(arena, config.machines, 1)
    first, second = (timed(lambda: interpreter.fitness([graph])) for _ in range(2))
    return first - second


class Alone:
    """Rules compiled on their own, the limit of any engine in JAX: one program a device, all its rules in a row."""

    def __init__(self, rules: Sequence[Rule], arena: Arena) -> None:
        devices = jax.devices()
        shares = [rules[i :: len(devices)] for i in range(len(devices))]
        self.work = [
            (self._program(share, arena), jax.device_put(arena.episodes[0], device))
            for share, device in zip(shares, devices, strict=True)
            if share
        ]
        self.pool = ThreadPoolExecutor(len(self.work))

    @staticmethod
    def _program(rules: Sequence[Rule], arena: Arena) -> Callable[[Any], Any]:
        setting = arena.settings[0]

        def one(rule: Rule, episodes: Any) -> Array:
            merged = can_merge_lanes(episodes, 1)
            gains = jnp.ones(1, jnp.float32)
            return lax.map(
                lambda e: learn(setting, lower(rule), e, gains, merged, full=False)[0], episodes
            )

        return jax.jit(lambda episodes: [one(rule, episodes) for rule in rules])

    def __call__(self) -> list[np.ndarray]:
        """Qualities of all rules, the devices at work at the same time."""
        answers = self.pool.map(lambda w: jax.block_until_ready(w[0](w[1])), self.work)
        return [np.asarray(a) for answer in answers for a in answer]


#: What the published search computes with, as NumPy has it.
UFUNCS = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def numpy_weights(graph: Graph, arena: Arena) -> np.ndarray:
    """Learn with one rule as a careful user writes it: a loop over samples, vectorised over data sets."""
    drive = np.moveaxis(np.asarray(arena.episodes[0].drive)[..., 0], 3, 2)  # (group, step, K, n)
    x_all = np.concatenate(list(drive), axis=1)
    w = np.concatenate([w0[0, :, :, 0].T for w0 in arena.episodes[0].w0])  # (K, n)
    output = graph.outputs["dw"]
    assert isinstance(output, int), "a random rule has operations"
    with np.errstate(all="ignore"):
        for x in x_all:
            observed: dict[Any, Any] = {
                "pre": x,
                "w": w,
                "post": (w * x).sum(axis=1, keepdims=True),
            }
            for i, (function, a, b) in enumerate(graph.nodes):
                observed[i] = UFUNCS[function](_value(observed, a), _value(observed, b))
            w = w + arena.settings[0].rate * observed[output]
    return w


def _value(observed: dict[Any, Any], operand: Any) -> Any:
    return operand.value if hasattr(operand, "value") else observed[operand]


def by_hand(rate: float) -> Callable[[Array, Array], Array]:
    """Oja's rule for a layer as one writes it in JAX without this platform."""

    def step(w: Array, x: Array) -> tuple[Array, None]:
        y = w @ x
        return w + rate * (y[:, None] * x - (y * y)[:, None] * w), None

    return jax.jit(lambda w, xs: lax.scan(step, w, xs)[0])


def subspace_by_hand(rate: float) -> Callable[[Array, Array], Array]:
    """Oja's subspace rule likewise."""

    def step(w: Array, x: Array) -> tuple[Array, None]:
        y = w @ x
        return w + rate * jnp.outer(y, x - y @ w), None

    return jax.jit(lambda w, xs: lax.scan(step, w, xs)[0])


def _layer(sizes: Sizes) -> list[Figure]:
    """One rule on one large layer and one instance, through `lower` and `simulate`, and by hand."""
    inputs, outputs, steps = sizes.layer
    rng = np.random.default_rng(0)
    xs = jnp.asarray(rng.normal(size=(steps, inputs)) / np.sqrt(inputs), jnp.float32)
    w0 = jnp.asarray(rng.normal(size=(outputs, inputs)) / np.sqrt(inputs), jnp.float32)
    episode = Episode(xs[..., None, None], w0[..., None, None], {})
    rate = 0.01
    figures = []
    for name, lateral, hand in (
        ("oja", False, by_hand(rate)),
        ("oja_subspace", True, subspace_by_hand(rate)),
    ):
        network, rule = feedforward("linear", lateral), RULES[name]

        @jax.jit
        def ours(episode: Episode, network: Any = network, rule: Rule = rule) -> Array:
            rates = jnp.full((1, 1), rate, jnp.float32)
            trace = simulate(network, lower(rule), episode, rates, NO_READING, 1)
            return trace.state.w[..., 0, 0]

        difference = float(jnp.abs(ours(episode) - hand(w0, xs)).max())
        seconds = in_turns(
            {
                "ours": lambda: jax.block_until_ready(ours(episode)),
                "hand": lambda: jax.block_until_ready(hand(w0, xs)),  # noqa: B023
            },
            2 * sizes.repeats + 1,
        )
        where = f"{name} on {inputs}-{outputs}"
        figures += [
            Figure(
                f"engine.layer.{name}.us_per_step",
                f"{where}, one instance",
                "us a step",
                "less",
                tuple(1e6 * s / steps for s in seconds["ours"]),
            ),
            Figure(
                f"engine.layer.{name}.by_hand_us_per_step",
                f"{where}, by hand in plain JAX",
                "us a step",
                "less",
                tuple(1e6 * s / steps for s in seconds["hand"]),
            ),
            Figure(
                f"engine.layer.{name}.speed_of_hand",
                f"{where}, speed over that by hand",
                "share",
                "more",
                ratio(seconds["hand"], seconds["ours"]),
                {"difference": difference},
            ),
        ]
    return figures
