"""Random numbers by counting: the same place, time and chip give the same number, whatever else runs.

A number is a hash of a key and a counter, so no generator is carried along. The hash is the two-round
multiply-xorshift mixer known as lowbias32 (C. Wellons, 2018, public domain), whose bias is near the least known.
"""

import math
import zlib

import jax.numpy as jnp
from jax import Array

_GOLDEN = 0x9E3779B9  # 2**32 / golden ratio: neighbouring counters differ in half their bits


def mix(x: Array) -> Array:
    """Hash 32-bit integers."""
    x = x ^ (x >> 16)
    x = x * jnp.uint32(0x7FEB352D)
    x = x ^ (x >> 15)
    x = x * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


def stream(key: Array, name: str) -> Array:
    """The keys of a named stream of numbers."""
    return mix(key ^ jnp.uint32(zlib.crc32(name.encode())))


def bits(key: Array, front: tuple[int, ...]) -> Array:
    """32 random bits for every place of an array (*front, K, P), from keys (K, P)."""
    places = jnp.arange(math.prod(front), dtype=jnp.uint32) * jnp.uint32(_GOLDEN)
    return mix(key + places.reshape(*front, 1, 1))


def uniform(key: Array, front: tuple[int, ...]) -> Array:
    """Uniform in [0, 1), on a grid of 2**-24."""
    return (bits(key, front) >> 8).astype(jnp.float32) * 2.0**-24


def normal(key: Array, front: tuple[int, ...]) -> Array:
    """Standard normal numbers (Box and Muller 1958), for what is drawn once."""
    radius = jnp.sqrt(-2 * jnp.log(1 - uniform(stream(key, "radius"), front)))
    return radius * jnp.cos(2 * math.pi * uniform(stream(key, "angle"), front))


def rough_normal(key: Array, front: tuple[int, ...]) -> Array:
    """The sum of four random bytes, scaled to variance 1: what a chip's processor takes for a normal number."""
    word = bits(key, front)
    bytes_ = [((word >> shift) & 0xFF).astype(jnp.float32) for shift in (0, 8, 16, 24)]
    total = bytes_[0] + bytes_[1] + bytes_[2] + bytes_[3]
    return (total - 510.0) / math.sqrt(4 * (256**2 - 1) / 12)
