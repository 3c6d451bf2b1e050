"""Is a rule a known one? Formulas are compared exactly, up to a factor, without algebra.

A rule that is k times a known one learns the same things k times as fast. Both formulas are evaluated at the same
random point of a finite field (`evolve/search/fingerprint.py`), where their ratio is k if one is a multiple of the
other, and any of 2**61 numbers if not; k is then found as the fraction p / q with the smallest numbers (rational
reconstruction, Wang 1981). Slow variables must follow the same equations.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from evolve.search import fingerprint
from substrate.compilation.graph import Graph, from_rule
from substrate.rule import Rule

#: Numerator and denominator of a factor are at most this: a false match has a probability of 1 in 10**12.
LARGEST = 1000


class Match(NamedTuple):
    """The known rule that a rule is a multiple of."""

    name: str
    factor: Fraction

    def __str__(self) -> str:
        if self.factor == 1:
            return f"This is the known rule {self.name}."
        if self.factor < 0:
            times = "" if self.factor == -1 else f" times {-self.factor}"
            return f"This is the known rule {self.name} with the other sign{times}."
        return f"This is the known rule {self.name} at {self.factor} times the learning rate."


def factor(rule: Rule, known: Rule) -> Fraction | None:
    """The number k with `rule` = k `known` in every equation of a weight, None if there is none."""
    ours, theirs = keys(from_rule(rule)), keys(from_rule(known))
    if ours.keys() != theirs.keys():
        return None
    found: set[Fraction | None] = set()
    for name, key in ours.items():
        if name.startswith("d_"):  # a slow variable: it must be the same
            if key != theirs[name]:
                return None
        elif key and theirs[name]:
            inverse = pow(theirs[name], -1, fingerprint.PRIME)
            found.add(_fraction(key * inverse % fingerprint.PRIME))
        elif key or theirs[name]:
            return None
    if not found:  # both change nothing
        return Fraction(1)
    return found.pop() if len(found) == 1 else None


def recognise(rule: Rule, known: Iterable[Rule]) -> Match | None:
    """The known rule that a rule is a multiple of: of several the one with factor 1, or a positive one."""
    found = [Match(k.name, f) for k in known if (f := factor(rule, k)) is not None]
    return min(found, key=lambda m: (m.factor != 1, m.factor < 0), default=None)


def keys(graph: Graph) -> Mapping[str, int]:
    """Fingerprint of every equation of a graph."""
    values: list[int] = []

    def value(operand: object) -> int:
        if isinstance(operand, int):
            return values[operand]
        if isinstance(operand, str):
            return fingerprint.of_terminal(operand)
        return _number(operand.value)  # type: ignore[attr-defined]

    for node in graph.nodes:
        values.append(fingerprint.apply(node.function, value(node.a), value(node.b)))
    return {name: value(operand) for name, operand in graph.outputs.items()}


def _number(value: float) -> int:
    """A number as a field element; what was 1/3 before it was written as a float is 1/3, and 0.0065 is 13/2000."""
    simple = Fraction(value).limit_denominator(LARGEST)
    close = abs(simple - Fraction(value)) <= abs(Fraction(value)) / 10**12
    exact = simple if close else Fraction(repr(float(value)))
    return exact.numerator * pow(exact.denominator, -1, fingerprint.PRIME) % fingerprint.PRIME


def _fraction(element: int) -> Fraction | None:
    """The fraction with small numbers that an element of the field stands for."""
    prime = fingerprint.PRIME
    below, above = (prime, element % prime)
    s, t = 0, 1
    while above > LARGEST:
        quotient = below // above
        below, above = above, below - quotient * above
        s, t = t, s - quotient * t
    if not 0 < abs(t) <= LARGEST or not above:
        return None
    return Fraction(above, t)
