"""The choice of the engine: what interpreter and compiled rules cost, and the coefficients that follow.

The least of several repeats counts, since whatever else runs on the machine only adds. The coefficients belong into
`evolve.config.engine_choice.COSTS`; nothing reads them from here.
"""

import time
from functools import partial
from typing import Any

import jax
import numpy as np

from evolve.bench.figures import Figure, Say
from evolve.bench.workloads import Sizes, training
from evolve.config import engine_choice
from evolve.config.run_config import RunConfig
from evolve.evaluation import compiled
from evolve.evaluation.arena import Arena
from evolve.evaluation.interpreter import Interpreter
from substrate.compilation.graph import Graph, Node, Number, lower_graph

#: Operations of the rules between which costs are drawn as a line, and rules of one program.
SHORT, LONG, BUNDLE_SIZES = 4, 12, (1, 4, 16)


def measure(sizes: Sizes, say: Say) -> list[Figure]:
    """All figures of the choice."""
    config = RunConfig(options={"dimensions": [64], "samples": 500})
    arena = training(config)
    each = engine_choice.size(config, config.instances.train)[0]
    repeats, count = sizes.repeats, 64
    say("compiling the interpreter")
    interpreter = Interpreter(arena, config.machines, count)
    began = time.perf_counter()
    interpreter.fitness([chain(SHORT, 0)])
    figures = [
        _figure("start", "compile the interpreter, or load it", "s", [time.perf_counter() - began])
    ]
    slopes: dict[str, dict[int, float]] = {"interpreter": {}, "compiled": {}}
    for length in (SHORT, LONG):
        say(f"rules of {length} operations on 10 sets x 64 x 500")
        graphs = [chain(length, i) for i in range(count)]
        some = graphs[: BUNDLE_SIZES[-1]]
        run = _program(some, arena)
        ways = {
            "interpreter": (partial(interpreter.fitness, graphs), count),
            "compiled": (run, len(some)),
        }
        for name, (way, rules) in ways.items():
            spent = [1e9 * s / rules / each for s in _seconds(way, repeats)]
            what = f"{length} operations, {name}"
            figures.append(_figure(f"{name}.{length}", what, "ns an update", spent))
            slopes[name][length] = min(spent)
    for bundle in BUNDLE_SIZES:
        say(f"compiling {bundle} in a program")
        spent = []
        for turn in range(min(repeats, 3)):
            graphs = [chain(7, 1 + turn * bundle + i) for i in range(bundle)]
            began = time.perf_counter()
            _program(graphs, arena)
            spent.append((time.perf_counter() - began) / bundle)
        figures.append(
            _figure(f"compile.{bundle}", f"compile, {bundle} rules a program", "s a rule", spent)
        )
    alone, among = (min(f.values) for f in (figures[-len(BUNDLE_SIZES)], figures[-1]))
    most = BUNDLE_SIZES[-1]
    rule = (most * among - alone) / (most - 1)
    follow = {"start": figures[0].values[0], "program": max(0.0, alone - rule), "rule": rule}
    for name, (base, per) in {
        "interpreter": ("interpreted", "instruction"),
        "compiled": ("compiled", "operation"),
    }.items():
        low, high = slopes[name][SHORT], slopes[name][LONG]
        follow[per] = max(0.0, (high - low) / (LONG - SHORT))
        follow[base] = max(0.0, low - SHORT * follow[per])
    return figures + [
        _figure(
            f"coefficient.{name}",
            f"COSTS.{name}, now {getattr(engine_choice.COSTS, name):g}",
            "",
            [value],
        )
        for name, value in follow.items()
    ]


def chain(length: int, number: int) -> Graph:
    """A rule of so many operations that hardly changes a weight, so that no lane ends early; numbers differ."""
    nodes = [Node("mul", "post", "pre")]
    for i in range(length - 2):
        function, operand = (("mul", "w"), ("sub", "pre"), ("add", "post"))[(i + number) % 3]
        nodes.append(Node(function, len(nodes) - 1, operand))
    nodes.append(Node("mul", len(nodes) - 1, Number(1e-4 / (1 + number))))
    return Graph(tuple(nodes), {"dw": len(nodes) - 1})


def _program(graphs: list[Graph], arena: Arena) -> Any:
    """A program of these rules on an arena of one setting, compiled."""
    rules = [partial(compiled.same, lower_graph(graph)) for graph in graphs]
    episodes = arena.side_by_side(0, compiled.groups_per_call(arena.episodes[0], 1))
    nothing: list[dict[str, Any]] = [{} for _ in graphs]
    arguments = nothing, np.ones((len(graphs), 1), np.float32), episodes
    with compiled.unkept():
        made = compiled.jitted(rules, arena.settings[0], full=False).lower(*arguments).compile()
    return lambda: jax.block_until_ready(made(*arguments))


def _seconds(way: Any, repeats: int) -> list[float]:
    way()
    spent = []
    for _ in range(repeats):
        began = time.perf_counter()
        way()
        spent.append(time.perf_counter() - began)
    return spent


def _figure(name: str, what: str, unit: str, values: list[float]) -> Figure:
    return Figure(f"choice.{name}", what, unit, "less", tuple(values))
