"""How large a rule is: its operators as people count them on paper, and how deep they are nested.

    a - b, a + b, a * b, a / b, -a          one operator
    x**3                                    two multiplications
    (a + b)**2                              an addition and a multiplication
    tanh(a), max(a, b), div(a, b)           one operator; max(a, b, c) two
    numbers and names                       none; a number is one leaf however it is written

What is written twice counts twice. The fold is `substrate.compilation.lowering.walk`, so what is counted is
what is lowered.
"""

from typing import NamedTuple

from sympy import Expr

from substrate.compilation.lowering import walk
from substrate.rule import Rule


class Complexity(NamedTuple):
    """Size of an expression, or of all equations of a rule."""

    operators: int
    depth: int  # operators on the longest way from a leaf to the result


class _Part:
    """A subexpression: its size, and whether it is a power or a reciprocal of another part."""

    def __init__(
        self,
        operators: int,
        depth: int,
        base: "_Part | None" = None,
        exponent: int = 1,
        inverse: bool = False,
    ) -> None:
        self.operators, self.depth = operators, depth
        self.base, self.exponent, self.inverse = base or self, exponent, inverse


def complexity(expression: Expr) -> Complexity:
    """Count the operators of an expression.

    Raises
    ------
    UserError
        If it uses a function that the platform does not have.
    """
    whole = walk(expression, lambda leaf: _Part(0, 0), _apply)
    return Complexity(whole.operators, whole.depth)


def rule_complexity(rule: Rule) -> Complexity:
    """Operators of all equations together, and the depth of the deepest."""
    parts = [complexity(e) for e in rule.equations.values()]
    return Complexity(sum(p.operators for p in parts), max((p.depth for p in parts), default=0))


def _apply(name: str, parts: tuple[_Part, ...]) -> _Part:
    operators = 1 + sum(p.operators for p in parts)
    depth = 1 + max(p.depth for p in parts)
    if name == "reciprocal":
        return _Part(operators, depth, inverse=True)
    if name == "mul":
        a, b = parts
        if a.base is b.base:  # walk multiplies powers out; the base is written once
            exponent = a.exponent + b.exponent
            return _Part(a.base.operators + exponent - 1, depth, a.base, exponent)
        if b.inverse:  # a * (1 / b) is one division
            return _Part(operators - 1, max(a.depth + 1, b.depth))
    return _Part(operators, depth)
