"""Variants of classical rules against theory: what BCM selects, anti-Hebb forgets, and an outstar calls up."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.networks.base import Network
from substrate.networks.clamped import clamped
from substrate.networks.feedforward import feedforward
from substrate.simulate import NO_READING, Episode, Trace, simulate


def learn(
    name: str, network: Network, drive: object, w0: np.ndarray, eta: float, **constants: float
) -> Trace:
    """Let neurons learn on inputs (step, ..., lane) from weights (post, pre, lane)."""

    @jax.jit
    def run(episode: Episode, rate: jax.Array) -> Trace:
        plasticity = lower(RULES[name].with_constants(**constants))
        return simulate(network, plasticity, episode, rate, NO_READING, individuals=1)

    wide = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32)[..., None], (drive, w0))
    return run(Episode(*wide, {}), jnp.full((1, 1), eta))


@pytest.mark.parametrize(
    ("name", "eta", "answer"), [("bcm_original", 1e-3, 16.0), ("bcm_law_cooper", 0.005, 4.0)]
)
def test_bcm_variants_answer_one_pattern(name, eta, answer):
    """K = 4 patterns: the first form rests at y = theta = (y / K)**2, so y = K**2; the second at y = K."""
    rng, lanes, k, steps = np.random.default_rng(0), 16, 4, 30_000
    patterns = rng.standard_normal((k, 20, lanes))
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    drive = patterns[rng.integers(k, size=steps)]
    # Answers near K: above the threshold that makes the silent state attractive, and none ahead.
    gram = np.einsum("pin,qin->npq", patterns, patterns)
    goal = 1.0 + 0.05 * rng.standard_normal((lanes, k, 1))
    w0 = np.einsum("pin,npx->xin", patterns, np.linalg.solve(gram, goal * (k if answer > k else 1)))
    trace = learn(name, feedforward(), drive, w0, eta)
    assert np.all(np.asarray(trace.alive))
    answers = np.einsum("in,pin->pn", np.asarray(trace.state.w)[0, ..., 0], patterns)
    selectivity = 1 - answers.mean(axis=0) / answers.max(axis=0)
    assert np.median(selectivity) > 0.7  # 1 - 1 / K is all there can be
    np.testing.assert_allclose(np.median(answers.max(axis=0)), answer, rtol=0.15)


def test_anti_hebb_forgets_each_direction_at_its_own_pace():
    rng, lanes, eta, steps = np.random.default_rng(1), 2000, 0.01, 200
    values = np.array([1.0, 0.5, 0.1])
    drive = rng.standard_normal((steps, 3, lanes)) * np.sqrt(values)[:, None]
    w = np.asarray(learn("anti_hebb", feedforward(), drive, np.ones((1, 3, lanes)), eta).state.w)
    np.testing.assert_allclose(w[0, ..., 0].mean(axis=1), (1 - eta * values) ** steps, rtol=0.05)


def test_outstar_learns_the_mean_output_while_its_input_is_on():
    rng, lanes = np.random.default_rng(2), 4
    on = (rng.random((4000, 1, lanes)) < 0.3).astype(float)
    pattern = rng.random((6, lanes))
    post = on * pattern + (1 - on) * rng.random((4000, 6, lanes))
    trace = learn(
        "outstar",
        clamped(recurrent=False),
        {"pre": on, "post": post},
        np.zeros((6, 1, lanes)),
        0.05,
    )
    np.testing.assert_allclose(np.asarray(trace.state.w)[:, 0, :, 0], pattern, atol=1e-3)
