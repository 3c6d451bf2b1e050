"""Exact algebraic fingerprints: rules that are equal as formulas get the same number, without any algebra.

Every terminal stands for a random element of the field of integers modulo the prime 2**61 - 1, and a graph is
evaluated there. Addition, subtraction, multiplication and the protected division (a rational function) are field
operations, so equal formulas give equal values; unequal ones collide with a probability near their degree / 2**61
(Schwartz 1980, Zippel 1979). A function outside the field becomes a hash of its argument; that min and max are
symmetric, |x| is even and tanh and sign are odd is respected, other identities of theirs are not known.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from hashlib import blake2b

from substrate.functions import EPSILON, FUNCTIONS

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


EPSILON_KEY = of_number(EPSILON)


@lru_cache(maxsize=65536)
def _divide(a: int, b: int) -> int:
    below = (b * b + EPSILON_KEY) % PRIME
    return a * b * pow(below, -1, PRIME) % PRIME if below else 0


def _odd(name: str, a: int) -> int:
    small = min(a, PRIME - a)
    value = _hash(name, small) if small else 0
    return value if small == a else (PRIME - value) % PRIME


def _even(name: str, a: int) -> int:
    return _hash(name, min(a, PRIME - a)) if a else 0


def _symmetric(name: str, a: int, b: int) -> int:
    return a if a == b else _hash(name, min(a, b), max(a, b))


def _operation(name: str) -> Callable[[int, int], int]:
    known: dict[str, Callable[[int, int], int]] = {
        "mul": lambda a, b: a * b % PRIME,
        "sub": lambda a, b: (a - b) % PRIME,
        "add": lambda a, b: (a + b) % PRIME,
        "div": _divide,
        "reciprocal": lambda a, b: pow(a, -1, PRIME) if a else 0,
        "abs": lambda a, b: _even(name, a),
        **dict.fromkeys(("min", "max"), partial(_symmetric, name)),
        **dict.fromkeys(("tanh", "sign"), lambda a, b: _odd(name, a)),
    }
    return known.get(name, lambda a, b: _hash(name, a))


#: What every function does with field elements; the second is ignored where it takes one argument.
OPERATIONS = {name: _operation(name) for name in FUNCTIONS}


def apply(function: str, a: int, b: int) -> int:
    """Evaluate one operation; `b` is ignored where the function takes one argument."""
    return OPERATIONS[function](a, b)
