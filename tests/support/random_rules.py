"""Random rules for property tests, and their values computed apart from the code under test."""

import numpy as np
import sympy
from hypothesis import assume
from hypothesis import strategies as st

from substrate.compilation.graph import Graph, Node, Number, to_rule
from substrate.compilation.lowering import walk
from substrate.functions import EPSILON, PRIMITIVES
from substrate.rule import Rule, Slow

SEEN = ("pre", "post", "w")
# Not so small that products of a few leave the range of a double, which SymPy's numbers do not have.
NUMBERS = st.sampled_from([0.5, -1.0, 2.0, 0.1, 3.0]) | st.floats(-3, 3).map(
    lambda x: x if abs(x) > 1e-9 else 0.0
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)

NUMPY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": lambda a, b: a * b / (b * b + EPSILON),
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.abs,
    "sign": np.sign,
    "step": lambda a: np.where(a > 0, 1.0, 0.0),
    "tanh": np.tanh,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "reciprocal": lambda a: 1 / a,
}


@st.composite
def expressions(draw, functions=PRIMITIVES, terminals=SEEN, nodes=7):
    """The expression of a random graph in which at most three functions lie inside each other.

    SymPy's own constructors take exponential time on more.
    """
    made: list[Node] = []
    deep: list[int] = []
    for i in range(draw(st.integers(1, nodes))):
        operands = st.sampled_from(terminals) | NUMBERS.map(Number)
        shallow = [j for j in range(max(0, i - 4), i) if deep[j] < 3]
        if shallow:
            operands = st.sampled_from(shallow) | operands
        node = Node(draw(st.sampled_from(functions)), draw(operands), draw(operands))
        inner = max((deep[o] for o in node[1:] if isinstance(o, int)), default=0)
        deep.append(inner + (node.function not in ("add", "sub", "mul")))
        made.append(node)
    foreign = {name: 0.0 for name in terminals if name not in SEEN}
    graph = Graph(tuple(made), {"dw": len(made) - 1})
    expression = _rule(graph, foreign).changes["forward"]
    numbers = [n for n in sympy.preorder_traversal(expression) if n.is_number]
    assume(all(n.is_Number for n in numbers))  # tanh(1) is written as a float: tested by itself
    assume(all(abs(p.exp) <= 64 for p in expression.atoms(sympy.Pow)))
    return expression


def _rule(graph: Graph, foreign: dict[str, float]) -> Rule:
    """Make the rule of a graph that may read constants: they are slow variables to `to_rule`."""
    rates = {f"d_{name}": Number(value) for name, value in foreign.items()}
    slow = tuple(Slow(name, sympy.Integer(0)) for name in foreign)
    return to_rule(Graph(graph.nodes, {**graph.outputs, **rates}), "random", slow)


@st.composite
def rules(draw):
    """A rule with constants, a slow variable and several projections, or without."""
    names = st.sampled_from(["A", "tau", "lambda", "x_bar0"])
    constants = draw(st.dictionaries(names, FINITE, max_size=3))
    terminals = [*SEEN, *constants, *(["theta"] if draw(st.booleans()) else [])]
    dw = draw(expressions(terminals=terminals))
    if draw(st.booleans()):
        dw = {"forward": dw, "lateral": draw(expressions(terminals=terminals))}
    slow = ()
    if "theta" in terminals:
        slow = (Slow("theta", draw(expressions(terminals=terminals)), "synapse", draw(FINITE)),)
    reference, note = draw(st.text(max_size=20)), draw(st.text(max_size=20))
    return Rule("found", dw, constants, slow, reference, note)


def value(expression: sympy.Expr, known: dict[str, np.ndarray]) -> np.ndarray:
    """Evaluate in double precision."""
    with np.errstate(all="ignore"):
        return walk(
            expression,
            lambda leaf: known[leaf.name] if leaf.is_Symbol else np.float64(float(leaf)),
            lambda name, values: NUMPY[name](*values),
        )
