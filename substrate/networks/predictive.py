"""A leaky integrate-and-fire neuron whose synapses observe its potential and its error of prediction.

    x_j <- exp(-dt / tau_x) x_j + s_j      where the input is spikes s; or the input is x itself
    p_j <- a p_j + x_j
    v <- a v + sum_j w_j x_j - threshold z        z <- 1 if v > threshold, else 0        a = 1 - dt / tau

The potential v times the weights is a prediction of the input; `eps_w` is the error of that prediction, projected on
the weights, one number for the neuron. Learning reads the potential and the traces p of the step before. The reset
comes one step after the spike, so what follows a spike is learned at a low potential. Times in ms.
"""

from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from substrate.networks.base import Network
from substrate.networks.feedforward import forward
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD
from substrate.synapses import Synapses, learn, speed_factors, start

OBSERVABLES = frozenset({"pre", "post", "w", "u", "eta", "pre_tr", "eps_w"})


class PredictiveNeurons(NamedTuple):
    """Synapses, potentials and traces; K instances, P individuals."""

    synapses: Synapses
    v: Array  # (post, K, P)
    z: Array  # (post, K, P), spikes of the step before
    trace: Array  # (pre, K, P)
    x: Array  # (pre, K, P), inputs of the step before
    speed_factor: Array | None  # (post, K, 1 or P), of the leak on a chip


def rested(state: PredictiveNeurons) -> PredictiveNeurons:
    """The state after a long silence, with the same weights."""
    v, x = jnp.zeros_like(state.v), jnp.zeros_like(state.x)
    return state._replace(v=v, z=v, trace=x, x=x)


@lru_cache
def predictive(
    tau: float = 10.0, threshold: float = 2.0, dt: float = 0.05, tau_x: float | None = None
) -> Network:
    """Build the network; its neurons do not interact.

    Parameters
    ----------
    tau
        Time constant of membrane and trace [ms].
    threshold
        Potential of a spike, and what a spike takes off.
    dt
        Length of a step [ms].
    tau_x
        Time constant with which input spikes decay [ms]; inputs are taken as they are if not given.
    """
    keep = 1.0 - dt / tau
    lasting = 0.0 if tau_x is None else float(np.exp(-dt / tau_x))

    def init(plasticity: Plasticity, w0: Array) -> PredictiveNeurons:
        still = jnp.zeros((w0.shape[0], *w0.shape[2:]), w0.dtype)
        quiet = jnp.zeros(w0.shape[1:], w0.dtype)
        speed_factor = speed_factors(plasticity, w0.shape[0], "membrane")
        return PredictiveNeurons(start(plasticity, w0), still, still, quiet, quiet, speed_factor)

    def step(
        plasticity: Plasticity, state: PredictiveNeurons, drive: Array, rate: Array
    ) -> tuple[PredictiveNeurons, Array]:
        w, v = state.synapses.w, state.v
        x = lasting * state.x + drive
        error = x[None] - v[:, None] * w
        observed = {
            "pre": x[None],
            "post": state.z[:, None],
            "w": w,
            "u": v[:, None],
            "eta": rate[None, None],
            "pre_tr": state.trace[None],
            "eps_w": jnp.sum(error * w, axis=1)[:, None],
        }
        synapses = learn(state.synapses, plasticity, observed, rate[None, None])
        kept = keep if state.speed_factor is None else 1.0 - dt / tau * state.speed_factor
        v = kept * v + forward(w, x) - threshold * state.z
        z = (v > threshold).astype(v.dtype)
        after = state._replace(synapses=synapses, v=v, z=z, trace=keep * state.trace + x, x=x)
        return after, z

    return Network({FORWARD: OBSERVABLES}, init, step)
