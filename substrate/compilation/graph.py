"""A rule as a graph of two-argument operations: what a genome decodes to and what the interpreter schedules.

An operand is the name of a terminal, a number, or the index of an earlier node. Numbers are wrapped, since 0 and
0.0 are equal in Python, and a node's index must never be taken for a number.
"""

import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import sympy
from jax import Array

from substrate.compilation.lowering import walk, with_numbers
from substrate.functions import FUNCTIONS
from substrate.plasticity import Observed, Plasticity, SlowUpdate
from substrate.rule import FORWARD, Rule, Slow
from substrate.vocabulary import names


class Number(NamedTuple):
    """A constant operand."""

    value: float


Operand = str | Number | int

_BITS = 1000  # of a whole number that a rule holds exactly; a double can hold it too


class Node(NamedTuple):
    """One operation; `b` repeats `a` where the function takes one argument."""

    function: str
    a: Operand
    b: Operand


class Graph(NamedTuple):
    """Nodes in an order in which operands come first, and the operand that each equation returns."""

    nodes: tuple[Node, ...]
    outputs: Mapping[str, Operand]


def from_rule(rule: Rule) -> Graph:
    """Write a rule's equations as a graph, its constants as numbers."""
    nodes: list[Node] = []
    index: dict[Node, int] = {}
    values = {symbol: rule.constants[str(symbol)] for symbol in names(" ".join(rule.constants))}

    def leaf(value: sympy.Expr) -> Operand:
        return str(value) if value.is_Symbol else Number(float(value))

    def apply(function: str, operands: tuple[Operand, ...]) -> Operand:
        node = Node(function, operands[0], operands[-1])
        if node not in index:
            index[node] = len(nodes)
            nodes.append(node)
        return index[node]

    outputs = {
        name: walk(with_numbers(e, values), leaf, apply) for name, e in rule.equations.items()
    }
    return Graph(tuple(nodes), outputs)


def to_rule(graph: Graph, name: str, slow: tuple[Slow, ...] = ()) -> Rule:
    """Write a graph as a rule; `slow` gives scope and initial value of its slow variables, not their rates."""
    values: list[sympy.Expr] = []

    def value(operand: Operand) -> sympy.Expr:
        if isinstance(operand, int):
            return values[operand]
        return names(operand)[0] if isinstance(operand, str) else _exact(operand.value)

    for node in graph.nodes:
        function = FUNCTIONS[node.function]
        arguments = (node.a, node.b)[: function.arity]
        values.append(_writable(function.symbolic(*map(value, arguments))))
    equations = {key: value(operand) for key, operand in graph.outputs.items()}
    rates = tuple(Slow(s.name, equations.pop(f"d_{s.name}"), s.scope, s.initial) for s in slow)
    if set(equations) == {"dw"}:
        return Rule(name, equations["dw"], slow=rates)
    return Rule(name, {key.removeprefix("dw_"): e for key, e in equations.items()}, slow=rates)


def lower_graph(graph: Graph, slow: tuple[Slow, ...] = ()) -> Plasticity:
    """Make the plasticity of a graph, operation by operation as it stands; numbers are compiled in."""

    def bind(output: Operand) -> Callable[[Observed], Array]:
        def run(observed: Observed) -> Array:
            values: list[Array] = []

            def value(operand: Operand) -> Array:
                if isinstance(operand, int):
                    return values[operand]
                return observed[operand] if isinstance(operand, str) else jnp.float32(operand.value)

            for node in graph.nodes:
                function = FUNCTIONS[node.function]
                values.append(function.jax(*map(value, (node.a, node.b)[: function.arity])))
            return value(output)

        return run

    equations = {name: bind(operand) for name, operand in graph.outputs.items()}
    rates = {s.name: SlowUpdate(equations.pop(f"d_{s.name}"), s.scope, s.initial) for s in slow}
    changes = {FORWARD if n == "dw" else n.removeprefix("dw_"): f for n, f in equations.items()}
    return Plasticity(changes, rates)


def _writable(value: sympy.Expr) -> sympy.Expr:
    """Keep the number in front of a value to what text can hold: a fraction of ordinary length, or a double.

    Squaring doubles the digits of an exact number, so a few dozen operations would fill the memory.
    """
    if value.args and value.is_number:
        return sympy.Float(float(value))  # such as tanh(1)
    coefficient, rest = value.as_coeff_Mul()
    if coefficient.is_Rational:
        long = max(coefficient.p.bit_length(), coefficient.q.bit_length()) > _BITS
        return sympy.Float(coefficient, 15) * rest if long else value
    if coefficient.is_Float and 0 < abs(coefficient) < sys.float_info.min:
        return sympy.Float(float(coefficient)) * rest
    return value


def _exact(value: float) -> sympy.Expr:
    return sympy.Integer(int(value)) if value == int(value) else sympy.Float(value)
