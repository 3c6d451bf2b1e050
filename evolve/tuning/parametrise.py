"""Numbers of a rule as named constants, and back: what is traced can be tuned, what is written can be read.

    2.5*post*(pre - 0.3*w)    c0*post*(pre + c1*w)               c0 = 2.5, c1 = -0.3
    post*(pre - post*w)       post*(c0*pre + c1*post*w)          c0 = 1, c1 = -1, only with `gains`

Exponents are structure and stay numbers. Constants that a rule names already stay as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import sympy
from sympy import Expr, Float, Integer, Symbol

from evolve.expressions import construct
from substrate.compilation.lowering import HEADS
from substrate.rule import Rule
from substrate.vocabulary import VOCABULARY, names

#: Functions for which a factor on the argument is a factor on the result, or nothing at all.
_HOMOGENEOUS = ("abs", "sign", "step", "div")


def extract_constants(rule: Rule, gains: bool = False) -> Rule:
    """Name the numbers of every equation; on its own it changes no score.

    Parameters
    ----------
    gains
        Also give every additive term a coefficient of its own where it has none, so that a 1 can be tuned. Of two
        sums that are multiplied only one gets a coefficient on all of its terms, as the other would be redundant.

    Returns
    -------
    A rule with further constants `c0`, `c1`, ..., in the order in which SymPy keeps the expression.
    """
    taken = {*VOCABULARY, *rule.constants, *(s.name for s in rule.slow)}
    extractor = _Extractor(frozenset(rule.constants), taken, gains)
    changes = {p: extractor.visit(e, not gains) for p, e in rule.changes.items()}
    slow = tuple(replace(s, rate=extractor.visit(s.rate, not gains)) for s in rule.slow)
    return replace(rule, dw=changes, slow=slow, constants={**rule.constants, **extractor.values})


def substituted(rule: Rule, exact: Mapping[str, Expr] | None = None) -> Rule:
    """Write the values of all constants into the equations; the rule that comes back has none.

    Parameters
    ----------
    exact
        Numbers to write in place of a constant's value, such as 1/3 for 0.3333.

    Raises
    ------
    ArithmeticError
        If an equation then holds a number that is not finite, such as 1/0.
    """
    numbers = {name: _number(value) for name, value in rule.constants.items()} | dict(exact or {})

    def write(node: Expr) -> Expr:
        return construct.rebuild(node, leaf)

    def leaf(node: Expr) -> Expr:
        if node.is_Symbol or node.is_number:
            return numbers.get(str(node), node)
        return construct.call(HEADS[node.func], [write(a) for a in construct.arguments(node)])

    changes = {p: write(e) for p, e in rule.changes.items()}
    slow = tuple(replace(s, rate=write(s.rate)) for s in rule.slow)
    return replace(rule, dw=changes, slow=slow, constants={})


def _number(value: float) -> Expr:
    return Integer(int(value)) if value == int(value) else Float(value)


class _Extractor:
    """One walk over the equations of a rule; `values` collects the constants that it makes."""

    def __init__(self, known: frozenset[str], taken: set[str], gains: bool) -> None:
        self.known, self.gains = known, gains
        self.values: dict[str, float] = {}
        self._free: Iterator[str] = (name for i in range(10**6) if (name := f"c{i}") not in taken)

    def constant(self, value: Expr) -> Symbol:
        """Make a constant of this value."""
        name = next(self._free)
        self.values[name] = float(value)
        return names(name)[0]

    def visit(self, node: Expr, owned: bool) -> Expr:
        """Name the numbers of a subexpression; `owned` if a factor on the whole of it is not wanted."""
        if node.is_number:
            return node if owned and abs(node) == 1 and self.gains else self.constant(node)
        if node.is_Add:
            first, *others = node.args
            terms = [self.visit(first, owned), *(self.visit(t, not self.gains) for t in others)]
            return sympy.Add(*terms)
        return self._product(node, owned)

    def _product(self, node: Expr, owned: bool) -> Expr:
        """Name the numbers of a product, or of a single factor, with its coefficient."""
        factors = node.args if node.is_Mul else (node,)
        coefficient = sympy.Mul(*(f for f in factors if f.is_number))
        rest = [f for f in factors if not f.is_number]
        named = any({str(s) for s in f.free_symbols} <= self.known for f in rest)
        outside = abs(coefficient) != 1
        wanted = not (owned or outside or named)
        carrier = next((f for f in rest if f.is_Add), None) if wanted else None
        # The coefficient comes first, so that constants are numbered as people read.
        number = self.constant(coefficient) if outside or (wanted and not carrier) else coefficient
        named_factors = [self._factor(f, f is not carrier) for f in rest]
        return sympy.Mul(number, *named_factors)

    def _factor(self, node: Expr, owned: bool) -> Expr:
        if node.is_Symbol:
            return node
        if node.is_Add:
            return self.visit(node, owned)
        if node.is_Pow:
            return sympy.Pow(self.visit(node.base, True), node.exp)
        name = HEADS[node.func]
        inner = not self.gains or name in _HOMOGENEOUS
        arguments = [self.visit(a, inner) for a in construct.arguments(node)]
        further = (Integer(0),) if name == "step" else ()
        return node.func(*arguments, *further, evaluate=False)
