"""Rules that are given the error against gradients: backprop, fixed feedback, and rules for a readout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rules_zoo import RULES
from substrate import PRE, Rule
from substrate.networks._layers import OUTPUTS, LayerWeights, StepInput, answer
from substrate.networks.activations import ACTIVATIONS
from substrate.simulate import Reading
from tests.support.credit_cases import (
    SIZES,
    case,
    changes,
    cosine,
    error,
    forward,
    laned,
    learn,
    numerical,
    products,
    same,
    taught,
)


@pytest.mark.parametrize(
    ("output", "batch", "activation"),
    [
        ("softmax", 1, "tanh"),
        ("softmax", 4, "relu"),
        ("linear", 1, "sigmoid"),
        ("linear", 4, "softplus"),
    ],
)
def test_backprop_is_the_gradient(output, batch, activation):
    of = case(1, batch=batch, activation=activation, output=output)
    ours = changes(RULES["backprop"], of)
    same(ours, numerical(of))

    @jax.jit
    @jax.grad
    def slopes(ws):
        u = answer(ws, (), laned(of.x.T), ACTIVATIONS[activation]).u[-1]
        return jnp.mean(OUTPUTS[output].loss(u, laned(of.target.T)))

    same(ours, [-np.asarray(g)[..., 0] for g in slopes(laned(list(of.weights.forward)))])


def test_backprop_is_the_gradient_through_lateral_weights():
    of, rng = case(2, batch=3), np.random.default_rng(2)
    lateral = [np.eye(n) + rng.normal(size=(n, n)) / 4 for n in SIZES[:-1]]
    rule = Rule("both", {"forward": RULES["backprop"].dw, "lateral": 0 * PRE})
    same(changes(rule, of, lateral=lateral), numerical(of, lateral))


def test_feedback_that_agrees_with_the_weights_is_backprop():
    """Fixed, learned, or with the signs alone: B = W^T makes all of them the gradient."""
    of = case(3, batch=2)
    tied = of._replace(
        weights=of.weights._replace(feedback=tuple(w[:, :-1].T for w in of.weights.forward))
    )
    gradient = changes(RULES["backprop"], of)
    for name in ("feedback_alignment", "sign_symmetric", "weight_mirror"):
        same(changes(RULES[name], tied), gradient)
    same(changes(RULES["kolen_pollack"].with_constants(decay=0), tied), gradient)
    assert cosine(changes(RULES["feedback_alignment"], of)[0], gradient[0]) < 0.9


def test_fixed_feedback_follows_its_equations():
    of = case(4, batch=3)
    pre = forward(of.weights.forward, of.x, of)[0]
    b, d, e = of.weights.feedback, of.weights.direct, error(of)
    same(
        changes(RULES["feedback_alignment"], of),
        products(taught(of, lambda layer, signal: signal @ b[layer].T), pre),
    )
    same(
        changes(RULES["direct_feedback_alignment"], of),
        products(taught(of, lambda layer, signal: e @ d[layer - 1].T), pre),
    )


def test_with_one_hidden_layer_direct_feedback_is_feedback_alignment():
    of = case(5, sizes=(6, 7, 3))
    of = of._replace(weights=of.weights._replace(direct=(of.weights.feedback[1],)))
    same(
        changes(RULES["direct_feedback_alignment"], of),
        changes(RULES["feedback_alignment"], of),
        1e-6,
    )


def test_delta_and_perceptron_leave_hidden_weights_alone():
    of = case(6, batch=4)
    *hidden, readout = changes(RULES["delta"], of)
    assert not any(np.any(h) for h in hidden)
    same([readout], [numerical(of)[-1]])
    *hidden, readout = changes(RULES["perceptron"], of)
    assert not any(np.any(h) for h in hidden)
    pre, us = forward(of.weights.forward, of.x, of)
    softmax = np.exp(us[-1]) / np.exp(us[-1]).sum(axis=1, keepdims=True)
    same([readout], products([of.target - (softmax > 0.5)], pre[-1:]))


def test_perceptron_makes_no_more_mistakes_than_the_margin_allows():
    """Novikoff: two outputs differ by 2 x after a mistake, so their difference obeys (R / m)^2."""
    rng = np.random.default_rng(7)
    truth = rng.normal(size=9)
    truth /= np.linalg.norm(truth)
    x = np.concatenate([rng.normal(size=(400, 8)), np.ones((400, 1))], axis=1)
    x = x[np.abs(x @ truth) > 0.4]
    bound = np.max(np.sum(x**2, axis=1)) / np.min(np.abs(x @ truth)) ** 2
    target = np.eye(2)[(x @ truth > 0).astype(int)]
    shown = StepInput(
        np.tile(x[:, :-1], (40, 1))[..., None],
        np.tile(target, (40, 1))[..., None],
        np.zeros(40 * len(x)),
    )
    w0 = LayerWeights((1e-6 * rng.normal(size=(2, 9)),), (np.zeros((8, 2)),), ())
    mistakes = Reading(
        lambda episode, state: jnp.zeros((1, 1)),
        lambda gathered, episode, s: (
            gathered + jnp.any(s.before.forward[0].w != s.after.forward[0].w)
        ),
    )
    trace = learn(RULES["perceptron"], shown, w0, 1.0, reading=mistakes)
    assert 0 < trace.gathered[0, 0] <= bound
    w = np.asarray(trace.state.forward[0].w)[..., 0, 0]
    assert np.all((x @ (w[1] - w[0]) > 0) == (x @ truth > 0))
