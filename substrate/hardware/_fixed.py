"""Saturating fixed point, as a vector unit computes it on integers.

A number is an integer n of so many bits that stands for n / 2**fraction. Every operation saturates; a product is
truncated towards zero. The integers are carried as floating-point numbers of 24 bits, which is several times faster
here and exact: a product that needs more bits saturates, as long as bits + fraction <= 25. So a C kernel gives the
same bits. With a longer fraction, products beyond 2**24 units can be one unit off.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import Array

from substrate.functions import FUNCTIONS

#: What the vector unit has; anything else is computed in floating point and rounded, and is not admitted.
NATIVE = ("add", "sub", "mul", "min", "max", "abs", "sign", "step")


def bounded(value: Array, low: Array | float, high: Array | float) -> Array:
    """Clip; faster than `clip`, which must pass on what is not a number, while here that becomes `high`."""
    value = jnp.where(value < high, value, high)
    return jnp.where(value > low, value, low)


def toward_zero(value: Array) -> Array:
    """The integer part."""
    return jnp.where(value < 0, -jnp.floor(-value), jnp.floor(value))


def shifted(value: Array, shift: Array | int) -> Array:
    """`value / 2**shift` of integers, truncated towards zero."""
    return (value + ((value >> 31) & ((1 << shift) - 1))) >> shift


def whole(value: Array) -> Array:
    """An integer that is carried in floating point, as an integer."""
    return value.astype(jnp.int32)


@dataclass(frozen=True)
class Fixed:
    """Fixed point of at most 16 bits.

    Parameters
    ----------
    bits
        With the sign.
    fraction
        Bits behind the point.
    """

    bits: int = 16
    fraction: int = 9

    @property
    def limits(self) -> tuple[int, int]:
        """Least and greatest integer."""
        return -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1

    def saturate(self, value: Array) -> Array:
        """Clip to what the bits hold."""
        return bounded(value, *map(float, self.limits))

    def encode(self, value: Array | float) -> Array:
        """The nearest integer of a number."""
        return self.saturate(jnp.round(jnp.asarray(value, jnp.float32) * 2.0**self.fraction))

    def decode(self, value: Array) -> Array:
        """The number of an integer."""
        return value * 2.0**-self.fraction

    def apply(self, name: str, *values: Array) -> Array:
        """Compute a function of `FUNCTIONS` on integers."""
        one = float(min(1 << self.fraction, self.limits[1]))
        a, b = values[0], values[-1]
        if name == "mul":
            return self.saturate(self._product(a, b))
        if name in ("add", "sub", "min", "max", "abs"):
            return self.saturate(FUNCTIONS[name].jax(*values))
        if name == "sign":
            return jnp.sign(a) * one
        if name == "step":
            return jnp.where(a > 0, one, 0.0)
        return self.encode(jnp.nan_to_num(FUNCTIONS[name].jax(*map(self.decode, values))))

    def multiply_add(self, acc: Array, b: Array, codes: tuple[Array, Array, Array]) -> Array:
        """`gamma acc b + alpha acc + beta b` for coefficients (alpha, beta, gamma) of which one product is used.

        This is how the interpreter writes add, sub and mul without a branch.
        """
        alpha, beta, gamma = codes
        return self.saturate(self._product(acc, gamma * b) + (alpha * acc + beta * b))

    def _product(self, a: Array, b: Array) -> Array:
        return toward_zero(a * b * 2.0**-self.fraction)
