"""Chains of patterns against what theory says of their storage and replay."""

import jax.numpy as jnp
import numpy as np
import pytest

from evolve.evaluation.arena import Arena, Bounds, Scores
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.networks.clamped import clamped
from substrate.simulate import NO_READING, Episode, simulate
from tasks import FAMILIES
from tasks.sequence_learning import chain, replay
from tests.support.scores import score_compiled

FAMILY = FAMILIES["sequence_learning"]


def measured(name: str, gains: tuple[float, ...] = (1.0,), **options) -> Scores:
    """Qualities of a rule on 50 instances, without the normalisation."""
    arena = Arena(FAMILY, FAMILY.options(**options), 0, "test", 50)
    shape = len(arena.settings), arena.instances
    return score_compiled(RULES[name], arena, Bounds(np.zeros(shape), np.ones(shape)), gains)


def learned(name: str, whole: np.ndarray, rate: float, repeats: int = 1) -> jnp.ndarray:
    """Weights (post, pre, 1, 1) after a chain (t, unit) was shown."""
    shown = np.tile(whole, (repeats, 1))
    before = np.roll(shown, 1, axis=0)
    before[:: len(whole)] = 0.0
    wide = {"pre": shown, "post": shown, "delayed": before}
    drive = {k: jnp.asarray(v, jnp.float32)[..., None, None] for k, v in wide.items()}
    w0 = jnp.zeros((whole.shape[1], whole.shape[1], 1, 1))
    network = clamped(recurrent=True, delayed=True)
    rates = jnp.full((1, 1), rate)
    return simulate(
        network, lower(RULES[name]), Episode(drive, w0, {}), rates, NO_READING, 1
    ).state.w


def test_asymmetric_hebb_sums_what_follows_what():
    rng = np.random.default_rng(0)
    whole = (rng.random((6, 15)) < 0.3).astype(float)
    theory = sum(np.outer(whole[t + 1], whole[t]) for t in range(5))
    np.fill_diagonal(theory, 0.0)
    np.testing.assert_allclose(learned("asymmetric_hebb", whole, 1.0)[..., 0, 0], theory, atol=1e-6)


@pytest.mark.parametrize(("name", "perfect"), [("asymmetric_hebb", True), ("hebb", False)])
def test_disjoint_patterns_are_replayed_in_order_only_by_what_knows_the_order(name, perfect):
    whole = np.kron(np.eye(5), np.ones(3))
    w = learned(name, whole, 1.0)
    played = replay(w, jnp.asarray(whole[0], jnp.float32)[:, None, None], 5, 3)[..., 0, 0]
    assert np.array_equal(played, whole[1:]) == perfect


def test_delta_stores_a_chain_of_independent_patterns_that_hebb_does_not():
    """15 patterns of 20 units, half of them active: the sum of products is hopeless, the projector exact."""
    rng = np.random.default_rng(1)
    whole = np.stack([rng.permutation(20) < 10 for _ in range(15)]).astype(float)
    first = jnp.asarray(whole[0], jnp.float32)[:, None, None]
    played = {
        n: np.asarray(replay(learned(n, whole, 0.05, repeats=600), first, 15, 10))[..., 0, 0]
        for n in ("asymmetric_delta", "asymmetric_hebb")
    }
    np.testing.assert_array_equal(played["asymmetric_delta"], whole[1:])
    assert np.mean(played["asymmetric_hebb"] == whole[1:]) < 0.7


def test_unequal_units_are_in_unequal_numbers_of_patterns():
    rng = np.random.default_rng(2)
    options = FAMILY.options(units=50, active=10, spread=1.0)
    even = FAMILY.options(units=50, active=10, spread=0.0)
    counts = [chain(rng, 400, o).sum(axis=0) for o in (options, even)]
    assert chain(rng, 5, options).sum(axis=1).tolist() == [10] * 5
    # Without spread the counts are binomial, with p = 0.2.
    assert counts[1].std() == pytest.approx(np.sqrt(400 * 0.2 * 0.8), rel=0.35)
    assert counts[0].std() > 4 * counts[1].std()


def test_a_longer_chain_is_harder_and_the_rules_are_in_their_order():
    names = ("hebb", "asymmetric_hebb", "asymmetric_covariance", "asymmetric_delta")
    short, long = np.transpose([measured(n).quality[0].mean(axis=1) for n in names])
    assert np.all(np.diff(short) > 0) and np.all(np.diff(long) > 0)
    assert np.all(short[1:] > long[1:])
    assert short[-1] > 0.95 and short[0] < 0.5


def test_gain_alone_wins_nothing():
    """Replay sees the order of the inputs only; what is left is the noise of the start weights."""
    fitness = measured("asymmetric_hebb", (0.3, 1.0, 3.0)).fitness
    assert np.ptp(fitness) < 0.02
    delta = measured("asymmetric_delta", (0.5, 0.7, 1.0, 1.4, 2.0)).fitness
    assert delta.max() - delta[2] < 0.05
