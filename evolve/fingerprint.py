"""Exact algebraic fingerprints: rules that are equal as formulas get the same number, without any algebra.

Every terminal stands for a random element of the field of integers modulo the prime 2**61 - 1, and a graph is
evaluated there. Addition, subtraction, multiplication and the protected division (a rational function) are field
operations, so equal formulas give equal values; unequal ones collide with a probability near their degree / 2**61
(Schwartz 1980, Zippel 1979). A function outside the field becomes a hash of its argument; that min and max are
symmetric, |x| is even and tanh and sign are odd is respected, other identities of theirs are not known.
"""

from functools import lru_cache
from hashlib import blake2b

from substrate.functions import EPSILON

PRIME = 2**61 - 1


def _hash(*words: object) -> int:
    text = "/".join(map(str, words)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") % PRIME


@lru_cache(maxsize=4096)
def of_terminal(name: str) -> int:
    """The random field element that stands for a terminal; the same in every process."""
    return _hash("terminal", name)


@lru_cache(maxsize=65536)
def of_number(value: float) -> int:
    """A finite float as the exact fraction that it is."""
    numerator, denominator = float(value).as_integer_ratio()
    return numerator * pow(denominator, -1, PRIME) % PRIME


_EPSILON = of_number(EPSILON)


@lru_cache(maxsize=65536)
def _divide(a: int, b: int) -> int:
    below = (b * b + _EPSILON) % PRIME
    return a * b * pow(below, -1, PRIME) % PRIME if below else 0


def _odd(name: str, a: int) -> int:
    small = min(a, PRIME - a)
    value = _hash(name, small) if small else 0
    return value if small == a else (PRIME - value) % PRIME


def apply(function: str, a: int, b: int) -> int:
    """Evaluate one operation; `b` is ignored where the function takes one argument."""
    if function == "mul":
        return a * b % PRIME
    if function == "sub":
        return (a - b) % PRIME
    if function == "add":
        return (a + b) % PRIME
    if function == "div":
        return _divide(a, b)
    if function == "reciprocal":
        return pow(a, -1, PRIME) if a else 0
    if function in ("min", "max"):
        return a if a == b else _hash(function, min(a, b), max(a, b))
    if function in ("tanh", "sign"):
        return _odd(function, a)
    if function == "abs":
        return _hash(function, min(a, PRIME - a)) if a else 0
    return _hash(function, a)
