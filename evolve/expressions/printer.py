"""How an expression is written in one line, as rule text or as a program.

Factors: numbers, constants and slow variables (and what is global), observables as the vocabulary
lists them, functions, sums. Terms: what is added before what is subtracted, products of observables
first, lone numbers last. The order depends on names only, so the same expression gives the same
text on every machine.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

from sympy import Expr, Integer, Pow, Rational, default_sort_key

from evolve.expressions.construct import number
from substrate.compilation.lowering import HEADS
from substrate.errors import UserError
from substrate.vocabulary import VOCABULARY

SUM, PRODUCT, POWER, ATOM = range(4)


class Split(NamedTuple):
    """A term as people see it: sign, what stands above the line, what below; numbers first."""

    negative: bool
    upper: tuple[Expr, ...]
    lower: tuple[Expr, ...]


def split(term: Expr) -> Split:
    """Take a product apart."""
    factors = (term,) if term.is_number else term.args if term.is_Mul else (term,)
    coefficient = _fold([f for f in factors if f.is_number])
    upper: list[Expr] = []
    lower: list[Expr] = []
    for factor in sorted((f for f in factors if not f.is_number), key=precedence):
        below = factor.is_Pow and factor.exp.is_negative
        (lower if below else upper).append(
            Pow(factor.base, -factor.exp, evaluate=False) if below else factor
        )
    size = abs(coefficient)
    if size.is_Rational and size.q != 1:
        lower.insert(0, Integer(size.q))
        size = Integer(size.p)
    if size != 1 or not upper:
        upper.insert(0, size)
    return Split(bool(coefficient < 0), tuple(upper), tuple(lower))


def ordered(terms: tuple[Expr, ...]) -> list[tuple[bool, Expr]]:
    """Order the terms of a sum: (whether subtracted, term with its sign)."""
    return sorted(
        ((split(t).negative, t) for t in terms), key=lambda pair: (pair[0], _term_rank(pair[1]))
    )


def precedence(factor: Expr) -> tuple[Any, ...]:
    """Place of a factor in a product; also orders the arguments of `min` and `max`."""
    base, exponent = factor.as_base_exp() if factor.is_Pow else (factor, Integer(1))
    place = -float(exponent)
    if base.is_number:
        return (0, 0, str(base), place)
    if base.is_Symbol:
        seen = VOCABULARY.get(base.name)
        if seen is None or seen.scope == "global":
            return (1, 0, base.name, place)
        return (2, [*VOCABULARY].index(base.name), base.name, place)
    return (4 if base.is_Add else 3, 0, "", place, default_sort_key(base))


def _term_rank(term: Expr) -> tuple[Any, ...]:
    parts = [precedence(f) for f in (term.args if term.is_Mul else (term,)) if not f.is_number]
    seen = [p for p in parts if p[0] > 1]
    own = sorted(p for p in parts if p[0] == 1)
    return (term.is_number, [*sorted(seen), (9,)], own, default_sort_key(term))


def _fold(numbers: list[Expr]) -> Expr:
    """Multiply numbers into one that text can hold."""
    product = reduce(lambda a, b: a * b, numbers, Integer(1))
    try:
        return number(product)
    except ArithmeticError as error:
        raise UserError(
            f"{product} cannot be written: {error}. A rule needs finite real numbers."
        ) from None


def exponent_of(node: Expr) -> Rational:
    """Return the exponent of a power if it is a whole number or half of one, as in any rule."""
    if not node.exp.is_Rational or node.exp.q > 2:
        raise UserError(f"A power must be a whole number or half of one, not {node.exp} in {node}.")
    return node.exp


class _Piece(NamedTuple):
    text: str
    level: int  # how tightly its outermost operator binds

    def within(self, level: int) -> str:
        """Set brackets unless it binds more tightly than `level`."""
        return self.text if self.level > level else f"({self.text})"


@dataclass(frozen=True)
class Notation:
    """A language of one-line formulas with + - * / ** and brackets.

    Parameters
    ----------
    functions
        A format for each function of `substrate.functions` (and `sqrt`), {0} and {1} being its
        arguments.
    nested
        Whether min and max take two arguments only.
    rename
        Writes a name.
    """

    functions: Mapping[str, str]
    nested: bool = False
    rename: Callable[[str], str] = str

    def write(self, expression: Expr) -> str:
        """Write an expression.

        Raises
        ------
        UserError
            If it uses a function that the platform does not have, or a number that is not finite.
        """
        memo: dict[Expr, _Piece] = {}

        def visit(node: Expr) -> _Piece:
            if node not in memo:
                memo[node] = self._write(node, visit)
            return memo[node]

        return visit(expression).text

    def _write(self, node: Expr, visit: Callable[[Expr], _Piece]) -> _Piece:
        if node.is_Symbol:
            return _Piece(self.rename(node.name), ATOM)
        if node.is_Add and not node.is_number:
            return self._sum(node, visit)
        if node.is_number or node.is_Mul or (node.is_Pow and node.exp.is_negative):
            return self._product(node, visit)
        if node.is_Pow:
            return self._power(visit(node.base), node)
        name = HEADS.get(node.func)
        if name is None:
            raise UserError(
                f"{node} uses {node.func}, which a rule may not. "
                f"Allowed: + - * / **, {', '.join(self.functions)}."
            )
        return self._function(name, node, visit)

    def _sum(self, node: Expr, visit: Callable[[Expr], _Piece]) -> _Piece:
        text = ""
        for negative, term in ordered(node.args):
            sign = (" - " if negative else " + ") if text else ("-" if negative else "")
            text += sign + self._size(term, visit).within(SUM)
        return _Piece(text, SUM)

    def _product(self, node: Expr, visit: Callable[[Expr], _Piece]) -> _Piece:
        size = self._size(node, visit)
        return _Piece(f"-{size.within(SUM)}", SUM) if split(node).negative else size

    def _size(self, node: Expr, visit: Callable[[Expr], _Piece]) -> _Piece:
        """Write a term without its sign."""
        _, upper, lower = split(node)

        def piece(factor: Expr) -> _Piece:
            return _Piece(digits(factor), ATOM) if factor.is_number else visit(factor)

        def line(factors: tuple[Expr, ...]) -> _Piece:
            if len(factors) == 1:
                return piece(factors[0])
            return _Piece("*".join(piece(f).within(PRODUCT) for f in factors), PRODUCT)

        if not lower:
            return line(upper)
        above = line(upper)
        return _Piece(f"{above.within(SUM)}/{line(lower).within(PRODUCT)}", PRODUCT)

    def _power(self, base: _Piece, node: Expr) -> _Piece:
        exponent = exponent_of(node)
        if exponent.q == 2:
            base = _Piece(self.functions["sqrt"].format(base.text), ATOM)
        return base if exponent.p == 1 else _Piece(f"{base.within(POWER)}**{exponent.p}", POWER)

    def _function(self, name: str, node: Expr, visit: Callable[[Expr], _Piece]) -> _Piece:
        style = self.functions[name]
        if name in ("min", "max"):
            arguments = [visit(a).text for a in sorted(node.args, key=precedence)]
            if self.nested:
                return _Piece(reduce(style.format, arguments), ATOM)
            return _Piece(style.format(", ".join(arguments)), ATOM)
        return _Piece(style.format(*(visit(a).text for a in node.args)), ATOM)


def digits(value: Expr) -> str:
    """Write a number that is not negative; a float to its last bit."""
    return str(value) if value.is_Integer else repr(float(value))


#: Rule text: what `evolve.expressions.parser.parse` reads.
TEXT = Notation(
    {
        **{
            name: f"{name}({{0}})"
            for name in ("abs", "sign", "step", "tanh", "exp", "sqrt", "min", "max")
        },
        "div": "div({0}, {1})",
    }
)
