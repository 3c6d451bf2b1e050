"""Membranes, thresholds, traces and inputs against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from substrate.errors import UserError
from substrate.spiking.inputs import at_times, frozen_patterns, poisson
from substrate.spiking.membrane import advance, membrane, psp
from substrate.spiking.spikes import Reset, escape_thresholds, fire, hazard, keep, trace

TAU_M, TAU_S, C = 10.0, 2.0, 250.0


def exponential(t):
    """PSP of a current w e^(-t / tau_s) with w = 1 pA."""
    size = TAU_M * TAU_S / (C * (TAU_M - TAU_S))
    return size * (np.exp(-t / TAU_M) - np.exp(-t / TAU_S))


def alpha(t):
    """PSP of a current w (t / tau_s) e^(1 - t / tau_s) with w = 1 pA."""
    rate = 1 / TAU_S - 1 / TAU_M
    inner = (1 - np.exp(-rate * t)) / rate**2 - t * np.exp(-rate * t) / rate
    return np.e / (TAU_S * C) * np.exp(-t / TAU_M) * inner


FORMS = {"delta": lambda t: np.exp(-t / TAU_M), "exponential": exponential, "alpha": alpha}


@pytest.mark.parametrize("dt", [0.05, 0.25, 1.0])
@pytest.mark.parametrize("synapse", FORMS)
def test_a_psp_has_its_closed_form_at_any_step(synapse, dt):
    model = membrane(synapse, TAU_M, TAU_S, C, dt)
    spikes = np.zeros((round(60 / dt), 1))
    spikes[4] = 1
    after = np.arange(len(spikes) - 5)
    found = psp(model, spikes)[:, 0]
    assert np.all(found[:5] == 0)  # what arrives in a step counts from its end
    np.testing.assert_allclose(found[5:], FORMS[synapse](after * dt), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("synapse", FORMS)
def test_the_simulated_membrane_is_the_filter(synapse):
    model = membrane(synapse, dt=0.5)
    spikes = np.random.default_rng(0).poisson(0.2, (200, 3)).astype(float)
    weights = np.array([3.0, -2.0, 5.0])

    def step(state, arriving):
        return advance(model, state, arriving), state[0]

    state = (jnp.zeros(()),) * len(model.entry)
    _, u = lax.scan(step, state, jnp.asarray(spikes @ weights))
    expected = psp(model, spikes) @ weights
    np.testing.assert_allclose(u, expected, atol=1e-5 * np.abs(expected).max())


def test_equal_time_constants_are_no_special_case():
    """u = (w / C) t e^(-t / tau)."""
    model = membrane("exponential", 5.0, 5.0, C, 0.5)
    spikes = np.zeros((80, 1))
    spikes[0] = 1
    t = 0.5 * np.arange(79)
    np.testing.assert_allclose(psp(model, spikes)[1:, 0], t / C * np.exp(-t / 5), rtol=1e-6)


@pytest.mark.parametrize("dt", [0.05, 0.1])
def test_the_rate_current_curve(dt):
    """f = 1 / (t_ref + tau log(RI / (RI - threshold))), spikes being on the grid."""
    model, threshold, refractory = membrane(dt=dt), 15.0, 2.0
    reset = Reset(threshold, 0.0, round(refractory / dt))
    current = np.array([300.0, 380.0, 500.0, 800.0, 1500.0])  # rheobase is 375 pA

    def step(carry, _):
        (u, i), waiting = carry
        moved = sum(p * x for p, x in zip(model.step[0], (u, i), strict=True))
        u = moved + model.held[0] * current
        u, waiting, spikes = fire(u, waiting, reset)
        return ((u, i), waiting), spikes

    silent = jnp.zeros(len(current))
    seconds = 5
    steps = round(1e3 * seconds / dt)
    run = jax.jit(lambda: lax.scan(step, ((silent, silent), silent), None, length=steps)[1])
    found = np.asarray(run().sum(axis=0)) / (1e3 * seconds)  # spikes a ms
    level = TAU_M / C * current
    assert found[0] == 0
    interval = refractory + TAU_M * np.log(level[1:] / (level[1:] - threshold))
    assert np.all(1 / found[1:] > interval - dt - 0.05)
    assert np.all(1 / found[1:] < interval + 2 * dt + 0.05 * interval)


def test_escape_thresholds_give_the_hazard():
    rng, dt = np.random.default_rng(1), 1.0
    thresholds = escape_thresholds(rng.random(400_000), 15.0, 0.01, 2.0, dt)
    for u in (12.0, 15.0, 20.0):
        expected = 1 - np.exp(-float(hazard(jnp.float32(u), 15.0, 0.01, 2.0)) * dt)
        error = 4 * np.sqrt(expected * (1 - expected) / len(thresholds))
        assert abs(np.mean(u > thresholds) - expected) < error


def test_traces_of_all_and_of_the_nearest_spike():
    factor = keep(20.0, 1.0)
    spikes = jnp.asarray([1.0, 0.0, 1.0, 0.0, 0.0])

    def run(nearest):
        before, found = jnp.zeros(()), []
        for s in spikes:
            found.append(float(before))
            before = trace(before, s, factor, nearest)
        return found

    d = np.exp(-1 / 20)
    np.testing.assert_allclose(run(False), [0, 1, d, 1 + d * d, d + d**3], rtol=1e-6)
    np.testing.assert_allclose(run(True), [0, 1, d, 1, d], rtol=1e-6)


def test_inputs():
    rng = np.random.default_rng(2)
    counts = poisson(rng, np.array([100.0, 700.0]), 50_000, 0.5)
    expected = np.array([100.0, 700.0]) * 0.5e-3
    for own in (counts.mean(axis=0), counts.var(axis=0)):
        np.testing.assert_allclose(own, expected, rtol=0.1)
    patterns = frozen_patterns(rng, 3, 200, 500, 6.0, 1.0)
    assert patterns.shape == (3, 500, 200) and set(np.unique(patterns)) == {0.0, 1.0}
    assert patterns.mean() == pytest.approx(0.006, rel=0.05)
    given = at_times([[1.0, 2.5], []], 10, 0.5)
    assert np.flatnonzero(given[:, 0]).tolist() == [2, 5] and not given[:, 1].any()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: membrane(tau_m=-1.0), "tau_m = -1 ms: a time constant is positive"),
        (lambda: membrane(dt=1.5), "dt = 1.5 ms is too coarse for tau_s = 2 ms"),
        (lambda: membrane("gaussian"), "gaussian"),
        (lambda: at_times([[7.0]], 10, 0.5), "spikes at 7 ms, and there are 5 ms"),
    ],
)
def test_what_cannot_be_is_refused(make, said):
    with pytest.raises(UserError, match=said):
        make()
