"""Why a rule cannot run on a chip, and how it reads there if it can.

On a sum-of-products chip an equation is expanded,

    dw = sum_i m_i 2**e_i prod_j F_ij

with `m` of a few bits; what remains is the rule that the chip runs, coefficients rounded.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import sympy

from substrate.compilation.graph import Graph, Number, Operand
from substrate.compilation.lowering import walk, with_numbers
from substrate.errors import UserError
from substrate.functions import FUNCTIONS
from substrate.hardware.base import Products, Profile
from substrate.rule import Rule, Slow
from substrate.vocabulary import VOCABULARY, names

#: Terms beyond which expanding stops: no chip has room for so many.
MANY = 256


class Product(NamedTuple):
    """One product: `mantissa * 2**exponent` times factors with their powers; `sgn(w)` is a factor too."""

    mantissa: int
    exponent: int
    factors: tuple[tuple[str, int], ...]

    @property
    def degree(self) -> int:
        """Number of factors."""
        return sum(power for _, power in self.factors)


class NoSum(Exception):  # noqa: N818 - a finding about a rule, not an error
    """The expression is no sum of products; says why."""


Polynomial = Mapping[tuple[tuple[str, int], ...], float]


def merged(rule: Rule) -> Rule:
    """The rule with its constants written into its equations: a chip is programmed with numbers."""
    values = {
        symbol: sympy.Float(rule.constants[str(symbol)])
        for symbol in names(" ".join(rule.constants))
    }
    values = {s: sympy.Integer(int(v)) if v == int(v) else v for s, v in values.items()}
    changes = {p: with_numbers(e, values) for p, e in rule.changes.items()}
    slow = tuple(Slow(s.name, with_numbers(s.rate, values), s.scope, s.initial) for s in rule.slow)
    return replace(rule, dw=changes, constants={}, slow=slow)


def violations(profile: Profile, rule: Rule) -> list[str]:
    """Reasons why a rule cannot run on a chip; none if it can."""
    if profile.ideal:
        return []
    rule = merged(rule)
    used = set().union(*(functions(e) for e in rule.equations.values()))
    reasons = _lacking(profile, rule.reads, used, rule.slow)
    if isinstance(profile.arithmetic, Products) and not used - set(profile.functions or used):
        reasons += [
            f"{name} {reason}"
            for name, e in rule.equations.items()
            for reason in _no_sum(expand, e, profile.arithmetic)
        ]
    return reasons


def graph_violations(profile: Profile, graph: Graph) -> list[str]:
    """The same for a rule as a graph, without SymPy: for searches that ask by the thousand."""
    if profile.ideal:
        return []
    used = {node.function for node in graph.nodes}
    operands = [*(o for node in graph.nodes for o in node[1:]), *graph.outputs.values()]
    reads = {o for o in operands if isinstance(o, str) and o in VOCABULARY}
    reasons = _lacking(profile, reads, used)
    if isinstance(profile.arithmetic, Products) and not used - set(profile.functions or used):
        for name, output in graph.outputs.items():
            reasons += [
                f"{name} {r}" for r in _no_sum(_expand_graph, (graph, output), profile.arithmetic)
            ]
    return reasons


def admissible(
    profile: Profile, terminals: Iterable[str], primitives: Iterable[str], slow: Iterable[Slow]
) -> None:
    """Refuse a search whose alphabet a chip does not have.

    Raises
    ------
    UserError
        With every reason.
    """
    reads = {name for name in terminals if name in VOCABULARY}
    reasons = _lacking(profile, reads, set(primitives), slow)
    if reasons:
        raise UserError(
            f"The search {'; it '.join(reasons)}. Leave it out of genes.terminals, genes.primitives or genes.slow, "
            "or give admission=penalise."
        )


def _lacking(
    profile: Profile, reads: Iterable[str], used: Iterable[str], slow: Iterable[Slow] = ()
) -> list[str]:
    """What the chip does not have of observables, functions and memory."""
    reasons = [
        f"reads {name}, which {profile.name} does not offer"
        for name in sorted(reads)
        if not profile.offers(name)
    ]
    reasons += [
        f"keeps {one.name} per {one.scope}, for which {profile.name} has no memory"
        for one in slow
        if one.scope not in profile.scopes
    ]
    if profile.functions is not None:
        lacking = sorted({_WORDS.get(n, n) for n in set(used) - set(profile.functions)})
        reasons += [f"needs {word}, which {profile.name} cannot compute" for word in lacking]
    return reasons


def _no_sum(expanded: Callable[[Any], "Polynomial"], what: Any, arithmetic: Products) -> list[str]:
    """Why something is no sum of products."""
    try:
        _products(expanded(what), arithmetic)
    except NoSum as reason:
        return [str(reason)]
    return []


def _expand_graph(what: tuple[Graph, Operand]) -> "Polynomial":
    graph, output = what
    values: list[Polynomial] = []

    def value(operand: Operand) -> Polynomial:
        if isinstance(operand, Number):
            return {(): operand.value} if operand.value else {}
        return values[operand] if isinstance(operand, int) else {((operand, 1),): 1.0}

    for node in graph.nodes:
        values.append(_combined(node.function, (value(node.a), value(node.b))))
    return value(output)


_WORDS = {"reciprocal": "a division", "div": "a division", "sqrt": "a square root"}


def functions(expression: sympy.Expr) -> set[str]:
    """Names in `FUNCTIONS` of what an expression computes."""
    used: set[str] = set()

    def apply(name: str, values: tuple[None, ...]) -> None:
        used.add(name)

    walk(expression, lambda leaf: None, apply)
    return used & FUNCTIONS.keys()


def products(expression: sympy.Expr, arithmetic: Products) -> list[Product]:
    """Expand an expression into products with rounded coefficients.

    Raises
    ------
    NoSum
        If that is impossible, or there are too many products or factors.
    """
    return _products(expand(expression), arithmetic)


def _products(polynomial: Polynomial, arithmetic: Products) -> list[Product]:
    found = []
    for factors, coefficient in sorted(polynomial.items(), key=str):
        product = rounded(coefficient, factors, arithmetic)
        if product is None:
            raise NoSum(f"needs the coefficient {coefficient:.4g}, which is out of range")
        if product.degree > arithmetic.factors:
            raise NoSum(
                f"multiplies {product.degree} factors, and {arithmetic.factors} is the most"
            )
        if not product.mantissa:
            raise NoSum(f"needs the coefficient {coefficient:.4g}, which is below the least")
        found.append(product)
    if len(found) > arithmetic.products:
        raise NoSum(f"has {len(found)} products, and {arithmetic.products} is the most")
    return found


def expand(expression: sympy.Expr) -> Polynomial:
    """The coefficients of an expression by the factors that they multiply."""

    def leaf(node: sympy.Expr) -> Polynomial:
        if node.is_Symbol:
            return {((node.name, 1),): 1.0}
        return {(): float(node)} if float(node) else {}

    return walk(expression, leaf, _combined)


def _combined(name: str, values: tuple[Polynomial, ...]) -> Polynomial:
    """A function of polynomials, as a polynomial."""
    if name in ("add", "sub"):
        total = dict(values[0])
        for factors, c in values[1].items():
            total[factors] = total.get(factors, 0.0) + (c if name == "add" else -c)
        return {f: c for f, c in total.items() if c}
    if name == "mul":
        result: dict[tuple[tuple[str, int], ...], float] = {}
        for f, c in values[0].items():
            for g, d in values[1].items():
                powers = dict(f)
                for factor, power in g:
                    powers[factor] = powers.get(factor, 0) + power
                both = tuple(sorted(powers.items()))
                result[both] = result.get(both, 0.0) + c * d
        if len(result) > MANY:
            raise NoSum(f"has more than {MANY} products")
        return {f: c for f, c in result.items() if c}
    (argument, *_) = values
    single = next(iter(argument), ())
    if name == "sign" and len(argument) == 1 and len(single) == 1 and single[0][1] == 1:
        sign = math.copysign(1.0, argument[single])
        return {((f"sgn({single[0][0]})", 1),): sign}
    raise NoSum(f"is no sum of products: it needs {_WORDS.get(name, name)}")


def rounded(
    coefficient: float, factors: tuple[tuple[str, int], ...], arithmetic: Products
) -> Product | None:
    """The product with the nearest coefficient that the chip has; None if it is too large."""
    most = 2 ** (arithmetic.mantissa - 1) - 1
    low, high = arithmetic.exponents
    exponent = max(low, math.ceil(math.log2(abs(coefficient) / (most + 0.5))))
    mantissa = max(-most, min(most, round(coefficient / 2.0**exponent)))
    if exponent > high:
        return None
    while mantissa and mantissa % 2 == 0 and exponent < 0:
        mantissa, exponent = mantissa // 2, exponent + 1
    return Product(mantissa, exponent, factors)


def expression(found: list[Product]) -> sympy.Expr:
    """The products as an expression."""
    total = sympy.Integer(0)
    for mantissa, exponent, factors in found:
        term = mantissa * sympy.Rational(2) ** exponent
        for name, power in factors:
            inner = name.removeprefix("sgn(").removesuffix(")")
            symbol = names(inner)[0]
            term *= (symbol if inner == name else sympy.sign(symbol)) ** power
        total += term
    return total


def as_implemented(profile: Profile, rule: Rule) -> Rule:
    """The rule as the chip runs it: constants as numbers, and coefficients as the chip has them."""
    if profile.ideal:
        return rule
    rule = merged(rule)
    arithmetic = profile.arithmetic
    if not isinstance(arithmetic, Products) or violations(profile, rule):
        return rule
    changes = {p: expression(products(e, arithmetic)) for p, e in rule.changes.items()}
    slow = tuple(
        Slow(s.name, expression(products(s.rate, arithmetic)), s.scope, s.initial)
        for s in rule.slow
    )
    return replace(rule, dw=changes, slow=slow)
