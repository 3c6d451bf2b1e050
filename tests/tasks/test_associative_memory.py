"""Memories against the theory of their capacity."""

import jax.numpy as jnp
import numpy as np
import pytest

from evolve.evaluation.arena import Arena, Bounds, Scores
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.networks.clamped import clamped
from tasks import FAMILIES, _recall
from tests.support.scores import score_compiled

FAMILY = FAMILIES["associative_memory"]


def measured(name: str, gains: tuple[float, ...] = (1.0,), **options) -> Scores:
    """Qualities of a rule, without the normalisation."""
    arena = Arena(FAMILY, FAMILY.options(**options), 0, "test", 10)
    shape = len(arena.settings), arena.instances
    return score_compiled(RULES[name], arena, Bounds(np.zeros(shape), np.ones(shape)), gains)


def shown(name: str, pre: np.ndarray, post: np.ndarray, rate: float, recurrent: bool) -> np.ndarray:
    """Weights (post, pre) after pairs of patterns (pattern, unit), each shown once."""
    network, plasticity = clamped(recurrent), lower(RULES[name])
    state = network.init(plasticity, jnp.zeros((post.shape[1], pre.shape[1], 1, 1)))
    for x, y in zip(pre, post, strict=True):
        drive = {"pre": jnp.asarray(x)[:, None, None], "post": jnp.asarray(y)[:, None, None]}
        state, _ = network.step(plasticity, state, drive, jnp.full((1, 1), rate))
    return np.asarray(state.w[..., 0, 0])


def test_hopfield_recalls_a_tenth_and_fails_above_a_fifth():
    scores = measured("hopfield", units=200, loads=(0.1, 0.25), sweeps=20)
    few, many = scores.metrics["overlap"][0].mean(axis=1)
    assert few > 0.95
    assert many < 0.7 and scores.quality[0, 1].mean() < 0.1


def test_storkey_holds_more_than_hopfield():
    scores = {
        n: measured(n, units=100, loads=(0.2, 0.3)).quality[0] for n in ("hopfield", "storkey")
    }
    assert scores["storkey"].mean() > 0.9
    assert np.all(scores["storkey"].mean(axis=1) > scores["hopfield"].mean(axis=1) + 0.3)


def test_storkey_is_the_published_recursion():
    """Written with sums that leave both ends out, in NumPy and in double precision."""
    rng = np.random.default_rng(0)
    n, patterns = 12, rng.choice([-1.0, 1.0], (4, 12))
    w = np.zeros((n, n))
    for xi in patterns:
        h = np.array(
            [
                [sum(w[i, k] * xi[k] for k in range(n) if k not in (i, j)) for j in range(n)]
                for i in range(n)
            ]
        )
        w += (np.outer(xi, xi) - xi[:, None] * h.T - h * xi[None]) / n
        np.fill_diagonal(w, 0.0)
    np.testing.assert_allclose(shown("storkey", patterns, patterns, 1 / n, True), w, atol=1e-6)


def test_diederich_opper_tends_to_the_projector_on_the_patterns():
    """Without self-connections, sum_j w_ij xi_j = xi_i still has a solution, and repeats find it."""
    scores = measured(
        "diederich_opper", units=50, loads=(0.5,), repeats=200, damage=0.0, rate=0.02, overlap=1.0
    )
    assert scores.quality[0].mean() == 1.0
    assert (
        measured("hopfield", units=50, loads=(0.5,), damage=0.0, overlap=1.0).quality.mean() < 0.1
    )


def test_willshaw_fills_and_errs_as_its_theory_says():
    rng = np.random.default_rng(1)
    n, a, pairs = 400, 9, 900
    keys, values = (
        (np.argsort(rng.random((pairs, n)), axis=1) < a).astype(np.float32) for _ in range(2)
    )
    w = shown("willshaw", keys, values, 1.0, recurrent=False)
    assert set(np.unique(w)) == {0.0, 1.0}
    on = 1 - (1 - (a / n) ** 2) ** pairs
    assert w.mean() == pytest.approx(on, rel=0.02)

    counts = keys @ w.T
    assert np.all(counts[values == 1] == a), "no unit of the answer is missed"
    spurious = np.mean((counts == a) & (values == 0), axis=1) * n
    # A unit of r answers has the share 1 - (1 - a/n)**r of its synapses on, and needs all a of a key.
    full = 1 - (1 - a / n) ** values.sum(axis=0)
    assert spurious.mean() == pytest.approx(np.sum(full**a) * (n - a) / n, rel=0.25)


def test_the_best_rate_of_hopfield_is_any():
    """Recall looks at signs, so a gain buys nothing where weights start at 0."""
    scores = measured("hopfield", (0.1, 1.0, 10.0), units=50, loads=(0.1, 0.3))
    np.testing.assert_array_equal(scores.quality[0], scores.quality[1])
    np.testing.assert_array_equal(scores.quality[0], scores.quality[2])


def test_sparse_units_recall_by_hebb_but_not_when_frozen():
    options = {"code": "sparse", "units": 100, "active": 5, "loads": (0.2,), "damage": 0.2}
    assert measured("hebb", **options).quality.mean() > 0.9
    assert measured("frozen", **options).quality.mean() == 0.0


def test_no_unit_learns_onto_itself():
    rng = np.random.default_rng(2)
    patterns = rng.choice([-1.0, 1.0], (5, 20))
    assert not np.diag(shown("hopfield", patterns, patterns, 1 / 20, True)).any()
    np.testing.assert_allclose(
        shown("hopfield", patterns, patterns, 1 / 20, False), patterns.T @ patterns / 20, atol=1e-6
    )


def test_winners_are_as_many_as_asked_and_those_that_tie():
    u = jnp.asarray([3.0, 1.0, 2.0, 2.0])[:, None, None]
    assert _recall.winners(u, 1)[:, 0, 0].tolist() == [1, 0, 0, 0]
    assert _recall.winners(u, 2)[:, 0, 0].tolist() == [1, 0, 1, 1]
