"""Recall: what stored weights make of a cue, with nothing learning.

Patterns are (pattern, unit, K, 1 or P), weights (post, pre, K, P). Units are either signs, +1 and -1, or sparse, of
which a fixed number is 1 and the others 0.
"""

import jax.numpy as jnp
from jax import Array, lax


def winners(u: Array, count: int) -> Array:
    """1 for the `count` largest of the inputs (..., unit, K, P) and for what ties with the last of them, else 0."""
    # A unit wins if fewer than `count` are above it: as much work as one product W x, and faster than sorting.
    above = jnp.sum((u[..., None, :, :, :] > u[..., :, None, :, :]).astype(jnp.int32), axis=-3)
    return (above < count).astype(u.dtype)


def through(w: Array, patterns: Array) -> Array:
    """W x of every pattern."""
    return jnp.einsum("oikp,mikp->mokp", w, jnp.broadcast_to(patterns, _lanes(w, patterns)))


def relax(w: Array, cues: Array, sweeps: int) -> Array:
    """Let sign units follow their inputs one after another, `sweeps` times all of them.

    A unit without input keeps its sign. Asynchronous updates of symmetric weights go downhill in energy, so they end
    in a fixed point.
    """

    def unit(s: Array, row: tuple[Array, Array]) -> tuple[Array, None]:
        index, incoming = row
        h = jnp.einsum("ikp,imkp->mkp", incoming, s)
        return s.at[index].set(jnp.where(h == 0, s[index], jnp.sign(h))), None

    def sweep(s: Array, _: None) -> tuple[Array, None]:
        return lax.scan(unit, s, (jnp.arange(w.shape[0]), w))[0], None

    first = jnp.swapaxes(jnp.broadcast_to(cues, _lanes(w, cues)), 0, 1)
    return jnp.swapaxes(lax.scan(sweep, first, None, sweeps)[0], 0, 1)


def take_turns(w: Array, cues: Array, count: int, sweeps: int) -> Array:
    """Let sparse units take turns: all at once, the `count` with the largest input win."""

    def sweep(s: Array, _: None) -> tuple[Array, None]:
        return winners(through(w, s), count), None

    return lax.scan(sweep, jnp.broadcast_to(cues, _lanes(w, cues)), None, sweeps)[0]


def overlap(found: Array, patterns: Array) -> Array:
    """Overlap of sign patterns, mean of s xi; or of sparse ones, their correlation over units: (pattern, K, P).

    One formula for both, the correlation, would not do for signs, whose mean may be what is wrong.
    """
    return jnp.mean(found * patterns, axis=-3)


def correlation(found: Array, patterns: Array) -> Array:
    """Correlation over units (..., unit, K, P); 0 where a side does not vary."""
    a = found - jnp.mean(found, axis=-3, keepdims=True)
    b = patterns - jnp.mean(patterns, axis=-3, keepdims=True)
    power = jnp.sum(a * a, axis=-3) * jnp.sum(b * b, axis=-3)
    return jnp.sum(a * b, axis=-3) / jnp.sqrt(jnp.maximum(power, 1e-12))


def _lanes(w: Array, patterns: Array) -> tuple[int, ...]:
    return (*patterns.shape[:-2], *w.shape[-2:])
