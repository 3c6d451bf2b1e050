"""The expected change of every rule against theory: E[dw] on inputs of known mean and covariance.

Every lane sees one input and all lanes share the weights, so that the lanes are the sample. With
C the covariance, m the mean, R = C + m m^T and W the weights (post, pre), linear outputs give the
table `THEORY`; the third moments in it are those of Gaussian inputs.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rules_zoo import RULES
from substrate import Rule
from substrate.compilation.lowering import lower
from substrate.networks.base import Network
from substrate.networks.feedforward import LATERAL, feedforward
from substrate.simulate import NO_READING, Episode, simulate
from substrate.synapses import Synapses

POST, PRE, LANES = 3, 4, 40_000
#: Memory of slow means in these tests [steps], short enough for its noise to show; and the steps
#: in which they forget their start.
TAU, SETTLE = 5.0, 100

_rng = np.random.default_rng(0)
W = _rng.standard_normal((POST, PRE)) / 2
MIX = _rng.standard_normal((PRE, PRE)) / 2
M = np.array([1.0, -0.5, 0.5, 1.0])
C = MIX @ MIX.T
R = C + np.outer(M, M)
DECAY = RULES["hebb_decay"].constants["decay"]

POWER = np.einsum("ij,jk,ik->i", W, R, W)[:, None]  # E[y**2]
MEAN = (W @ M)[:, None]  # E[y]
THIRD = 2 * MEAN * (W @ C) + POWER * M  # E[x y**2]
OJA = W @ R - POWER * W

THEORY = {
    "bcm": THIRD - POWER * (W @ R),
    # Two centred factors share the noise of both means, of variance 1 / (2 tau - 1) of the signal.
    "covariance": W @ C * (1 + 1 / (2 * TAU - 1)),
    "covariance_post": W @ C,
    "covariance_pre": W @ C,
    "frozen": 0 * W,
    "hebb": W @ R,
    "hebb_decay": W @ R - DECAY * W,
    "instar": W @ R - MEAN * W,
    "mettler2021_lr1": 2 * OJA + (1 + W) * (M - MEAN * W),
    "mettler2021_lr2": 2 * OJA - 2 * W * THIRD,
    "oja": OJA,
    "oja_subspace": W @ R - W @ R @ W.T @ W,
    "sanger": W @ R - np.tril(W @ R @ W.T) @ W,
}


@cache
def background() -> np.ndarray:
    """Inputs (step, pre, lane) of mean M and covariance C."""
    rng = np.random.default_rng(1)
    source = rng.standard_normal((SETTLE + 1, PRE, LANES), dtype=np.float32)
    return np.einsum("ij,tjk->tik", MIX.astype(np.float32), source) + M[:, None].astype(np.float32)


def network_of(rule: Rule) -> Network:
    """Linear neurons that see what the rule reads."""
    return feedforward(lateral=bool(rule.reads & LATERAL))


def settled(name: str, drive: np.ndarray) -> tuple[Synapses, Synapses]:
    """Let slow variables settle while nothing learns, then take one step at unit rate."""
    rule = RULES[name]
    rule = rule.with_constants(tau=TAU) if "tau" in rule.constants else rule
    plasticity, network = lower(rule), network_of(rule)

    @jax.jit
    def run(drive: jax.Array, w0: jax.Array) -> tuple[Synapses, Synapses]:
        still, unit = jnp.zeros((1, 1)), jnp.ones((1, 1))
        episode = Episode(drive[:-1], w0, {})
        before = simulate(network, plasticity, episode, still, NO_READING, 1).state
        return before, network.step(plasticity, before, drive[-1], unit)[0]

    return run(jnp.asarray(drive)[..., None], jnp.asarray(spread(W, drive)))


def spread(w: np.ndarray, drive: np.ndarray) -> np.ndarray:
    """Repeat weights (post, pre) for every lane of the inputs."""
    return np.broadcast_to(w[..., None, None], (*w.shape, drive.shape[-1], 1)).astype(np.float32)


def sampled_changes(name: str, drive: np.ndarray, w: np.ndarray, eta: float = 1.0) -> np.ndarray:
    """dw for each single input (pre, lane), as (post, pre, lane)."""
    plasticity, network = lower(RULES[name]), network_of(RULES[name])

    @jax.jit
    def run(drive: jax.Array, w0: jax.Array) -> jax.Array:
        state = network.init(plasticity, w0)
        return network.step(plasticity, state, drive, jnp.full((1, 1), eta))[0].w - w0

    return (
        np.asarray(run(jnp.asarray(drive)[..., None], jnp.asarray(spread(w, drive))))[..., 0] / eta
    )


def agree(samples: np.ndarray, theory: np.ndarray, precision: float) -> None:
    """Every mean over lanes is within 4.5 standard errors of theory, and those are fine enough."""
    error = 4.5 * samples.std(axis=-1) / np.sqrt(samples.shape[-1])
    assert error.max() <= precision, "the sample does not resolve the prediction"
    # What is left without noise is rounding of float32.
    np.testing.assert_array_less(np.abs(samples.mean(axis=-1) - theory), error + 1e-5)


@pytest.mark.parametrize("name", THEORY)
def test_mean_change_on_inputs_with_a_mean(name):
    before, after = settled(name, background())
    changes = np.asarray(after.w - before.w, dtype=np.float64)[..., 0]
    agree(changes, THEORY[name], precision=0.1 * np.abs(THEORY[name]).max())


def test_the_sample_tells_hebb_from_covariance():
    changes = sampled_changes("hebb", background()[-1], W).astype(np.float64)
    agree(changes, W @ R, precision=0.15)
    with pytest.raises(AssertionError, match="ordered"):
        agree(changes, W @ C, precision=0.15)


def test_bcm_threshold_settles_at_the_power_of_the_output():
    before, _ = settled("bcm", background())
    theta = np.asarray(before.slow["theta"], dtype=np.float64)[..., 0]
    agree(theta, POWER, precision=0.05 * POWER.max())


@pytest.mark.parametrize("name", ["mettler2021_lr1", "mettler2021_lr2"])
@pytest.mark.parametrize("shape", ["normal", "laplace", "uniform"])
def test_evolved_rules_drift_like_twice_oja_on_symmetric_inputs(name, shape):
    rng = np.random.default_rng(2)
    draw = {"uniform": lambda size: rng.uniform(-1.7, 1.7, size)}.get(shape, getattr(rng, shape))
    drive = (MIX @ draw(size=(PRE, 200_000))).astype(np.float32)
    w = W / np.linalg.norm(W, axis=1, keepdims=True)
    evolved, oja = (sampled_changes(n, drive, w).astype(np.float64) for n in (name, "oja"))
    agree(evolved - 2 * oja, np.zeros((POST, PRE)), precision=0.25 * np.abs(oja.mean(-1)).max())


@pytest.mark.parametrize("eta", [1.0, 0.01])
def test_hebb_normalised_is_a_hebbian_step_divided_by_its_norm(eta):
    drive = background()[0, :, :1000]
    hebb = W[..., None] + eta * np.einsum("ok,ik->oik", W @ drive, drive)
    theory = hebb / np.linalg.norm(hebb, axis=1, keepdims=True)
    changes = sampled_changes("hebb_normalised", drive, W, eta)
    np.testing.assert_allclose(W[..., None] + eta * changes, theory, atol=1e-5)


def test_hebb_normalised_tends_to_oja_in_proportion_to_the_rate():
    w = W / np.linalg.norm(W, axis=1, keepdims=True)
    drive = background()[0, :, :1000] / 4
    oja = sampled_changes("oja", drive, w)
    coarse, fine = (
        np.abs(sampled_changes("hebb_normalised", drive, w, eta) - oja).mean()
        for eta in (0.04, 0.02)
    )
    assert fine < 0.05 * np.abs(oja).mean()
    assert coarse / fine == pytest.approx(2, rel=0.1)
