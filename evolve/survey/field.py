"""Arithmetic modulo the prime 2**61 - 1 on whole arrays: the fingerprints of a million formulas at once.

Numbers are uint64 below the prime. A product of two needs 122 bits, so it is put together from halves of 31 bits;
since 2**61 = 1, what stands above bit 61 is added below. The values are those of `evolve.search.fingerprint`, so a
search knows what a survey has scored.
"""

import numpy as np

from evolve.search import fingerprint

PRIME = np.uint64(fingerprint.PRIME)
_BITS, _HALF = np.uint64(61), np.uint64(31)
_LOW = np.uint64(2**31 - 1)
_THIRTY, _LOW30 = np.uint64(30), np.uint64(2**30 - 1)
_ONE = np.uint64(1)


def _reduced(x: np.ndarray) -> np.ndarray:
    """Below the prime, from any 64 bits."""
    x = (x & PRIME) + (x >> _BITS)
    return np.where(x >= PRIME, x - PRIME, x)


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b."""
    return _reduced(a + b)


def sub(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b."""
    return _reduced(a + (PRIME - b))


def mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a b.

    With a = a1 2**31 + a0 and b alike, a b = a1 b1 2**62 + (a1 b0 + a0 b1) 2**31 + a0 b0, where 2**62 = 2. The middle
    term is m 2**31 = (m >> 30) + (m & (2**30 - 1)) 2**31, as 2**61 = 1.
    """
    a1, a0 = a >> _HALF, a & _LOW
    b1, b0 = b >> _HALF, b & _LOW
    middle = a1 * b0 + a0 * b1
    high = (a1 * b1) << _ONE
    return _reduced(
        _reduced(high)
        + _reduced((middle >> _THIRTY) + ((middle & _LOW30) << _HALF))
        + _reduced(a0 * b0)
    )


def inverse(a: np.ndarray) -> np.ndarray:
    """1 / a, and 0 for 0: a**(p - 2), as Fermat has it."""
    result = np.where(a == 0, np.uint64(0), _ONE)
    power = int(PRIME) - 2
    square = a
    while power:
        if power & 1:
            result = mul(result, square)
        square = mul(square, square)
        power >>= 1
    return result
