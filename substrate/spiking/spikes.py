"""When a neuron spikes, what follows, and what synapses keep of spikes.

    hard threshold   u >= threshold
    escape rate      hazard(u) = rate exp((u - threshold) / width);  P(spike in a step) = 1 - exp(-hazard dt)

The escape rate is drawn by a threshold that fluctuates: with U uniform in (0, 1), a spike falls in a step if

    u > threshold + width log(-log(1 - U) / (rate dt))

So the noise of a step is one number that does not depend on the neuron, and all rules may meet the same noise.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array


def hazard(u: Array, threshold: float, rate: float, width: float) -> Array:
    """Spikes per unit of time at a potential."""
    return rate * jnp.exp((u - threshold) / width)


def escape_thresholds(
    uniform: np.ndarray, threshold: float, rate: float, width: float, dt: float
) -> np.ndarray:
    """The threshold of every step, from numbers uniform in (0, 1)."""
    waited = np.maximum(-np.log1p(-uniform), 1e-300)  # exponential with mean 1
    return threshold + width * np.log(waited / (rate * dt))


def trace(before: Array, spikes: Array, keep: float, nearest: bool = False) -> Array:
    """A trace after a step: it decays by the factor `keep` and takes up spikes.

    Parameters
    ----------
    nearest
        Whether only the last spike is remembered (nearest-neighbour): a spike sets the trace to 1. If not, every
        spike adds 1 (all-to-all).
    """
    decayed = keep * before
    return jnp.where(spikes > 0, 1.0, decayed) if nearest else decayed + spikes


def keep(tau: float, dt: float) -> float:
    """The factor by which something with this time constant decays in a step."""
    return float(np.exp(-dt / tau))


class Reset(NamedTuple):
    """A hard threshold and what follows a spike; potentials in the unit of the membrane."""

    threshold: float
    reset: float = 0.0
    refractory: int = 0  # steps for which the potential stays at the reset


def fire(u: Array, waiting: Array, model: Reset) -> tuple[Array, Array, Array]:
    """Potentials and remaining refractory steps after the threshold was looked at, and who spiked (1 or 0)."""
    u = jnp.where(waiting > 0, model.reset, u)
    spikes = (u >= model.threshold) & (waiting <= 0)
    waiting = jnp.where(spikes, model.refractory, jnp.maximum(waiting - 1, 0))
    return jnp.where(spikes, model.reset, u), waiting, spikes.astype(u.dtype)
