"""A neuron that answers patterns of spikes trial by trial, and learns at the end of each from a reward.

    C du/dt = -(C / tau_m) u + I,   tau_s dI/dt = -I        u relative to rest; a spike of input j adds w_j to I
    spike with the hazard rho exp((u - threshold) / Du), then u = 0 and a refractory time
    answer 1 if the neuron spiked in the trial, else -1;   R = answer * class
    E_j = scale * sum over the trial of exp(-(T - t) / tau_M) (S(t) - escape(u(t)) dt) sbar_j(t)
    w_j <- w_j + rate dw(R, E_j, ...),   then Rbar_p and Rbar_m <- (1 - 1 / m) Rbar_p, m + (1 / m) [R]_+, -

Patterns come back unchanged, so `sbar_j(t)`, the potential that an input would cause at weight 1, is computed once
for an instance and shared by all rules. The potential without spikes is linear in the weights, u0 = sum_j w_j sbar_j,
so a trial is a matrix product; what a spike takes off decays as the membrane does, which leaves one scan over time
with a few numbers a neuron. The eligibility is a second matrix product.

Weights in nA, potentials in mV, `E` in the unit of the published code; see `tasks/reward_driven.py`.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from substrate.hardware.base import Unit
from substrate.networks.base import Network
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD
from substrate.spiking.spikes import keep
from substrate.synapses import Synapses, learn, start

OBSERVABLES = frozenset({"R", "E", "Rbar", "Rbar_p", "Rbar_m", "pre", "post", "w", "eta"})
#: On a chip: weights up to 4 nA, eligibilities up to 64.
UNITS = {"w": Unit(2.0), "E": Unit(16.0)}
#: Steps of a trial that are computed between two passes of the loop.
UNROLLED = 10


class FrozenTrialNeuron(NamedTuple):
    """The neuron and model parameters of a trial; times in ms, potentials in mV relative to rest, rates in 1/ms."""

    steps: int = 500
    dt: float = 1.0
    tau_m: float = 10.0
    refractory: float = 2.0
    tau_eligibility: float = 500.0
    # Escape function of the eligibility, and its scale; that of the spikes comes with the noise of the input.
    threshold: float = 15.0
    rate: float = 0.01
    width: float = 5.0
    scale: float = 4.0  # for PSPs in mV / nA; 4,000 for mV / pA
    memory: float = 100.0  # trials of the running means of the reward


class FrozenTrials(NamedTuple):
    """Synapses and running means; K instances, P individuals."""

    synapses: Synapses
    positive: Array  # (K, P), Rbar_p
    negative: Array  # (K, P), Rbar_m
    reward: Array  # (K, P), R of the last trial


def spikes_of(free: Array, thresholds: Array, neuron: FrozenTrialNeuron) -> tuple[Array, Array]:
    """Potentials after the reset, and spikes, both (step, K, P), of neurons whose potential is `free` if none spikes.

    Parameters
    ----------
    thresholds
        Of every step, (step, K, 1 or P); see `spikes.escape_thresholds`.
    """
    decay, refractory = keep(neuron.tau_m, neuron.dt), round(neuron.refractory / neuron.dt)

    def step(
        carry: tuple[Array, Array], now: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        taken, waiting = carry  # what spikes took off the potential; remaining refractory steps
        free, threshold = now
        waits = waiting > 0
        u = jnp.where(waits, 0.0, free - taken)
        spike = (u > threshold) & ~waits
        clamped = waits | spike
        u = jnp.where(spike, 0.0, u)
        taken = decay * jnp.where(clamped, free, taken)
        waiting = jnp.where(spike, float(refractory), waiting - 1.0)
        return (taken, waiting), (u, spike.astype(free.dtype))

    silent = jnp.zeros_like(free[0])
    _, found = lax.scan(step, (silent, silent), (free, thresholds), unroll=UNROLLED)
    return found


def prepare(shared: Mapping[str, Array]) -> list[list[Array]]:
    """PSPs (pattern, step, pre, K, Q) as arrays (pattern, step, pre) of each lane, [K][Q]: a pattern in one piece."""
    psp = shared["psp"]
    *_, instances, others = psp.shape
    return [[psp[..., k, q] for q in range(others)] for k in range(instances)]


@lru_cache
def frozen_trials(neuron: FrozenTrialNeuron) -> Network:
    """Build the network of one neuron; its input of a step is a trial.

    That is a tree: `pattern` (1,), `class` (1,), of 1 and -1, and `thresholds` (step,) [mV]. Shared by all trials are
    `psp` (pattern, step, pre) [mV/nA].

    Parameters
    ----------
    neuron
        The model.
    """
    left = keep(neuron.tau_eligibility, neuron.dt) ** np.arange(neuron.steps, 0, -1)
    gain = jnp.asarray(neuron.scale * left, jnp.float32)[:, None, None]

    def init(plasticity: Plasticity, w0: Array) -> FrozenTrials:
        nothing = jnp.zeros(w0.shape[2:], w0.dtype)
        return FrozenTrials(start(plasticity, w0), nothing, nothing, nothing)

    def shown(psp: list[list[Array]], pattern: Array) -> list[list[Array]]:
        """The PSPs of a trial, (step, pre) of each lane."""
        index = jnp.broadcast_to(pattern.astype(jnp.int32), (len(psp), len(psp[0])))
        return [[a[index[k, q]] for q, a in enumerate(row)] for k, row in enumerate(psp)]

    def step(
        plasticity: Plasticity, state: FrozenTrials, drive: Mapping[str, Any], rate: Array
    ) -> tuple[FrozenTrials, Array]:
        w = state.synapses.w
        psp = shown(drive["shared"], drive["pattern"][0])
        free = _products(psp, w[0])
        u, spikes = spikes_of(free, drive["thresholds"], neuron)
        escape = neuron.rate * neuron.dt * jnp.exp((u - neuron.threshold) / neuron.width)
        surprise = gain * (spikes - escape)
        eligibility = _products([[a.T for a in row] for row in psp], surprise)
        answer = jnp.where(jnp.any(spikes > 0, axis=0), 1.0, -1.0)
        reward = answer * drive["class"][0]
        observed = {
            "R": reward[None, None],
            "E": eligibility[None],
            "Rbar": (state.positive + state.negative)[None, None],
            "Rbar_p": state.positive[None, None],
            "Rbar_m": state.negative[None, None],
            "pre": _active(psp)[None],
            "post": jnp.sum(spikes, axis=0)[None, None],
            "w": w,
            "eta": rate[None, None],
        }
        synapses = learn(state.synapses, plasticity, observed, rate[None, None])
        share = 1.0 / neuron.memory
        after = FrozenTrials(
            synapses,
            state.positive + share * (jnp.maximum(reward, 0.0) - state.positive),
            state.negative + share * (jnp.minimum(reward, 0.0) - state.negative),
            jnp.broadcast_to(reward, state.reward.shape),
        )
        return after, answer[None]

    return Network({FORWARD: OBSERVABLES}, init, step, prepare=prepare, units=UNITS)


def _products(matrices: list[list[Array]], vectors: Array) -> Array:
    """Products (row, K, P) of a matrix (row, column) for each lane with vectors (column, K, P)."""

    def one(k: int) -> Array:
        row = matrices[k]
        if len(row) == 1:
            return row[0] @ vectors[:, k]
        parts = [a @ vectors[:, k, q : q + 1] for q, a in enumerate(row)]
        return jnp.concatenate(parts, axis=1)

    return jnp.stack([one(k) for k in range(len(matrices))], axis=1)


def _active(psp: list[list[Array]]) -> Array:
    """Whether an input spikes in the trial, (pre, K, Q)."""
    rows = [jnp.stack([jnp.any(a > 0, axis=0) for a in row], axis=-1) for row in psp]
    return jnp.stack(rows, axis=1).astype(jnp.float32)
