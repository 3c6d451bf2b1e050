"""Expressions in other clothes: symbols for what is opaque, fractions for floats."""

from collections.abc import Callable

from sympy import Expr, Float, Rational, Symbol

from evolve.expressions import construct
from substrate.compilation.lowering import HEADS

_NONNEGATIVE = ("abs", "step", "exp")


class Veil:
    """Real symbols in place of plain ones and of whole functions, into which SymPy cannot look."""

    def __init__(self, functions: bool = True) -> None:
        self.functions = functions
        self.behind: dict[Expr, Expr] = {}
        self.front: dict[Expr, Symbol] = {}

    def over(self, node: Expr) -> Expr:
        """Cover an expression."""
        return construct.rebuild(node, self._cover)

    def restore(self, node: Expr) -> Expr:
        """Uncover one."""
        return construct.rebuild(node, self._uncover)

    def _cover(self, node: Expr) -> Expr:
        name = HEADS.get(node.func)
        if node.is_number or (name is None and not node.is_Symbol):
            return node
        if name is not None and not self.functions:
            arguments = [self.over(a) for a in construct.arguments(node)]
            return construct.call(name, arguments)
        if node not in self.front:
            label = node.name if node.is_Symbol else f"#{len(self.front)}"  # no name of a rule
            kind = {"nonnegative": True} if name in _NONNEGATIVE else {"real": True}
            self.front[node] = Symbol(label, **kind)
            self.behind[self.front[node]] = node
        return self.front[node]

    def _uncover(self, node: Expr) -> Expr:
        if node in self.behind:
            return self.behind[node]
        name = HEADS.get(node.func)
        if name is None or node.is_number:
            return node
        arguments = [self.restore(a) for a in construct.arguments(node)]
        return construct.call(name, arguments)


def decimal(node: Expr) -> Expr:
    """Write floats as the decimals that people see, so that rearranging them is exact."""
    floats = {f: Rational(repr(float(f))) for f in node.atoms(Float)}
    return _numbers(node, lambda leaf: floats.get(leaf, leaf))


def double(node: Expr) -> Expr:
    """Write fractions, and whole numbers that a double cannot hold, as floats."""

    def written(leaf: Expr) -> Expr:
        plain = not leaf.is_Rational or (leaf.q == 1 and abs(leaf.p) <= 2**53)
        return leaf if plain else Float(float(leaf))

    return _numbers(node, written)


def _numbers(node: Expr, leaf: Callable[[Expr], Expr]) -> Expr:
    """Replace numbers everywhere, exponents excepted."""

    def inner(part: Expr) -> Expr:
        name = HEADS.get(part.func)
        if name is None or part.is_number:
            return leaf(part)
        return construct.call(name, [_numbers(a, leaf) for a in construct.arguments(part)])

    return construct.rebuild(node, inner)
