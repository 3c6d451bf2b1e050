"""Rules that learn from noise, against gradients on average."""

import numpy as np
import pytest

from rules_zoo import RULES
from substrate import PRE, Rule
from substrate.networks._layers import StepInput
from substrate.networks.layered import layered
from tests.support.credit_cases import (
    SIZES,
    Case,
    case,
    changes,
    cosine,
    flat,
    forward,
    learn,
    numerical,
    products,
    taught,
)


def scatter(name: str, of: Case, gradient: np.ndarray) -> float:
    """Expected square of one sample's distance from its mean, to first order in the noise."""
    if name == "weight_perturbation":  # (g . xi) xi in the space of weights
        return float((len(gradient) + 1) * np.sum(gradient**2))
    # (e . xi) xi in the space of neurons, times the inputs; samples of a batch are independent
    pre = forward(of.weights.forward, of.x, of)[0]
    signals = taught(of, lambda layer, signal: signal @ of.weights.forward[layer][:, :-1])
    whole = sum(np.sum(s**2, axis=1) for s in signals)
    parts = sum(
        (whole * s.shape[1] + np.sum(s**2, axis=1)) * np.sum(x**2, axis=1)
        for s, x in zip(signals, pre, strict=True)
    )
    return float(np.sum(parts) / len(of.x) ** 2)


@pytest.mark.parametrize(
    ("name", "batch"),
    [("node_perturbation", 1), ("node_perturbation", 3), ("weight_perturbation", 3)],
)
def test_perturbation_is_the_gradient_on_average(name, batch):
    of, lanes = case(8, batch=batch), 12_000
    gradient, samples = flat(numerical(of))[:, 0], flat(changes(RULES[name], of, lanes, sd=1e-3))
    mean, off = samples.mean(axis=1), scatter(name, of, gradient)
    expected = np.sqrt(1 / (1 + off / lanes / np.sum(gradient**2)))
    assert expected > 0.99, "the sample does not resolve the prediction"
    assert cosine(mean, gradient) > 1 - 2 * (1 - expected)
    assert np.mean(np.sum((samples - gradient[:, None]) ** 2, axis=0)) == pytest.approx(
        off, rel=0.1
    )


def test_activity_perturbation_is_the_gradient_in_one_layer():
    """E[xi xi^T / |xi|^2] = 1 / N, so that the mean has the gradient's length too."""
    of = case(9, sizes=(6, 8), output="linear")
    gradient = flat(numerical(of))[:, 0]
    mean = flat(changes(RULES["activity_perturbation"], of, 20_000)).mean(axis=1)
    # N (e . xi) xi / |xi|^2 has the mean square N, of which 1 is the gradient's.
    precision = np.sqrt(8 / 20_000)
    assert np.linalg.norm(mean - gradient) < 3 * precision * np.linalg.norm(gradient)


def test_activity_perturbation_follows_what_the_noise_has_caused():
    """In deep networks its mean is that of (e . xi) J xi / mean((J xi)^2), J what noise does to net inputs."""
    of, lanes, h = case(10), 20_000, 1e-5
    ws, sizes = of.weights.forward, SIZES[1:]
    signals = np.concatenate(taught(of, lambda i, s: s @ ws[i][:, :-1]), axis=1)[0]

    def disturbed(noise):
        y, us = of.x[0], []
        for w, n in zip(ws, np.split(noise, np.cumsum(sizes)[:-1]), strict=True):
            us.append(w @ np.append(y, 1) + n)
            y = np.tanh(us[-1])
        return np.concatenate(us)

    n = sum(sizes)
    jacobian = np.stack(
        [(disturbed(h * v) - disturbed(-h * v)) / (2 * h) for v in np.eye(n)], axis=1
    )
    xi = np.random.default_rng(10).normal(size=(n, 200_000))
    du = jacobian @ xi
    in_neurons = np.mean((signals @ xi) * du / np.mean(du**2, axis=0), axis=1)
    pre = forward(ws, of.x, of)[0]
    parts = [p[None] for p in np.split(in_neurons, np.cumsum(sizes)[:-1])]
    theory, gradient = flat(products(parts, pre))[:, 0], flat(numerical(of))[:, 0]
    mean = flat(changes(RULES["activity_perturbation"], of, lanes)).mean(axis=1)
    assert cosine(mean, theory) > 0.99
    assert np.linalg.norm(mean) == pytest.approx(np.linalg.norm(theory), rel=0.05)
    assert cosine(mean, gradient) > 0.7


def test_decorrelation_leaves_inputs_uncorrelated():
    rule = RULES["node_perturbation_decorrelated"]
    still = Rule("still", {**rule.changes, "forward": 0 * PRE}, rule.constants)
    rng, steps, n = np.random.default_rng(17), 4000, 6
    mix = np.linalg.cholesky(0.5 * np.eye(n) + 0.5)
    x = rng.normal(size=(steps, n)) @ mix.T
    w0 = case(17, sizes=(n, 5, 3)).weights
    drive = StepInput(x[..., None], np.tile(np.eye(3)[0], (steps, 1))[..., None], np.zeros(steps))
    state = learn(still, drive, w0, 0.05, network=layered("tanh")).state

    def off_diagonal(z) -> float:
        c = np.corrcoef(z.T)
        return float(np.sqrt(np.mean(c[~np.eye(len(c), dtype=bool)] ** 2)))

    fresh = rng.normal(size=(4000, n)) @ mix.T
    r = np.asarray(state.lateral[0].w)[..., 0, 0]
    assert off_diagonal(fresh) == pytest.approx(0.5, abs=0.03)
    assert off_diagonal(fresh @ r.T) < 0.1
    np.testing.assert_array_equal(
        np.asarray(state.forward[0].w)[..., 0, 0], np.float32(w0.forward[0])
    )
