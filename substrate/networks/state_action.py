"""A table of states and actions, as in the Pong player of a neuromorphic chip, in rate form.

    d_i = sum_j s_j w_ij / 2.4 + xi_i               s: share of the position's spikes on each row, w in codes
    n_i ~ Poisson(max(d_i - 4, 0) / 2)              spikes of action i
    R = sum_i rho(|i - k|) n_i / 100                rho = 4, 3, 2, 2, 1, 1, 0, then -1
    c_plus_ij = 4 s_j n_i / 128                     what a correlation sensor reads; 1 is full scale
    reward = R_k - Rbar_k,  then Rbar_k <- (1 - d) Rbar_k + d R_k
    at the end of an epoch   w_i += trunc((N - N_i) / N)   with N_i the spikes of the epoch, N = 3 positions

Every position k has a running mean Rbar_k of its own. Weights lie between 0 and 63 codes of 1/32.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

from substrate.networks.base import Network
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD
from substrate.synapses import Synapses, learn, start

SHARES = (1.0, 0.8, 0.5, 0.1)
REWARDS = (4.0, 3.0, 2.0, 2.0, 1.0, 1.0, 0.0)
CODE, TOP = 1 / 32, 63
OBSERVABLES = frozenset({"pre", "post", "w", "eta", "c_plus", "nu_post", "reward"})
#: Means above which Poisson numbers are drawn by a series in the normal deviate, and the terms summed below.
MANY, TERMS = 10.0, 30


class Player(NamedTuple):
    """The table and what the processor keeps; lanes (K, P) last."""

    synapses: Synapses
    expected: Array  # (position, K, P), Rbar
    spikes: Array  # (action, K, P), of this epoch
    hit: Array  # (K, P), 1 if the last action was near enough
    reward: Array  # (K, P), R of the last position


def graded(distance: Array, values: tuple[float, ...], beyond: float) -> Array:
    """The value for each whole distance, `beyond` where there is none."""
    result = jnp.full_like(distance, beyond, dtype=jnp.float32)
    for i, value in enumerate(values):
        result = jnp.where(distance == i, value, result)
    return result


def poisson(mean: Array, uniform: Array) -> Array:
    """Poisson numbers by inverting their distribution: summed for small means, by Cornish and Fisher for large."""
    small = jnp.minimum(mean, MANY)
    term = jnp.exp(-small)
    total, count = term, jnp.zeros_like(mean)
    for k in range(1, TERMS + 1):
        count = count + (uniform > total)
        term = term * small / k
        total = total + term
    z = ndtri(jnp.clip(uniform, 1e-7, 1 - 1e-7))
    large = jnp.floor(mean + jnp.sqrt(mean) * z + (z * z - 1) / 6 + 0.5)
    return jnp.where(mean > MANY, jnp.maximum(large, 0.0), count)


def init(plasticity: Plasticity, w0: Array) -> Player:
    """The table at the start; the expected reward is 1 everywhere."""
    actions, positions, *lanes = w0.shape
    nothing = jnp.zeros(tuple(lanes), jnp.float32)
    expected = jnp.ones((positions, *lanes), jnp.float32)
    spikes = jnp.zeros((actions, *lanes), jnp.float32)
    return Player(start(plasticity, w0), expected, spikes, nothing, nothing)


def step(
    plasticity: Plasticity, state: Player, drive: dict[str, Any], rate: Array
) -> tuple[Player, Array]:
    """One position: `position`, `noise` and `uniform` per action, `discount` d, `active`, and `last` of an epoch."""
    w = state.synapses.w
    actions, positions = w.shape[:2]
    where = drive["position"]  # (K, P or 1)
    rows, columns = jnp.arange(positions)[:, None, None], jnp.arange(actions)[:, None, None]
    share = graded(jnp.abs(rows - where), SHARES, 0.0)  # (pre, K, P or 1)
    driven = jnp.sum(w * share[None], axis=1) / CODE / 2.4 + drive["noise"]
    n = poisson(0.5 * jnp.maximum(driven - 4.0, 0.0), drive["uniform"])
    rho = graded(jnp.abs(columns - where), REWARDS, -1.0)
    reward = jnp.sum(rho * n, axis=0) / 100
    here = rows == where
    expected = jnp.sum(jnp.where(here, state.expected, 0.0), axis=0)
    observed = {
        "pre": share[None],
        "post": (n / 32)[:, None],
        "w": w,
        "eta": rate[None, None],
        "c_plus": (4 * share[None] * n[:, None]) / 128,
        "nu_post": n[:, None],
        "reward": (reward - expected)[None, None],
    }
    synapses = learn(state.synapses, plasticity, observed, (rate * drive["active"])[None, None])
    spikes = state.spikes + n
    target = 3.0 * positions
    homeostasis = jnp.where(drive["last"] > 0, jnp.trunc((target - spikes) / target), 0.0)
    changed = jnp.clip(synapses.w + CODE * homeostasis[:, None], 0.0, CODE * TOP)
    after = state.expected + here * drive["discount"] * (reward - state.expected)
    chosen = jnp.argmax(n, axis=0)
    hit = (graded(jnp.abs(chosen - where), REWARDS, -1.0) >= 0).astype(jnp.float32)
    return Player(
        synapses._replace(w=changed),
        after,
        jnp.where(drive["last"] > 0, 0.0, spikes),
        jnp.broadcast_to(hit, state.hit.shape),
        jnp.broadcast_to(reward, state.reward.shape),
    ), n


def state_action() -> Network:
    """The network; its sizes come with the weights."""
    return Network({FORWARD: OBSERVABLES}, init, step)
