"""One layer of rectified neurons that share their feedback inhibition.

    u_i = sum_j w_ij x_j        y_i = max(u_i - I, 0)        I = g sum_k y_k

A basket cell sums all outputs and takes as much off each; the settled state is computed directly. What survives
is relative: scaling all weights scales all outputs, and the number of active units falls with g. Excitatory weights
stay within [0, bound], as Dale's law and the size of a synapse have it.
"""

from functools import lru_cache

import jax.numpy as jnp
from jax import Array

from substrate.networks.base import Network
from substrate.networks.feedforward import forward
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD
from substrate.synapses import Synapses, learn, start

OBSERVABLES = frozenset({"pre", "post", "w", "u", "eta", "winner"})


def inhibited(u: Array, gain: float) -> Array:
    """Outputs max(u - I, 0) with I = gain times their sum; u is (..., unit, K, P).

    Newton's steps from I = 0 rise to the solution, since the outputs are convex and piecewise linear in I. Each step
    silences the units below the last estimate, at strong inhibition about half of them.
    """
    inhibition = jnp.zeros_like(u[..., :1, :, :])
    for _ in range(u.shape[-3].bit_length() + 2):
        active = (u > inhibition).astype(u.dtype)
        count = jnp.sum(active, axis=-3, keepdims=True)
        inhibition = gain * jnp.sum(active * u, axis=-3, keepdims=True) / (1.0 + gain * count)
    return jnp.maximum(u - inhibition, 0.0)


def winner(y: Array) -> Array:
    """1 for the most active unit, else 0; a silent layer has no winner."""
    top = jnp.max(y, axis=-3, keepdims=True)
    return ((y == top) & (top > 0)).astype(y.dtype)


@lru_cache
def feedback_inhibited(gain: float = 1.0, bound: float = 1.0) -> Network:
    """Build the network; its sizes come with the weights it is given.

    Parameters
    ----------
    gain
        Strength g of the feedback inhibition.
    bound
        Largest weight; the least is 0.
    """

    def step(
        plasticity: Plasticity, state: Synapses, drive: Array, rate: Array
    ) -> tuple[Synapses, Array]:
        u = forward(state.w, drive)
        y = inhibited(u, gain)
        observed = {
            "pre": drive[None],
            "post": y[:, None],
            "w": state.w,
            "u": u[:, None],
            "eta": rate[None, None],
            "winner": winner(y)[:, None],
        }
        after = learn(state, plasticity, observed, rate[None, None])
        return after._replace(w=jnp.clip(after.w, 0.0, bound)), y

    return Network({FORWARD: OBSERVABLES}, start, step)
