"""Loihi: the learning rule as a sum of products, one equation a line.

    dw = 2^0*y0*x1 - 2^0*y0*y1*w

A product is an integer mantissa, a power of two, a gate and factors. The gate says when the product is added: at a
postsynaptic spike (y0), at a presynaptic spike (x0) or at the end of every epoch (u0). Averaged over spikes a gate
is an activity, so it represents one factor `post` or `pre`; further factors are the traces y1 and x1. Slow variables
are kept in the tag t and the delay d.
"""

import re
from collections.abc import Mapping

import sympy

from evolve.exports.base import Target, line
from evolve.expressions.printer import TEXT
from evolve.expressions.rule_file import require_writable
from substrate.errors import UserError
from substrate.hardware import PROFILES, merged, violations
from substrate.hardware._admission import Product, products
from substrate.hardware.base import Products
from substrate.rule import FORWARD, Rule, Slow
from substrate.vocabulary import names

PROFILE = PROFILES["loihi1"]
assert isinstance(PROFILE.arithmetic, Products)
ARITHMETIC: Products = PROFILE.arithmetic

#: Registers of a synapse for slow variables, in this order.
REGISTERS = ("t", "d")

_FACTOR = r"(?:x[01]|y[01]|u0|[wtd]|sgn\([wtd]\))"
_PRODUCT = re.compile(rf"(?:(\d+)\*)?2\^(-?\d+)\*({_FACTOR}(?:\*{_FACTOR})*)")


def render(rule: Rule, provenance: Mapping[str, str]) -> str:
    """Write the equations, with coefficients rounded to what the chip has.

    Raises
    ------
    UserError
        If the rule cannot run there, with every reason.
    """
    require_writable(rule)
    for equation in rule.equations.values():
        TEXT.write(equation)  # refuses what no target can write
    reasons = violations(PROFILE, rule)
    if tuple(rule.changes) != (FORWARD,):
        reasons.append(
            f"changes {', '.join(rule.changes)}, and this is the rule of {FORWARD} alone"
        )
    unwritten = sorted(rule.reads - {"pre", "post", "w"})
    reasons += [
        f"reads {n}, for which this text has no factor" for n in unwritten if PROFILE.offers(n)
    ]
    if len(rule.slow) > len(REGISTERS):
        reasons.append(f"keeps {len(rule.slow)} slow variables, and a synapse has t and d")
    if reasons:
        raise UserError(f"Rule {rule.name!r} cannot run on Loihi: it {'; it '.join(reasons)}.")
    registers = dict(zip((s.name for s in rule.slow), REGISTERS, strict=False))
    remarks = {"reference": rule.reference, "note": rule.note, **provenance}
    texts = [f"# {line(rule.name)}"]
    texts += [f"# {line(k)}: {line(v)}" for k, v in remarks.items() if v]
    texts.append("# At unit learning rate: multiply every coefficient by the rate, a power of two.")
    texts += [f"# {register} is {line(name)}" for name, register in registers.items()]
    for name, expression in merged(rule).equations.items():
        left = name if name == "dw" else f"d{registers[name.removeprefix('d_')]}"
        found = products(expression, ARITHMETIC)
        texts.append(f"{left} = {_sum([_product(p, registers) for p in found])}")
    return "\n".join(texts) + "\n"


def _product(product: Product, registers: Mapping[str, str]) -> tuple[bool, str]:
    """Whether a product is negative, and its text without the sign."""
    factors: list[str] = []
    powers = dict(product.factors)
    gate = "y0" if "post" in powers else "x0" if "pre" in powers else "u0"
    if gate != "u0":
        powers["post" if gate == "y0" else "pre"] -= 1
    for name, power in sorted(powers.items()):
        inner = name.removeprefix("sgn(").removesuffix(")")
        own = {"pre": "x1", "post": "y1", "w": "w", **registers}[inner]
        factors += [own if inner == name else f"sgn({own})"] * power
    size = abs(product.mantissa)
    text = "*".join([*([str(size)] if size != 1 else []), f"2^{product.exponent}", gate, *factors])
    return product.mantissa < 0, text


def _sum(found: list[tuple[bool, str]]) -> str:
    """Products joined, those that are added first."""
    text = ""
    for negative, product in sorted(found):
        sign = "-" if negative else "+"
        text += f" {sign} {product}" if text else product if sign == "+" else f"-{product}"
    return text or "0"


def parse(text: str) -> Rule:
    """Read what `render` writes: gates and traces become activities again.

    Raises
    ------
    UserError
        If a line is no equation of this form.
    """
    equations: dict[str, sympy.Expr] = {}
    for words in text.splitlines():
        if not words.strip() or words.startswith("#"):
            continue
        left, equals, right = words.partition(" = ")
        if not equals or left not in ("dw", "dt", "dd"):
            raise UserError(f"{words!r} is no learning rule: write dw, dt or dd = products.")
        equations[left] = _read(right)
    if "dw" not in equations:
        raise UserError("A learning rule needs a line dw = ...")
    slow = tuple(Slow(f"{r}", equations[f"d{r}"]) for r in REGISTERS if f"d{r}" in equations)
    return Rule("parsed", equations["dw"], slow=slow)


def _read(text: str) -> sympy.Expr:
    total: sympy.Expr = sympy.Integer(0)
    if text == "0":
        return total
    spaced = text if text.startswith("-") else f"+{text}"
    spaced = spaced.replace(" + ", "+").replace(" - ", "-")
    at = 0
    while at < len(spaced):
        match = _PRODUCT.match(spaced, at + 1)
        if spaced[at] not in "+-" or not match:
            raise UserError(f"{text!r} is no sum of products at {spaced[at:]!r}.")
        mantissa, exponent, factors = match.groups()
        term = int(mantissa or 1) * sympy.Rational(2) ** int(exponent)
        for factor in factors.split("*"):
            term *= _activity(factor)
        total += term if spaced[at] == "+" else -term
        at = match.end()
    return total


def _activity(factor: str) -> sympy.Expr:
    pre, post, w, t, d = names("pre post w t d")
    if factor.startswith("sgn("):
        return sympy.sign(names(factor[4:-1])[0])
    return {"x": pre, "y": post, "u": sympy.Integer(1), "w": w, "t": t, "d": d}[factor[0]]


TARGET = Target(
    name="loihi",
    suffix=".loihi",
    summary="learning rule of Loihi as a sum of products",
    render=render,
)
