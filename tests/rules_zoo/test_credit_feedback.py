"""Rules that shape feedback weights: angles between updates, and where the weights end."""

import jax.numpy as jnp
import numpy as np
import pytest

from rules_zoo import RULES
from substrate import PRE, Rule
from substrate.networks.layered import layered
from substrate.simulate import Reading
from tasks._supervised import weights as start
from tests.support.credit_cases import SIZES, angle, case, cosine, learn, noise_only


def test_signs_of_the_weights_keep_updates_within_90_degrees():
    """E |w| |b| / sqrt(E w^2 E b^2) = 2 / pi for Gaussian weights: the cosine, once for every layer between."""
    sizes, rng, lanes = (10, 100, 100, 100, 10), np.random.default_rng(0), 60
    starts = [start(rng, sizes) for _ in range(lanes)]
    drives = [noise_only(1, sizes, seed) for seed in range(lanes)]
    moved = {}
    for name in ("sign_symmetric", "backprop"):
        state = learn(RULES[name], drives, starts, 1.0).state
        moved[name] = [
            np.asarray(s.w)[..., 0] - np.stack(before, axis=-1)
            for s, *before in zip(state.forward, *(w.forward for w in starts), strict=True)
        ]
    seen = [
        [cosine(a[..., k], b[..., k]) for k in range(lanes)]
        for a, b in zip(*moved.values(), strict=True)
    ]
    assert np.mean(np.array(seen) > 0) > 0.97
    # A cosine in 50 active neurons varies by 1 / sqrt(50) a layer, its mean over the lanes by 0.02.
    theory = (2 / np.pi) ** np.array([3, 2, 1, 0])
    np.testing.assert_allclose(np.mean(seen, axis=1), theory, atol=0.05)


def test_kolen_pollack_forgets_what_the_weights_differ_by():
    decay, eta, w0 = 0.05, 0.05, case(14).weights
    rule = RULES["kolen_pollack"].with_constants(decay=decay)
    for steps, largest in ((300, 90), (2000, 2)):
        drive = noise_only(steps, SIZES, 14)
        state = learn(rule, drive, w0, eta, network=layered("tanh")).state
        for old, b0, new, back in zip(
            w0.forward, w0.feedback, state.forward, state.feedback, strict=True
        ):
            w, b = np.asarray(new.w)[:, :-1, 0, 0], np.asarray(back.w)[..., 0, 0]
            theory = (1 - eta * decay) ** steps * (old[:, :-1] - b0.T)
            np.testing.assert_allclose(w - b.T, theory, atol=1e-4)
            assert angle(w.T, b) < largest


def test_weight_mirror_settles_at_the_angle_of_its_noise():
    rule = RULES["weight_mirror"]
    still = Rule("still", {**rule.changes, "forward": 0 * PRE}, rule.constants)
    sizes, eta, steps = (40, 30, 20), 0.05, 2500
    w0 = case(16, sizes=sizes).weights
    powers = Reading(
        lambda episode, state: (jnp.zeros(()), [jnp.zeros(()) for _ in state.feedback]),
        lambda gathered, episode, s: (
            gathered[0] + 1,
            [
                total + jnp.where(gathered[0] >= 1000, jnp.sum((b.w - w) ** 2) / jnp.sum(w**2), 0)
                for total, b, w in zip(
                    gathered[1],
                    s.after.feedback,
                    [jnp.swapaxes(f.w[:, :-1], 0, 1) for f in s.after.forward],
                    strict=True,
                )
            ],
        ),
    )
    _, totals = learn(still, noise_only(steps, sizes, 16), w0, eta, powers).gathered
    a = eta * rule.constants["speed"]
    for total, n in zip(totals, sizes[:-1], strict=True):
        power = a * (n + 1) / (2 - a)
        assert float(total) / (steps - 1000) == pytest.approx(power, rel=0.15)
        assert np.degrees(np.arctan(np.sqrt(power))) < 20
