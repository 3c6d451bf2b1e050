"""The predictive neuron against the figures of its publication, and its rule against the gradient that it follows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.networks.base import Network
from substrate.networks.predictive import predictive

DT = 0.05


def psp(spikes: np.ndarray, tau: float = 2.0, dt: float = DT) -> np.ndarray:
    """Inputs x of spikes (step, ...): each adds 1, which decays with `tau` [ms]."""
    x, level = np.zeros_like(spikes, dtype=np.float32), np.zeros(spikes.shape[1:], np.float32)
    for t, now in enumerate(spikes):
        level = level * np.float32(np.exp(-dt / tau)) + now
        x[t] = level
    return x


def spikes(times: list[list[float]], length: float) -> np.ndarray:
    """Inputs (step, line, lane) of one spike a line at these times [ms], (lane, line)."""
    s = np.zeros((round(length / DT), len(times[0]), len(times)), np.float32)
    for lane, row in enumerate(times):
        for line, at in enumerate(row):
            s[round(at / DT), line, lane] = 1.0
    return psp(s)


def trained(
    network: Network, x: np.ndarray, w0: np.ndarray, eta: float, epochs: int
) -> tuple[np.ndarray, np.ndarray]:
    """First spike of every epoch [ms], (epoch, lane), infinite if there is none; and the weights (line, lane)."""
    plasticity, rate = lower(RULES["saponati2023"]), jnp.full((1, 1), eta)

    @jax.jit
    def run(x: jax.Array, w0: jax.Array) -> tuple[jax.Array, jax.Array]:
        def epoch(state, _):
            state, z = lax.scan(lambda s, d: network.step(plasticity, s, d, rate), state, x)
            fired = z[:, 0, :, 0] > 0
            return state, jnp.where(fired.any(axis=0), jnp.argmax(fired, axis=0) * DT, jnp.inf)

        state, first = lax.scan(epoch, network.init(plasticity, w0), None, epochs)
        return first, state.synapses.w[0, ..., 0]

    first, w = run(jnp.asarray(x)[..., None], jnp.asarray(w0, jnp.float32)[None, ..., None])
    return np.asarray(first), np.asarray(w)


def test_the_first_spike_moves_before_the_second_input():
    """Inputs at 2 and 6 ms, from weights of 0.05 and from weights that are too small for a spike."""
    x = spikes([[2.0, 6.0]] * 2, 100.0)
    first, w = trained(predictive(), x, np.array([[0.05, 0.03]] * 2), 5e-4, 300)
    assert first[0, 0] == pytest.approx(6.8, abs=0.1)
    assert first[-1, 0] == pytest.approx(3.7, abs=0.1)
    assert first[0, 1] == np.inf and first[-1, 1] == pytest.approx(3.7, abs=0.1)
    assert np.all(np.diff(first[::50, 0]) <= 0)
    assert np.all(w[0] > 4 * w[1])


@pytest.mark.parametrize(
    ("tau", "ratios"),
    [(10.0, (1.41, 1.13, 0.97, 0.985)), (20.0, (1.39, 1.21, 0.78, 0.85))],
)
def test_pairs_of_spikes_change_weights_as_spike_timing_has_it(tau, ratios):
    """Ratios w / w0 after 60 pairings at +10, +20, -10 and -20 ms, of a synapse too weak to fire the neuron."""
    x = spikes([[100.0, 100.0 + d] for d in (10, 20, -10, -20)], 400.0)
    w0 = np.repeat([[0.001], [0.11]], 4, axis=1)
    _, w = trained(predictive(tau), x, w0, 2e-4, 60)
    np.testing.assert_allclose(w[0] / 0.001, ratios, atol=0.03)


def test_the_rule_goes_down_the_gradient_of_its_error():
    """One synapse changed by hand: the loss |x - v w|**2 / 2, v being the potential that the weights so far made."""
    rng = np.random.default_rng(0)
    x, w = rng.random((40, 3)), np.array([0.1, 0.2, 0.3])
    keep = 1 - DT / 10.0

    def loss(w: np.ndarray) -> float:
        v = 0.0
        for now in x[:-1]:
            v = keep * v + now @ w  # no spike: the threshold is out of reach
        return 0.5 * float(np.sum((x[-1] - v * w) ** 2))

    gradient = [(loss(w + h) - loss(w - h)) / 2e-6 for h in 1e-6 * np.eye(3)]
    network, plasticity = predictive(threshold=1e9), lower(RULES["saponati2023_unbounded"])
    state = network.init(plasticity, jnp.asarray(w)[None, :, None, None])
    for i, now in enumerate(x):
        before = np.asarray(state.synapses.w)
        rate = jnp.full((1, 1), 1.0 if i == len(x) - 1 else 0.0)
        state, _ = network.step(plasticity, state, jnp.asarray(now)[:, None, None], rate)
    change = (np.asarray(state.synapses.w) - before)[0, :, 0, 0]
    np.testing.assert_allclose(change, -np.array(gradient), rtol=1e-3)
