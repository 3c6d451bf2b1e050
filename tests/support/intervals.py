"""Intervals that hold every value that float32 may give, rounded operation by operation as it is written down.

The bounds are arrays in float64 and are widened at every operation by what `substrate.functions` allows. Where the
exact value lies in the interval of an expression, and what a program computed too, they differ by rounding alone.
"""

from functools import reduce
from typing import Any

import numpy as np

from substrate.functions import EPSILON

UNIT = 2.0**-24
LEAST, LARGEST = 2.0**-126, float(np.finfo(np.float32).max)
TINY = 2.0**-149  # spacing of the numbers that NumPy keeps and others count as 0
_ENDLESS = [-np.inf, np.inf]


class Interval:
    """Bounds, and where the value may be NaN."""

    __array_ufunc__ = None  # NumPy leaves arithmetic to us

    def __init__(self, low: Any, high: Any, nan: Any = False) -> None:
        self.low, self.high = np.asarray(low, float), np.asarray(high, float)
        self.nan = np.broadcast_to(nan, np.broadcast_shapes(self.low.shape, self.high.shape))

    def __add__(self, other: Any) -> "Interval":
        other = interval(other)
        with np.errstate(all="ignore"):
            found = _rounded([self.low + other.low, self.high + other.high], 1, self, other)
        opposite = (self.high == np.inf) & (other.low == -np.inf)
        opposite = opposite | (self.low == -np.inf) & (other.high == np.inf)
        return found._perhaps_nan(opposite)

    def __sub__(self, other: Any) -> "Interval":
        return self + -interval(other)

    def __neg__(self) -> "Interval":
        return Interval(-self.high, -self.low, self.nan)

    def __mul__(self, other: Any) -> "Interval":
        other = interval(other)
        with np.errstate(all="ignore"):
            corners = [a * b for a in self.ends for b in other.ends]
        found = _rounded(corners, 1, self, other)
        unclear = _reaches_zero(self) & _reaches_infinity(other)
        return found._perhaps_nan(unclear | _reaches_zero(other) & _reaches_infinity(self))

    def __truediv__(self, other: Any) -> "Interval":
        other = interval(other)
        through = _reaches_zero(other)
        with np.errstate(all="ignore"):
            corners = [a / b for a in self.ends for b in other.ends]
        corners = [np.where(through, end, c) for c, end in zip(corners, _ENDLESS * 2, strict=True)]
        found = _rounded(corners, 1, self, other)
        return found._perhaps_nan(_reaches_zero(self) & through)

    def __pow__(self, exponent: int) -> "Interval":
        if exponent < 0:
            return 1.0 / self**-exponent
        bits = bin(exponent)[3:]
        return reduce(lambda x, bit: x * x * (self if bit == "1" else 1.0), bits, self)

    def __radd__(self, other: Any) -> "Interval":
        return interval(other) + self

    def __rsub__(self, other: Any) -> "Interval":
        return interval(other) - self

    def __rmul__(self, other: Any) -> "Interval":
        return interval(other) * self

    def __rtruediv__(self, other: Any) -> "Interval":
        return interval(other) / self

    def _perhaps_nan(self, where: np.ndarray) -> "Interval":
        low, high = np.where(where, -np.inf, self.low), np.where(where, np.inf, self.high)
        return Interval(low, high, self.nan | where)

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Both bounds."""
        return self.low, self.high

    def holds(self, value: Any) -> np.ndarray:
        """Whether a program may have computed this."""
        value = np.asarray(value, float)
        with np.errstate(invalid="ignore"):
            inside = (self.low <= value) & (value <= self.high)
        return np.where(np.isnan(value), self.nan, inside)


def interval(value: Any) -> Interval:
    """A number as an interval: float32 may not have it, and may count it as 0."""
    if isinstance(value, Interval):
        return value
    near = np.asarray(value, float)
    kept = (near == near.astype(np.float32)) & ((near == 0) | (np.abs(near) >= LEAST))
    return Interval(near, near) if np.all(kept) else _rounded([near], 1)


def divide(a: Any, b: Any) -> Interval:
    """The protected division: between its values at the ends, and at its peaks where they lie between."""
    a, b = interval(a), interval(b)

    def share(x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.where(x == 0, 0.0, 1 / (x + EPSILON / np.where(x == 0, 1.0, x)))

    peak = EPSILON**0.5
    points = [share(b.low), share(b.high)]
    for place in (-peak, peak, -LEAST, LEAST):
        points.append(share(np.clip(place, b.low, b.high)))
    least, most = _least(points), _most(points)
    with np.errstate(all="ignore"):
        corners = [x * y for x in a.ends for y in (least, most)]
    found = _rounded(corners, 4, a, b)
    return found._perhaps_nan(_reaches_infinity(a) & (_reaches_infinity(b) | _reaches_zero(b)))


def minimum(a: Any, b: Any) -> Interval:
    """The lesser."""
    a, b = interval(a), interval(b)
    return Interval(np.minimum(a.low, b.low), np.minimum(a.high, b.high), a.nan | b.nan)


def maximum(a: Any, b: Any) -> Interval:
    """The greater."""
    return -minimum(-interval(a), -interval(b))


def absolute(a: Any) -> Interval:
    """The magnitude."""
    a = interval(a)
    outer = np.maximum(np.abs(a.low), np.abs(a.high))
    inner = np.minimum(np.abs(a.low), np.abs(a.high))
    return Interval(np.where((a.low <= 0) & (a.high >= 0), 0.0, inner), outer, a.nan)


def _flushed(a: Interval) -> tuple[np.ndarray, np.ndarray]:
    """Bounds with 0 among them where a bound is so near to it that it may count as 0."""
    low = np.where((a.low > 0) & (a.low < LEAST), 0.0, a.low)
    return low, np.where((a.high < 0) & (a.high > -LEAST), 0.0, a.high)


def sign(a: Any) -> Interval:
    """-1, 0 or 1."""
    a = interval(a)
    return Interval(*map(np.sign, _flushed(a)), a.nan)


def step(a: Any, at_zero: float = 0.0) -> Interval:
    """1 above 0, else 0."""
    a = interval(a)
    return Interval(*((end > 0) * 1.0 for end in _flushed(a)), a.nan)


def tanh(a: Any) -> Interval:
    """The hyperbolic tangent."""
    a = interval(a)
    found = _rounded([np.tanh(a.low), np.tanh(a.high)], 8, a)
    return Interval(np.maximum(found.low, -1), np.minimum(found.high, 1), a.nan)


#: By the names of `substrate.functions.FUNCTIONS`.
INTERVALS = {
    "add": lambda a, b: interval(a) + b,
    "sub": lambda a, b: interval(a) - b,
    "mul": lambda a, b: interval(a) * b,
    "div": divide,
    "min": minimum,
    "max": maximum,
    "abs": absolute,
    "sign": sign,
    "step": step,
    "tanh": tanh,
    "reciprocal": lambda a: 1.0 / interval(a),
}


class Numpy:
    """What exported code asks of NumPy, for intervals."""

    minimum, maximum, abs, sign = map(staticmethod, (minimum, maximum, absolute, sign))
    heaviside, tanh = staticmethod(step), staticmethod(tanh)


def _reaches_zero(a: Interval) -> np.ndarray:
    return (a.low <= LEAST) & (a.high >= -LEAST)


def _reaches_infinity(a: Interval) -> np.ndarray:
    return np.isinf(a.low) | np.isinf(a.high)


def _least(values: list[np.ndarray]) -> np.ndarray:
    return reduce(np.fmin, values)


def _most(values: list[np.ndarray]) -> np.ndarray:
    return reduce(np.fmax, values)


def _rounded(values: list[Any], units: int, *of: Interval) -> Interval:
    """The interval of such values, each rounded by so many units, or to 0 or to infinity."""
    with np.errstate(all="ignore"):
        strange = reduce(np.logical_or, (np.isnan(v) for v in values))
        low, high = _least(values), _most(values)
        width = units * UNIT * 1.0001
        # Rounding keeps the order: what lies above 0 stays there, or counts as 0.
        low = np.where((low > 0) & (low < LEAST * 1.001), 0.0, low - width * np.abs(low))
        high = np.where((high < 0) & (high > -LEAST * 1.001), 0.0, high + width * np.abs(high))
        low, high = low - units * TINY * (low < 0), high + units * TINY * (high > 0)
    # Beyond the largest number lies infinity; an interval that reaches so far holds both.
    low = np.where(low > LARGEST, LARGEST, np.where(low < -LARGEST, -np.inf, low))
    high = np.where(high < -LARGEST, -LARGEST, np.where(high > LARGEST, np.inf, high))
    low = np.where(strange, -np.inf, low)
    high = np.where(strange, np.inf, high)
    nan = reduce(np.logical_or, (i.nan for i in of), np.asarray(strange))
    return Interval(low, high, nan)
