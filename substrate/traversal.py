"""How to walk through an expression however deep it is and however often its parts repeat.

SymPy walks by recursion, and through a part as often as it occurs. A rule that a search has found may be thousands
of operations deep, and each may use the one before it twice.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sympy import Expr, Symbol, default_sort_key

#: Python's usual limit of 1,000 nested calls is too low for SymPy's own questions about deep rules.
RECURSION = 12_000
sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION))


def postorder(expression: Expr) -> Iterator[Expr]:
    """Yield every distinct subexpression once, operands first."""
    met: set[Expr] = set()
    stack = [(expression, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif node not in met:
            met.add(node)
            stack.append((node, True))
            stack += [(operand, False) for operand in reversed(node.args)]


def symbols_of(expression: Expr) -> set[Symbol]:
    """The symbols of an expression."""
    return {node for node in postorder(expression) if node.is_Symbol}


def depth_of(expression: Expr) -> int:
    """How many subexpressions lie inside each other."""
    depth: dict[Expr, int] = {}
    for node in postorder(expression):
        depth[node] = 1 + max((depth[operand] for operand in node.args), default=0)
    return depth[expression]


def extremum(head: type[Expr], arguments: Sequence[Expr]) -> Expr:
    """Build a `Min` or `Max` of expressions as they are.

    SymPy orders the arguments by their size, which it counts by walking through every occurrence of every part; here
    each part is counted once. The order is the same.
    """
    given = frozenset(arguments)
    if len(given) == 1:
        return arguments[0]
    size: dict[Expr, float] = {}
    for argument in given:
        for node in postorder(argument):
            own = 0.5 if node.is_Float else 1.0
            size[node] = own + sum(size[operand] for operand in node.args)
    ordered = sorted(given, key=lambda a: size[a])
    if any(size[a] == size[b] for a, b in pairwise(ordered)):
        ordered = sorted(given, key=lambda a: (size[a], default_sort_key(a)))
    built = Expr.__new__(head, *ordered)
    built._argset = given
    return built
