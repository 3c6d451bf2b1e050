"""The interpreter computes what the rule says: against plain Python, and against the compiled rule in a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from evolve.search.genome import Grid, express, random_genome
from substrate.compilation.graph import Graph, Node, Number, from_rule, to_rule
from substrate.compilation.interpreter import DoesNotFit, Machine, interpret
from substrate.compilation.lowering import lower
from substrate.functions import FUNCTIONS, PRIMITIVES
from substrate.networks.feedforward import feedforward
from substrate.plasticity import Plasticity
from substrate.rule import Slow
from substrate.simulate import NO_READING, Episode, simulate
from tests.support.graphs import evaluate

TERMINALS = ("pre", "post", "w")


def random_graph(rng, columns=12, primitives=PRIMITIVES, outputs=("dw",), terminals=TERMINALS):
    grid = Grid((*terminals, Number(0.5)), primitives, columns, evolved=2, outputs=outputs)
    return express(grid, random_genome(grid, rng)).graph


def run_program(code, machine, seen):
    programs, lengths = machine.assemble([code], [0], 1, 1)
    programs = jax.tree.map(lambda a: jnp.asarray(a[0]), programs)
    return interpret({"dw": programs}, {"dw": jnp.int32(lengths[0])}, machine).forward(seen)


@pytest.mark.parametrize("columns", [8, 12, 60])
def test_schedule_keeps_the_meaning_of_graphs(columns):
    machine = Machine(TERMINALS, PRIMITIVES, registers=6, segments=64)
    rng = np.random.default_rng(columns)
    seen = {n: jnp.asarray(rng.normal(size=(1, 1, 8, 1)), jnp.float32) for n in TERMINALS}
    execute = jax.jit(lambda p, n: interpret({"dw": p}, {"dw": n}, machine).forward(seen))
    nodes = 0
    for _ in range(150):
        graph = random_graph(rng, columns)
        nodes += len(graph.nodes)
        (code,) = machine.schedule(graph).values()
        programs, lengths = machine.assemble([code], [0], 1, 1)
        got = execute(jax.tree.map(lambda a: jnp.asarray(a[0]), programs), jnp.int32(lengths[0]))
        want = jnp.broadcast_to(evaluate(graph, seen), got.shape)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    assert nodes > 100, "the graphs should be more than terminals"


def test_a_node_is_not_taken_for_a_number():
    """Node 0 and the number 0.0 are equal in Python; an operand must not be confused by it."""
    graph = Graph((Node("add", "pre", "w"), Node("min", 0, Number(0.0))), {"dw": 1})
    machine = Machine(TERMINALS, ("min",))
    seen = {n: jnp.full((1, 1, 1, 1), v) for n, v in zip(TERMINALS, (1.0, 2.0, 3.0), strict=True)}
    assert float(run_program(machine.schedule(graph)["dw"], machine, seen).item()) == 0.0


SPECIAL = (0.0, -1.0, 0.5, 300.0, 1e8, 1e30, -3e38, float("inf"), float("-inf"), float("nan"))


def test_overflow_goes_on_as_in_the_graph():
    """Infinity, NaN and zero in all places: an instruction ignores what its function ignores."""
    seen = {
        n: jnp.asarray(a.reshape(1, 1, -1, 1), jnp.float32)
        for n, a in zip(TERMINALS, np.meshgrid(*[SPECIAL] * 3), strict=True)
    }
    machine = Machine(TERMINALS, PRIMITIVES, registers=12, segments=64)
    execute = jax.jit(lambda p, n: interpret({"dw": p}, {"dw": n}, machine).forward(seen))
    rng = np.random.default_rng(0)
    some = [random_graph(rng, 20) for _ in range(60)]
    some += [
        Graph((Node(f, a, b),), {"dw": 0})
        for f in PRIMITIVES
        for a, b in (("pre", "w"), ("w", "w"))
    ]
    power = [Node("mul", i - 1 if i else "w", i - 1 if i else "w") for i in range(6)]
    some += [  # w**64 overflows, and the result does not depend on how far
        Graph(
            (*power, Node("step", 5, 5), Node("mul", 6, "post"), Node("sub", "pre", 7)), {"dw": 8}
        ),
        Graph((*power, Node("tanh", 5, 5), Node("mul", "post", "w"), Node("add", 7, 6)), {"dw": 8}),
        Graph(
            (*power, Node("min", 5, "post"), Node("mul", "pre", "w"), Node("sub", 7, 6)), {"dw": 8}
        ),
    ]
    finite = 0
    for graph in some:
        (code,) = machine.schedule(graph).values()
        programs, lengths = machine.assemble([code], [0], 1, 1)
        got = execute(jax.tree.map(lambda a: jnp.asarray(a[0]), programs), jnp.int32(lengths[0]))
        want = jnp.broadcast_to(evaluate(graph, seen), got.shape)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want), str(graph))
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=str(graph))
        finite += int(np.isfinite(want).sum())
    assert finite > 10_000


@pytest.mark.parametrize("name", PRIMITIVES)
def test_no_function_hides_what_is_not_a_number(name):
    function = FUNCTIONS[name]
    nan, one = jnp.float32(jnp.nan), jnp.float32(1)
    for given in ((nan, one), (one, nan))[: function.arity]:
        assert jnp.isnan(function.jax(*given[: function.arity]))


def test_a_division_overflows_only_where_its_value_does():
    div = jax.jit(FUNCTIONS["div"].jax)
    cases = {
        (1e20, 2e20): 0.5,
        (1e38, 3e38): 1 / 3,
        (3.0, jnp.inf): 0,
        (0.0, 0.0): 0,
        (2.0, 0.0): 0,
        (1e36, 1e-6): 1e36,
    }
    for (a, b), wanted in cases.items():
        assert float(div(jnp.float32(a), jnp.float32(b))) == pytest.approx(wanted, rel=1e-5)
    for a, b in ((2.0, 0.0), (2.0, 2e-3), (-1.0, 0.5), (3.0, 1e12)):
        exact = a * (1e-6 - b * b) / (b * b + 1e-6) ** 2
        assert float(jax.grad(div, argnums=1)(a, b)) == pytest.approx(exact, rel=1e-4, abs=1e-20)


def test_what_does_not_fit_says_so():
    machine = Machine(TERMINALS, (), registers=1, segments=1)
    deep = [
        Node("mul", "pre", "w"),
        Node("add", 0, "post"),
        Node("mul", "w", "w"),
        Node("add", 2, "pre"),
    ]
    deep += [Node("mul", 1, 3), Node("sub", "post", "pre"), Node("mul", 5, "w"), Node("add", 4, 6)]
    with pytest.raises(DoesNotFit):
        machine.schedule(Graph(tuple(deep), {"dw": 7}))


def episode(rng, instances=4, inputs=3, steps=120):
    drive = rng.normal(size=(steps, inputs, instances, 1)).astype(np.float32)
    w0 = 0.3 * rng.normal(size=(1, inputs, instances, 1)).astype(np.float32)
    return Episode(jnp.asarray(drive), jnp.asarray(w0), {})


def weights_interpreted(graphs, machine, where, rate, slow=()):
    """Of graphs side by side, each on its own lane."""
    codes = [machine.schedule(g) for g in graphs]
    programs, lengths = {}, {}
    for name in graphs[0].outputs:
        own = [c[name] for c in codes]
        packed, length = machine.assemble(own, range(len(codes)), 1, len(codes))
        programs[name] = jax.tree.map(lambda a: jnp.asarray(a[0]), packed)
        lengths[name] = jnp.int32(length[0])
    plasticity = interpret(programs, lengths, machine, slow)
    run = jax.jit(lambda e: simulate(feedforward(), plasticity, e, rate, NO_READING, len(graphs)))
    trace = run(where)
    return np.asarray(trace.state.w), np.asarray(trace.alive)


def weights_lowered(rules, where, rate):
    """Of rules that are compiled, one lane each."""

    @jax.jit
    def run(e):
        traces = [simulate(feedforward(), lower(r), e, rate, NO_READING, 1) for r in rules]
        return [
            jnp.concatenate(a, -1)
            for a in zip(*((t.state.w, t.alive) for t in traces), strict=True)
        ]

    return tuple(map(np.asarray, run(where)))


def relative_gap(a, b):
    return np.max(np.abs(a - b)) / max(1.0, np.max(np.abs(b)))


def side_by_side(rules):
    """Compiled rules in one program, each on its own lane."""
    lowered = [lower(rule).forward for rule in rules]

    def forward(seen):
        shape = (*seen["w"].shape[:-1], 1)
        lanes = [
            {k: v[..., i : i + 1] if v.shape[-1] > 1 else v for k, v in seen.items()}
            for i in range(len(rules))
        ]
        parts = [jnp.broadcast_to(f(s), shape) for f, s in zip(lowered, lanes, strict=True)]
        return jnp.concatenate(parts, axis=-1)

    return Plasticity({"forward": forward}, {})


def test_interpreter_and_lowering_agree_on_random_genomes():
    """100 random genomes learn in a network: interpreted, and each rule compiled from its SymPy form."""
    rng = np.random.default_rng(7)
    machine = Machine(TERMINALS, PRIMITIVES, segments=16)
    graphs = [random_graph(rng, 30) for _ in range(100)]
    where, rate = episode(rng), jnp.full((1, 1), 0.01)
    w, alive = weights_interpreted(graphs, machine, where, rate)
    rules = [to_rule(graph, "random") for graph in graphs]
    alone = jax.jit(
        lambda e: simulate(feedforward(), side_by_side(rules), e, rate, NO_READING, len(rules))
    )
    trace = alone(where)
    # Steep rules amplify rounding: they are compared with themselves, begun one rounding away.
    nearby = np.asarray(alone(where._replace(w0=where.w0 * (1 + 2.0**-22))).state.w)
    np.testing.assert_array_equal(alive, trace.alive)
    scale = np.maximum(1.0, np.abs(w))
    gap, slack = (np.abs(a - np.asarray(trace.state.w)) / scale for a in (w, nearby))
    steep = slack > 1e-5
    assert steep.mean() < 0.02
    assert gap[~steep].max() < 1e-4 and np.all(gap[steep] < 100 * slack[steep])
    assert len({str(rule.dw) for rule in rules}) > 50, "most genomes should be different rules"
    moved = np.abs(w - np.asarray(where.w0)).max(axis=(0, 1, 2)) > 1e-3
    assert np.mean(moved) > 0.7, "most rules should learn something"


def test_slow_variables_agree_too():
    rng = np.random.default_rng(3)
    slow = (Slow("trace", 0, "synapse", 0.5),)
    terminals = (*TERMINALS, "trace")
    machine = Machine(terminals, ("add", "sub", "mul", "tanh"), segments=16)
    where, rate = episode(rng), jnp.full((1, 1), 0.01)
    graphs, rules = [], []
    while len(graphs) < 8:
        graph = random_graph(rng, 12, machine.functions, ("dw", "d_trace"), terminals)
        if "trace" in str((rule := to_rule(graph, "x", slow)).dw):
            graphs.append(graph)
            rules.append(rule)
    together, alive = weights_interpreted(graphs, machine, where, rate, slow)
    alone, lives = weights_lowered(rules, where, rate)
    np.testing.assert_array_equal(alive, lives)
    assert alive.any(axis=0).sum() > 4, "most should stay finite"
    for i, ok in enumerate(alive.T):
        if ok.any():
            assert relative_gap(together[:, :, ok, i], alone[:, :, ok, i]) < 1e-4


def test_zoo_rules_survive_the_way_through_graphs(rule):
    """from_rule keeps the equations: checked on numbers, with every symbol at a random value."""
    rng = np.random.default_rng(1)
    graph = from_rule(rule)
    back = to_rule(graph, rule.name, rule.slow)
    symbols = sorted({str(s) for e in rule.equations.values() for s in e.free_symbols})
    values = {s: float(rng.uniform(0.5, 1.5)) for s in symbols} | dict(rule.constants)
    for name, equation in rule.equations.items():
        want = float(equation.subs(values))
        assert float(back.equations[name].subs(values)) == pytest.approx(want, rel=1e-9)
