"""Why a rule cannot run on a chip, and how it reads there if it can.

On a sum-of-products chip an equation is expanded,

    dw = sum_i m_i 2**e_i prod_j F_ij

with `m` of a few bits; what remains is the rule that the chip runs, coefficients rounded.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import sympy

from substrate.functions import FUNCTIONS
from substrate.hardware.base import Products, Profile
from substrate.lowering import walk
from substrate.rule import Rule, Slow
from substrate.vocabulary import names

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


def folded(rule: Rule) -> Rule:
    """The rule with its constants written into its equations: a chip is programmed with numbers."""
    values = {
        symbol: sympy.Float(rule.constants[str(symbol)])
        for symbol in names(" ".join(rule.constants))
    }
    values = {s: sympy.Integer(int(v)) if v == int(v) else v for s, v in values.items()}
    changes = {p: e.subs(values) for p, e in rule.changes.items()}
    slow = tuple(Slow(s.name, s.rate.subs(values), s.scope, s.initial) for s in rule.slow)
    dw = changes["forward"] if list(changes) == ["forward"] else changes
    return replace(rule, dw=dw, constants={}, slow=slow)


def violations(profile: Profile, rule: Rule) -> list[str]:
    """Reasons why a rule cannot run on a chip; none if it can."""
    if profile.ideal:
        return []
    rule = folded(rule)
    reasons = [
        f"reads {name}, which {profile.name} does not offer"
        for name in sorted(rule.reads)
        if not profile.offers(name)
    ]
    for slow in rule.slow:
        if slow.scope not in profile.scopes:
            reasons.append(f"keeps {slow.name} per {slow.scope}, for which there is no memory")
    if profile.functions is not None:
        used = set().union(*(functions(e) for e in rule.equations.values()))
        reasons += [
            f"needs {_WORDS.get(name, name)}, which {profile.name} cannot compute"
            for name in sorted(used - set(profile.functions))
        ]
    if isinstance(profile.arithmetic, Products):
        for name, expression in rule.equations.items():
            try:
                products(expression, profile.arithmetic)
            except NoSum as reason:
                text = f"{name} {reason}"
                if not any("cannot compute" in r for r in reasons):
                    reasons.append(text)
    return reasons


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
    found = []
    for factors, coefficient in sorted(expand(expression).items(), key=str):
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

    def apply(name: str, values: tuple[Polynomial, ...]) -> Polynomial:
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

    return walk(expression, leaf, apply)


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


def adapted(profile: Profile, rule: Rule) -> Rule:
    """The rule as the chip runs it: constants as numbers, and coefficients as the chip has them."""
    if profile.ideal:
        return rule
    rule = folded(rule)
    arithmetic = profile.arithmetic
    if not isinstance(arithmetic, Products) or violations(profile, rule):
        return rule
    changes = {p: expression(products(e, arithmetic)) for p, e in rule.changes.items()}
    slow = tuple(
        Slow(s.name, expression(products(s.rate, arithmetic)), s.scope, s.initial)
        for s in rule.slow
    )
    dw = changes["forward"] if list(changes) == ["forward"] else changes
    return replace(rule, dw=dw, slow=slow)
