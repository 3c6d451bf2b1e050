"""Rules that add a Hebbian term to what feedback teaches: equations of the publications, and alignment."""

import numpy as np

from rules_zoo import RULES
from substrate import PRE, Rule, names
from substrate.networks._layers import LayerWeights, StepInput
from substrate.networks.activations import STEEPNESS
from substrate.networks.layered import layered
from tests.support.credit_cases import (
    PHI,
    case,
    changes,
    error,
    forward,
    learn,
    numerical,
    products,
    same,
    taught,
)


def test_oja_and_error_hebb_terms_follow_the_publication():
    """Teaching signals e = answer - target, down to the inputs: -e y^T + g (y y^T - y y^T W) and -e y^T - g e e^T."""
    of = case(11, sizes=(6, 7, 5, 3), activation="softplus")
    ws, b = of.weights.forward, of.weights.feedback
    pre, us = forward(ws, of.x, of)
    y = [PHI["softplus"][0](u) for u in us[:-1]] + [of.target - error(of)]
    e = [-s for s in taught(of, lambda layer, signal: signal @ b[layer].T)]
    gain = RULES["feedback_alignment_oja"].constants["gain"]
    oja = [
        -d + gain * (o - o_w)
        for d, o, o_w in zip(
            products(e, pre),
            products(y, pre),
            products(y, [v @ w for v, w in zip(y, ws, strict=True)]),
            strict=True,
        )
    ]
    same(changes(RULES["feedback_alignment_oja"], of), oja)
    slope = 1 - np.exp(
        -STEEPNESS * of.x
    )  # the published slope, in the activity: also of the inputs
    below = [slope * (e[0] @ b[0].T), *e[:-1]]
    below = [np.concatenate([s, np.zeros((1, 1))], axis=1) for s in below]
    hebb = [-d - gain * h for d, h in zip(products(e, pre), products(e, below), strict=True)]
    same(changes(RULES["feedback_alignment_hebb"], of), hebb)


def test_error_hebb_adds_what_every_output_teaches():
    of = case(12, output="linear")
    pre, us = forward(of.weights.forward, of.x, of)
    gain = RULES["error_hebb"].constants["gain"]
    teaching = [sum(c * (c * np.tanh(u)) for c in error(of)[0]) for u in us[:-1]]
    theory = [gain * p for p in products(teaching, pre[:-1])]
    *hidden, readout = changes(RULES["error_hebb"], of)
    same(hidden, theory)
    same([readout], [numerical(of)[-1]])


def test_error_hebb_turns_features_from_the_task_and_the_gradient_towards_it():
    """Published: both fit the data, but Hebb lowers the alignment of the features' kernel with the targets."""
    n, d, p, gamma, dt, steps = 128, 50, 10, 2.0, 0.02, 400
    drives, starts = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(d, p)), rng.choice([-1.0, 1.0], size=(1, p))
        first, second = rng.normal(size=(n, d)) / np.sqrt(d), rng.normal(size=(1, n)) / (gamma * n)
        forward = [np.pad(w, ((0, 0), (0, 1))) for w in (first, np.sqrt(2) * second)]
        drives.append(
            StepInput(np.tile(x, (steps, 1, 1)), np.tile(y, (steps, 1, 1)), np.zeros(steps))
        )
        starts.append(
            LayerWeights(forward, (np.zeros((d, n)), np.zeros((n, 1))), (np.zeros((n, 1)),))
        )
    bp_err, dphi, err = names("bp_err dphi err")
    # The mean-field scaling h = W x / sqrt(d), f = w . sqrt(2) relu(h) / (gamma n), as rates of the two layers.
    ratio = gamma**2 * n**2 / (2 * d)
    rules = {
        "hebb": RULES["error_hebb"].with_constants(gain=gamma * n / (np.sqrt(2) * d)),
        "gradient": Rule("r", {"forward": ratio * bp_err * dphi * PRE, "readout": err * PRE}),
    }

    def aligned(w, drive) -> float:
        features = np.maximum(w[:, :-1] @ drive.x[0], 0)
        kernel, y = features.T @ features, drive.target[0][0]
        return float(y @ kernel @ y / np.linalg.norm(kernel) / p)

    before = np.array(
        [aligned(w.forward[0], drive) for w, drive in zip(starts, drives, strict=True)]
    )
    after = {}
    for name, rule in rules.items():
        network = layered("relu", "linear", p, bias=0.0)
        state = learn(rule, drives, starts, 2 * p / n * dt, network=network).state
        w, readout = (np.asarray(s.w)[..., 0] for s in state.forward)
        for k, drive in enumerate(drives):
            f = readout[0, :-1, k] @ np.maximum(w[:, :-1, k] @ drive.x[0], 0)
            assert np.mean((f - drive.target[0][0]) ** 2) < 0.01
        after[name] = np.array([aligned(w[..., k], drive) for k, drive in enumerate(drives)])
    assert np.all(after["hebb"] < before) and np.mean(before - after["hebb"]) > 0.05
    assert np.all(after["gradient"] > before + 0.2)
