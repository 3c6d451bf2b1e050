"""Rules expanded to polynomials: the coefficients against SymPy, the values against the rule, what does not fit."""

import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from evolve.evaluation import signal_range
from evolve.evaluation.arena import Arena
from evolve.evaluation.interpreter import Interpreter
from evolve.search.genome import Grid, express, random_genome
from rules_zoo import RULES
from substrate.compilation.graph import Graph, Node, Number, from_rule, to_rule
from substrate.compilation.interpreter import DoesNotFit, Machine, interpret
from substrate.compilation.polynomials import Polynomials
from substrate.vocabulary import names
from tasks import FAMILIES
from tests.support.graphs import evaluate

TERMINALS = ("pre", "post", "w")


def graphs(count, seed, columns=12):
    grid = Grid((*TERMINALS, Number(2.0)), ("add", "sub", "mul"), columns)
    rng = np.random.default_rng(seed)
    return [express(grid, random_genome(grid, rng)).graph for _ in range(count)]


def value(codes, polynomials, seen):
    packed, used = polynomials.assemble([codes], [0], 1, 1)
    assert used.tolist() == [1]
    plasticity = interpret({"dw": jnp.asarray(packed[0])}, {"dw": jnp.int32(1)}, polynomials)
    return plasticity.forward(seen)


def fitting(polynomials, some):
    for graph in some:
        try:
            yield graph, polynomials.schedule(graph)["dw"]
        except DoesNotFit:
            continue


def test_coefficients_are_those_of_the_expanded_formula():
    polynomials = Polynomials(TERMINALS, 3)
    symbols = names(" ".join(TERMINALS))
    met = 0
    for graph, codes in fitting(polynomials, graphs(300, 0)):
        formula = sympy.Poly(to_rule(graph, "random").dw, *symbols)
        found = {polynomials.exponents[p]: v for p, v in zip(*codes, strict=True)}
        assert found == {e: int(c) for e, c in formula.terms() if c}
        met += len(found) > 2
    assert met > 40


def test_what_is_refused_has_too_high_a_degree_or_no_integer_coefficients():
    polynomials = Polynomials(TERMINALS, 2)
    symbols = names(" ".join(TERMINALS))
    some = graphs(300, 1, columns=30)
    fits = {id(graph) for graph, _ in fitting(polynomials, some)}
    refused = [g for g in some if id(g) not in fits]
    # x*x*x - x*x*x + y is refused too, since terms may cancel only at the end: at most a few are.
    low = [
        g
        for g in refused
        if sympy.Poly(to_rule(g, "random").dw, *symbols).total_degree() <= polynomials.degree
    ]
    assert len(refused) > 20 and len(low) < len(refused) / 4
    for graph in (
        Graph((Node("mul", "w", Number(0.5)),), {"dw": 0}),
        Graph((Node("div", "pre", "w"),), {"dw": 0}),
        Graph((Node("mul", "w", Number(2.0**31)),), {"dw": 0}),
        Graph((), {"dw": Number(2.0**40)}),
    ):
        with pytest.raises(DoesNotFit):
            polynomials.schedule(graph)


@pytest.mark.parametrize(
    "inputs", [3, 8]
)  # the neuron's own value is put in first where it has many synapses
@pytest.mark.parametrize("degree", [2, 3, 5])
def test_values_are_those_of_the_rule(degree, inputs):
    polynomials = Polynomials(TERMINALS, degree)
    rng = np.random.default_rng(degree)
    shapes = {"pre": (1, inputs, 4, 1), "post": (2, 1, 4, 1), "w": (2, inputs, 4, 1)}
    seen = {n: jnp.asarray(rng.normal(size=s), jnp.float32) for n, s in shapes.items()}
    for graph, codes in fitting(polynomials, graphs(60, degree)):
        wanted = np.broadcast_to(evaluate(graph, seen), shapes["w"])
        assert np.allclose(value(codes, polynomials, seen), wanted, rtol=1e-4, atol=1e-4)


def test_rules_that_are_equal_as_formulas_learn_alike_to_the_last_bit():
    options = FAMILIES["pca"].options(dimensions=[3], samples=300)
    arena = Arena(FAMILIES["pca"], options, 0, "train", 10)
    one = from_rule(RULES["oja"])
    other = Graph(  # post*pre - w*post*post
        (
            Node("mul", "post", "pre"),
            Node("mul", "post", "post"),
            Node("mul", "w", 1),
            Node("sub", 0, 2),
        ),
        {"dw": 3},
    )
    interpreter = Interpreter(arena, [Polynomials(TERMINALS, 2)], 8)
    first, second = interpreter.fitness([one, other])
    assert one != other and first == second


def test_rules_are_multiplied_out_only_where_signals_are_small():
    """Inputs of `pca` are near 1; the same data as rates in Hz follow the instructions."""
    options = FAMILIES["pca"].options(dimensions=[3], samples=300)
    machine = Machine(TERMINALS, ("add", "sub", "mul"), registers=12, segments=64)
    arena, rates = (Arena(FAMILIES["pca"], options, 0, "train", 10) for _ in range(2))
    (episode,) = rates.episodes
    rates.episodes = (episode._replace(drive=100 + 10 * episode.drive),)
    machines = [Polynomials(TERMINALS, 6), machine]
    assert Interpreter(arena, machines, 8).machines == tuple(machines)
    assert Interpreter(rates, machines, 8).machines == (machine,)
    assert Interpreter([arena, rates], machines, 8).machines == (machine,)


@pytest.mark.parametrize(("offset", "kept"), [(0.0, True), (6.0, False)])
def test_signals_are_measured_where_the_data_hold_other_numbers(offset, kept):
    """A drive that holds keys or counts says nothing about what the synapses observe."""
    options = FAMILIES["pca"].options(dimensions=[3], samples=300)
    arena = Arena(FAMILIES["pca"], options, 0, "train", 10)
    (episode,) = arena.episodes
    arena.episodes = (episode._replace(drive=offset + episode.drive),)
    (setting,) = arena.settings
    largest = signal_range._largest(setting, arena.episodes[0], TERMINALS)
    x, w = np.asarray(arena.episodes[0].drive), np.asarray(arena.episodes[0].w0)
    post = (w[:, None] * x[:, :, None]).sum(axis=3)
    expected = max(np.abs(a).max() for a in (x, post, w))
    assert largest == pytest.approx(expected, rel=1e-4)
    assert signal_range._signals_within(arena, TERMINALS) == kept


def test_a_trial_tells_what_the_whole_would_have_told():
    """Long rules are tried on a first chunk; whoever lives gets the score it would have had."""
    options = FAMILIES["pca"].options(dimensions=[2], samples=600)
    arena = Arena(FAMILIES["pca"], options, 0, "train", 10)
    machine = Machine(TERMINALS, ("add", "sub", "mul"), registers=12, segments=64)
    interpreter = Interpreter(arena, [machine], 32)
    some = [g for g in graphs(400, 5, columns=150) if len(g.nodes) > 20][:40]
    some.append(_long(from_rule(RULES["oja"])))
    found = interpreter.fitness(some)
    whole = interpreter.score([interpreter.schedule(g) for g in some]).fitness
    assert np.array_equal(found, whole)
    assert np.mean(found == -1) > 0.3 and found[-1] > 0.3
    assert min(interpreter.schedule(g).length for g in some) > 16


def _long(graph):
    """The same formula with what adds up to nothing."""
    nodes, last = list(graph.nodes), graph.outputs["dw"]
    for _ in range(12):
        nodes.append(Node("add", last, "pre"))
        nodes.append(Node("sub", len(nodes) - 1, "pre"))
        last = len(nodes) - 1
    return Graph(tuple(nodes), {"dw": last})
