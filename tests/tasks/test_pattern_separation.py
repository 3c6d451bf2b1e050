"""The layer with feedback inhibition against its fixed point, and the task against what it must tell apart."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from evolve.evaluation.arena import Arena, Bounds, Scores
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.networks.feedback_inhibition import feedback_inhibited, inhibited, winner
from tasks import FAMILIES
from tasks.pattern_separation import cosines, overlapping
from tests.support.scores import score_compiled

FAMILY = FAMILIES["pattern_separation"]


def measured(name: str, gains: tuple[float, ...] = (1.0,), **options) -> Scores:
    """Scores of a rule on 50 instances; 0 is the frozen network."""
    arena = Arena(FAMILY, FAMILY.options(**options), 0, "test", 50)
    shape = len(arena.settings), arena.instances
    floor = score_compiled(RULES["frozen"], arena, Bounds(np.zeros(shape), np.ones(shape)))
    return score_compiled(RULES[name], arena, Bounds(floor.quality[0], np.ones(shape)), gains)


@pytest.mark.parametrize("gain", [0.0, 0.5, 5.0, 100.0])
def test_outputs_are_the_fixed_point_of_feedback_inhibition(gain):
    rng = np.random.default_rng(0)
    u = rng.normal(1.0, 0.3, (40, 200, 1)).astype(np.float32)
    y = np.asarray(inhibited(jnp.asarray(u), gain), np.float64)
    np.testing.assert_allclose(y, np.maximum(u - gain * y.sum(axis=0), 0), atol=2e-3)
    scaled = np.asarray(inhibited(jnp.asarray(3 * u), gain))
    np.testing.assert_allclose(scaled, 3 * y, atol=1e-4)


def test_stronger_inhibition_leaves_fewer_active():
    u = jnp.asarray(np.random.default_rng(1).normal(1.0, 0.3, (40, 200, 1)), jnp.float32)
    counts = [float(jnp.mean(jnp.sum(inhibited(u, g) > 0, axis=0))) for g in (0.0, 0.1, 1.0, 10.0)]
    assert counts == sorted(counts, reverse=True) and counts[-1] < 4


def test_nobody_wins_a_silent_layer():
    y = jnp.asarray([[0.0, 1.0], [0.0, 2.0], [0.0, 0.0]])[..., None]
    assert winner(y)[..., 0].T.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_cosines_are_those_of_all_pairs():
    """Against loops over pairs; a silent showing counts 0 within and 1 between."""
    rng = np.random.default_rng(2)
    y = np.maximum(rng.normal(size=(3, 4, 5)), 0)
    y[1, 2] = 0.0

    def cosine(a: np.ndarray, b: np.ndarray, silent: float) -> float:
        lengths = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / lengths) if lengths else silent

    flat = [(s, p) for s in range(3) for p in range(4)]
    pairs = [(a, b) for a in flat for b in flat if a != b]
    within = [cosine(y[a], y[b], 0.0) for a, b in pairs if a[1] == b[1]]
    between = [cosine(y[a], y[b], 1.0) for a, b in pairs if a[1] != b[1]]
    found = cosines(jnp.asarray(y)[..., None, None])
    np.testing.assert_allclose(
        [float(f[0, 0]) for f in found], [np.mean(within), np.mean(between)], atol=1e-6
    )


def test_patterns_overlap_more_than_chance_and_differ_widely_in_activity():
    rng = np.random.default_rng(3)
    options = FAMILY.options(inputs=100, patterns=10)
    drawn = np.stack([overlapping(rng, options) for _ in range(50)])
    shares = drawn.mean(axis=2)
    np.testing.assert_allclose(shares[:, 0], 0.2, atol=0.01)
    np.testing.assert_allclose(shares[:, -1], 0.6, atol=0.01)
    common = np.mean(drawn[:, 4] * drawn[:, 5], axis=1)
    assert np.mean(common) > 1.5 * np.mean(shares[:, 4] * shares[:, 5])


def test_competition_separates_and_hebb_makes_all_alike():
    hebb, instar, rival = (measured(n) for n in ("hebb", "instar", "competitive"))
    assert hebb.fitness[0] < -0.2 and hebb.metrics["similarity"][0].mean() > 0.95
    for rule in (instar, rival):
        assert 0.3 < rule.fitness[0] < 0.7
        assert rule.metrics["similarity"][0].mean() < 0.35


def test_gain_alone_wins_nothing():
    """Hebb stays below the frozen network at every rate, and instar gains less than a tenth beyond its own."""
    gains = tuple(10.0 ** np.linspace(-2, 1, 7))
    assert measured("hebb", gains).fitness.max() < 0.05
    instar = measured("instar", gains).fitness
    assert instar.max() - instar[4] < 0.1


def test_weights_keep_their_sign_and_their_bound():
    rng = np.random.default_rng(4)
    network, plasticity = feedback_inhibited(1.0, bound=0.7), lower(RULES["covariance"])
    w0 = jnp.asarray(rng.uniform(0, 0.7, (5, 8, 3, 1)), jnp.float32)
    state = network.init(plasticity, w0)
    step = jax.jit(partial(network.step, plasticity))
    for x in rng.normal(size=(50, 8, 3, 1)).astype(np.float32):
        state, _ = step(state, jnp.asarray(x), jnp.full((1, 1), 0.5))
    w = np.asarray(state.w)
    assert w.min() == 0.0 and w.max() == np.float32(0.7)
