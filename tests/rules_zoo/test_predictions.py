"""Where the rules of the zoo end up, against theory: norms, directions, growth rates, fixed points.

Weights are (post, pre, lane); every lane learns on a data set of its own. To first order in eta,
noise keeps a weight vector that follows the first principal component at a mean squared sine of
sum_k eta lambda1 lambda_k / (2 (lambda1 - lambda_k)) from it (the stationary variance of noise
eta**2 lambda1 lambda_k per step along k under the restoring rate eta (lambda1 - lambda_k)). It
doubles with the gain of the rule, so it tells Oja from twice Oja.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import make_spd_matrix

from rules_zoo import RULES
from substrate import Rule
from substrate.compilation.lowering import lower
from substrate.networks.feedforward import LATERAL, feedforward
from substrate.simulate import NO_READING, Episode, Reading, Trace, simulate

SPIKED = np.array([1.0, 0.2, 0.2, 0.2, 0.2])


def learn(
    rule: Rule, drive: np.ndarray, w0: np.ndarray, eta: float, reading: Reading = NO_READING
) -> Trace:
    """Let linear neurons learn on inputs (step, pre, lane) from weights (post, pre, lane)."""
    network = feedforward(lateral=bool(rule.reads & LATERAL))

    @jax.jit
    def run(episode: Episode, rate: jax.Array) -> Trace:
        return simulate(network, lower(rule), episode, rate, reading, individuals=1)

    episode = Episode(jnp.asarray(drive)[..., None], jnp.asarray(w0)[..., None], {})
    trace = run(episode, jnp.full((1, 1), eta))
    return jax.tree.map(lambda a: np.asarray(a)[..., 0] if np.ndim(a) else np.asarray(a), trace)


def mean_of(quantities: Callable, last: int, steps: int) -> Reading:
    """Gather the mean of some arrays of the state over the last steps of a run."""

    def start(episode, state):
        return jnp.zeros(()), jax.tree.map(jnp.zeros_like, quantities(state))

    def update(gathered, episode, step):
        count, total = gathered
        weight = jnp.where(count >= steps - last, 1 / last, 0.0)
        added = jax.tree.map(lambda sum, new: sum + weight * new, total, quantities(step.after))
        return count + 1, added

    return Reading(start, update)


def gaussian(rng: np.random.Generator, spectrum: np.ndarray, steps: int, lanes: int):
    """Draw zero-mean inputs with this spectrum, each lane rotated at random; and the axes."""
    n = len(spectrum)
    axes = np.linalg.qr(rng.standard_normal((lanes, n, n)))[0]
    source = rng.standard_normal((steps, lanes, n)) * np.sqrt(spectrum)
    return np.einsum("kij,tkj->tik", axes, source).astype(np.float32), axes


def random_rows(rng: np.random.Generator, n: int, lanes: int, post: int = 1) -> np.ndarray:
    """Draw weight vectors of norm 1 in random directions."""
    w = rng.standard_normal((post, n, lanes))
    return w / np.linalg.norm(w, axis=1, keepdims=True)


def cosines(w: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Absolute cosine of every row of the weights with every axis, (post, axis, lane)."""
    dots = np.einsum("oik,kia->oak", w, axes)
    return np.abs(dots) / np.linalg.norm(w, axis=1, keepdims=True)


def squared_sine(w: np.ndarray, axes: np.ndarray) -> float:
    """Mean over lanes of the squared sine of the angle to the first axis."""
    return float(np.mean(1 - cosines(w, axes)[0, 0] ** 2))


def predicted_squared_sine(spectrum: np.ndarray, eta: float) -> float:
    """The residual that noise keeps up, to first order in eta."""
    first, rest = spectrum[0], spectrum[1:]
    return float(np.sum(eta * first * rest / (2 * (first - rest))))


def log_norm(w: np.ndarray) -> np.ndarray:
    return np.log(np.linalg.norm(w[0], axis=0))


def agrees(samples: np.ndarray, theory: float, precision: float) -> bool:
    """Whether the mean lies within four standard errors of theory, and those are fine enough."""
    error = 4 * samples.std() / np.sqrt(samples.size)
    assert error < precision, f"the sample only resolves {error}, not {precision}"
    return bool(abs(samples.mean() - theory) < error)


@pytest.mark.parametrize("n", [2, 5, 10])
def test_oja_reaches_norm_one_and_the_first_component(n):
    rng, eta, spectrum = np.random.default_rng(n), 0.005, 1 / np.arange(1, n + 1)
    drive, axes = gaussian(rng, spectrum, steps=4000, lanes=128)
    trace = learn(RULES["oja"], drive, random_rows(rng, n, 128), eta)

    norms = np.linalg.norm(trace.state.w[0], axis=0)
    # E[|w|**2] gains eta**2 y**2 (|x|**2 - y**2) a step and loses 2 eta lambda1 (|w|**2 - 1).
    surplus = eta * spectrum[1:].sum() / 4
    assert trace.alive.all()
    np.testing.assert_allclose(norms, 1.0, atol=0.03)
    assert norms.mean() - 1 == pytest.approx(surplus, rel=0.1)
    assert squared_sine(trace.state.w, axes) == pytest.approx(
        predicted_squared_sine(spectrum, eta), rel=0.4
    )


def test_hebb_grows_exponentially_along_the_first_component_and_diverges():
    rng, eta, lanes = np.random.default_rng(0), 0.02, 128
    drive, axes = gaussian(rng, SPIKED, steps=1500, lanes=lanes)
    # From 1e-6 there is room to grow for 900 steps before anything counts as diverged.
    early = learn(RULES["hebb"], drive[:400], 1e-6 * random_rows(rng, 5, lanes), eta)
    late = learn(RULES["hebb"], drive[400:900], early.state.w, eta)
    end = learn(RULES["hebb"], drive[900:], late.state.w, eta)

    growth = (log_norm(late.state.w) - log_norm(early.state.w)) / 500
    # E[log|1 + eta x**2|] along the component; what wanders off it costs only what it returns.
    assert agrees(growth, eta * (1 - 1.5 * eta), precision=0.05 * eta)
    assert late.alive.all()
    assert squared_sine(late.state.w, axes) == pytest.approx(
        predicted_squared_sine(SPIKED, eta), rel=0.4
    )
    assert not end.alive.any()
    assert not end.state.w.any(), "dead lanes are set to zero"


def test_hebb_normalised_keeps_norm_one_and_finds_the_first_component():
    rng, eta, lanes = np.random.default_rng(1), 0.01, 128
    drive, axes = gaussian(rng, SPIKED, steps=1500, lanes=lanes)
    w0 = random_rows(rng, 5, lanes) * rng.uniform(0.1, 10, lanes)

    def deviation(state):
        return jnp.abs(jnp.linalg.norm(state.w, axis=1) - 1)

    worst = Reading(
        lambda episode, state: jnp.zeros_like(deviation(state)),
        lambda gathered, episode, step: jnp.maximum(gathered, deviation(step.after)),
    )
    trace = learn(RULES["hebb_normalised"], drive, w0, eta, worst)
    assert trace.gathered.max() < 1e-5, "norm 1 after every step, whatever it began with"
    assert squared_sine(trace.state.w, axes) == pytest.approx(
        predicted_squared_sine(SPIKED, eta), rel=0.4
    )


@pytest.mark.parametrize("decay", [0.5, 1.5])
def test_hebb_decay_dies_or_diverges_about_the_largest_eigenvalue(decay):
    rng, eta, lanes = np.random.default_rng(2), 0.02, 128
    drive, _ = gaussian(rng, SPIKED, steps=900, lanes=lanes)
    rule = RULES["hebb_decay"].with_constants(decay=decay)
    early = learn(rule, drive[:400], 1e-3 * random_rows(rng, 5, lanes), eta)
    late = learn(rule, drive[400:], early.state.w, eta)

    growth = (log_norm(late.state.w) - log_norm(early.state.w)) / 500
    # One step is (1 - eta decay) times a step of plain Hebb at the rate eta / (1 - eta decay).
    keep = 1 - eta * decay
    theory = np.log(keep) + eta / keep * (1 - 1.5 * eta / keep)
    assert np.sign(theory) == np.sign(1 - decay)
    assert agrees(growth, theory, precision=0.05 * eta)


def test_bcm_answers_one_pattern_and_its_threshold_tracks_the_power():
    rng, lanes, k, steps = np.random.default_rng(3), 16, 10, 40_000
    patterns = rng.standard_normal((k, 20, lanes)).astype(np.float32)
    patterns /= np.linalg.norm(patterns, axis=1, keepdims=True)
    drive = patterns[rng.integers(k, size=steps)]
    # All answers start near 1, the initial threshold, so nothing has been decided yet.
    w0 = patterns.sum(0, keepdims=True)
    reading = mean_of(lambda state: (state.w, state.slow["theta"]), steps // 2, steps)
    trace = learn(RULES["bcm"], drive, w0, 0.002, reading)

    w, theta = trace.gathered[1]
    answers = np.einsum("oin,pin->pn", w, patterns)
    assert trace.alive.all()
    assert np.min(1 - answers.mean(0) / answers.max(0)) > 0.8, "selectivity index"
    # The selective fixed point y (y - theta) = 0, theta = y**2 / k has y = theta = k.
    np.testing.assert_allclose(np.sort(answers, axis=0)[:-1], 0, atol=0.5)
    np.testing.assert_allclose(answers.max(0), k, rtol=0.1)
    np.testing.assert_allclose(theta[0, 0], k, rtol=0.1)
    np.testing.assert_allclose(theta[0, 0], np.mean(answers**2, axis=0), rtol=0.1)


@pytest.mark.parametrize(("speed", "settles"), [(0.5, True), (2.0, False)])
def test_bcm_needs_a_threshold_faster_than_its_weights(speed, settles):
    rng, eta = np.random.default_rng(8), 0.01
    pattern = random_rows(rng, 5, 4)[0]
    rule = RULES["bcm"].with_constants(tau=speed / eta)
    trace = learn(rule, np.repeat(pattern[None], 5000, axis=0), 1.1 * pattern[None], eta)
    # About y = theta = 1 the trace of the Jacobian is eta |x|**2 - 1 / tau: stable if negative.
    distance = np.abs(np.einsum("ik,ik->k", trace.state.w[0], pattern) - 1)
    assert np.all(distance < 1e-3) if settles else np.all(distance > 0.1)


def test_instar_settles_at_the_mean_input_weighted_by_the_response():
    rng, lanes, k, steps = np.random.default_rng(4), 32, 8, 6000
    patterns = rng.uniform(0, 1, (k, 5, lanes))
    drive = patterns[rng.integers(k, size=steps)].astype(np.float32)
    reading = mean_of(lambda state: state.w, steps // 2, steps)
    trace = learn(RULES["instar"], drive, rng.uniform(0, 1, (1, 5, lanes)), 0.01, reading)

    w = trace.gathered[1][0]
    power = np.einsum("pik,pjk->kij", patterns, patterns) / k
    values, vectors = np.linalg.eigh(power)
    first = vectors[..., -1].T
    mean = patterns.mean(0)
    # w = E[y x] / E[y] with y = w . x says power w = (mean . w) w: an eigenvector of fixed length.
    np.testing.assert_allclose(w, first * values[:, -1] / np.sum(mean * first, axis=0), rtol=0.05)
    answers = np.einsum("ik,pik->pk", w, patterns)
    weighted = np.einsum("pk,pik->ik", answers, patterns) / answers.sum(0)
    np.testing.assert_allclose(w, weighted, rtol=0.05)
    assert np.abs(w - mean).max() > 0.05, "the plain mean would not do"


def test_mettler_second_rule_is_lost_where_oja_is_not_unless_it_learns_slowly():
    rng, n, lanes = np.random.default_rng(5), 10, 64
    covariances = [make_spd_matrix(n, random_state=seed) for seed in range(lanes)]
    factors = np.stack([np.linalg.cholesky(c / c.max()) for c in covariances])
    source = rng.standard_normal((1800, lanes, n))
    drive = np.einsum("kij,tkj->tik", factors, source).astype(np.float32)
    w0 = random_rows(rng, n, lanes)

    def survivors(name: str, eta: float) -> float:
        return float(learn(RULES[name], drive, w0, eta).alive.mean())

    assert survivors("oja", 0.01) == 1
    assert survivors("mettler2021_lr1", 0.01) == 1
    assert survivors("mettler2021_lr2", 0.01) < 0.8
    assert survivors("mettler2021_lr2", 0.002) == 1


SPECTRUM_OF_THREE = np.array([1.0, 0.6, 0.3] + 17 * [0.05])


@pytest.fixture(scope="module")
def learned_components():
    """What both rules for several outputs learn on the same data: weights of each, and the axes."""
    rng, lanes = np.random.default_rng(6), 16
    drive, axes = gaussian(rng, SPECTRUM_OF_THREE, steps=12_000, lanes=lanes)
    w0 = 0.5 * random_rows(rng, 20, lanes, post=3)
    return {n: learn(RULES[n], drive, w0, 0.004).state.w for n in ("sanger", "oja_subspace")}, axes


def test_sanger_finds_the_components_in_order(learned_components):
    weights, axes = learned_components
    in_order = np.einsum("iik->ik", cosines(weights["sanger"], axes)[:, :3])
    assert in_order.min() > 0.95
    np.testing.assert_allclose(np.linalg.norm(weights["sanger"], axis=1), 1.0, atol=0.03)


def test_oja_subspace_is_orthonormal_in_the_subspace_but_in_no_order(learned_components):
    weights, axes = learned_components
    w = np.moveaxis(weights["oja_subspace"], -1, 0)
    basis = np.linalg.qr(np.swapaxes(w, 1, 2))[0]
    overlap = np.swapaxes(basis, 1, 2) @ axes[:, :, :3]
    largest = np.arccos(np.clip(np.linalg.svd(overlap)[1].min(axis=1), 0, 1))
    assert largest.max() < 0.1
    gram = w @ np.swapaxes(w, 1, 2)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(3), gram.shape), atol=0.02)
    in_order = np.einsum("iik->ik", cosines(weights["oja_subspace"], axes)[:, :3])
    assert np.median(in_order) < 0.95


def test_frozen_never_moves():
    rng = np.random.default_rng(7)
    w0 = random_rows(rng, 5, 4, post=2).astype(np.float32)
    trace = learn(RULES["frozen"], rng.standard_normal((300, 5, 4)), w0, eta=1.0)
    np.testing.assert_array_equal(trace.state.w, w0)
