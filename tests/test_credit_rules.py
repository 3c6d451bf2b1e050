"""Rules of credit assignment against theory: gradients, averages over noise, angles, and what each leaves alone.

Networks are small and random, the reference is written again in NumPy with double precision.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rules_zoo import RULES
from substrate import PRE, Rule, names
from substrate.activations import ACTIVATIONS, STEEPNESS
from substrate.deep import OUTPUTS, Layers, Shown, Weights, answer
from substrate.layered import layered
from substrate.lowering import lower
from substrate.simulate import Episode, Reading, simulate
from tasks._supervised import weights as start

NOTHING = Reading(lambda episode, state: (), lambda gathered, episode, step: ())
SIZES = (6, 7, 5, 3)

PHI = {
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "sigmoid": (lambda u: 1 / (1 + np.exp(-u)), lambda u: 1 / (2 + np.exp(u) + np.exp(-u))),
    "relu": (lambda u: np.maximum(u, 0), lambda u: (u > 0) * 1.0),
    "softplus": (
        lambda u: np.logaddexp(0, STEEPNESS * u) / STEEPNESS,
        lambda u: 1 / (1 + np.exp(-STEEPNESS * u)),
    ),
}


class Case(NamedTuple):
    """A network (matrices without lanes), and a batch of samples (sample, n)."""

    weights: Weights
    x: np.ndarray
    target: np.ndarray
    activation: str = "tanh"
    output: str = "softmax"


def case(seed=0, sizes=SIZES, batch=1, activation="tanh", output="softmax") -> Case:
    rng = np.random.default_rng(seed)
    drawn = start(rng, sizes)
    biased = [np.array(w) for w in drawn.forward]
    for w in biased:
        w[:, -1] = rng.normal(size=len(w)) / 4
    x = rng.normal(size=(batch, sizes[0]))
    target = rng.normal(size=(batch, sizes[-1]))
    if output == "softmax":
        target = np.eye(sizes[-1])[rng.integers(sizes[-1], size=batch)]
    return Case(drawn._replace(forward=tuple(biased)), x, target, activation, output)


def laned(tree, lanes=1):
    """Repeat every array for so many lanes, (..., K, 1)."""
    return jax.tree.map(
        lambda a: jnp.broadcast_to(
            jnp.asarray(a, jnp.float32)[..., None, None], (*np.shape(a), lanes, 1)
        ),
        tree,
    )


def step(rule: Rule, of: Case, lanes=1, sd=0.01, lateral=None) -> tuple[Layers, Layers]:
    """The state before and after one step at unit rate; lanes differ in their noise."""
    network = layered(of.activation, of.output, len(of.x), sd)
    plasticity = lower(rule)
    before = network.init(plasticity, laned(of.weights, lanes))
    if lateral is not None:
        matrices = zip(before.lateral, lateral, strict=True)
        before = before._replace(lateral=tuple(s._replace(w=laned(r, lanes)) for s, r in matrices))
    shown = Shown(
        laned(of.x.T, lanes),
        laned(of.target.T, lanes),
        jnp.arange(lanes, dtype=jnp.float32)[:, None],
    )
    run = jax.jit(lambda state: network.step(plasticity, state, shown, jnp.ones((1, 1)))[0])
    return before, run(before)


def changes(rule: Rule, of: Case, lanes=1, **how) -> list[np.ndarray]:
    """dw of every forward projection, (post, pre, lane)."""
    before, after = step(rule, of, lanes, **how)
    pairs = zip(before.forward, after.forward, strict=True)
    return [np.asarray(b.w, np.float64)[..., 0] - np.asarray(a.w)[..., 0] for a, b in pairs]


def flat(arrays) -> np.ndarray:
    """All changes as one vector a lane, (number, lane)."""
    return np.concatenate([a.reshape(-1, a.shape[-1]) for a in arrays])


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b))


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """In degrees."""
    return float(np.degrees(np.arccos(np.clip(cosine(a, b), -1, 1))))


def forward(ws, x, of: Case, lateral=None):
    """Inputs with the bias, and net inputs, of every layer: (sample, n)."""
    phi, _ = PHI[of.activation]
    inputs, us, y = [], [], x
    for i, w in enumerate(ws):
        z = y if lateral is None else y @ lateral[i].T
        inputs.append(np.concatenate([z, np.ones((len(z), 1))], axis=1))
        us.append(inputs[-1] @ w.T)
        y = phi(us[-1])
    return inputs, us


def loss(ws, of: Case, lateral=None) -> float:
    """Mean over the samples."""
    u = forward(ws, of.x, of, lateral)[1][-1]
    if of.output == "linear":
        return float(np.mean(np.sum((of.target - u) ** 2, axis=1)) / 2)
    logp = u - np.log(np.exp(u).sum(axis=1, keepdims=True))
    return float(-np.mean(np.sum(of.target * logp, axis=1)))


def numerical(of: Case, lateral=None, h=1e-5) -> list[np.ndarray]:
    """The descent direction by central differences."""
    ws = [np.array(w) for w in of.weights.forward]
    found = [np.zeros((*w.shape, 1)) for w in ws]
    for w, g in zip(ws, found, strict=True):
        for at in np.ndindex(*w.shape):
            kept = w[at]
            w[at] = kept + h
            up = loss(ws, of, lateral)
            w[at] = kept - h
            g[at] = (loss(ws, of, lateral) - up) / (2 * h)
            w[at] = kept
    return found


def error(of: Case) -> np.ndarray:
    """Target less answer, (sample, n_L)."""
    u = forward(of.weights.forward, of.x, of)[1][-1]
    softmax = np.exp(u) / np.exp(u).sum(axis=1, keepdims=True)
    return of.target - (u if of.output == "linear" else softmax)


def taught(of: Case, down) -> list[np.ndarray]:
    """Teaching signals slope * b of layers 1..L, where `down(l, signal)` carries one to layer l."""
    us = forward(of.weights.forward, of.x, of)[1]
    signals = [error(of)]
    for layer in range(len(us) - 1, 0, -1):
        signals.append(PHI[of.activation][1](us[layer - 1]) * down(layer, signals[-1]))
    return signals[::-1]


def products(post, pre) -> list[np.ndarray]:
    """Mean over the samples of post pre^T for every layer, with one lane."""
    return [(d.T @ x)[..., None] / len(x) for d, x in zip(post, pre, strict=True)]


def same(ours, theirs, rtol=1e-4):
    for a, b in zip(ours, theirs, strict=True):
        assert np.linalg.norm(a - b) < rtol * np.linalg.norm(b)


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
    shown = Shown(
        np.tile(x[:, :-1], (40, 1))[..., None],
        np.tile(target, (40, 1))[..., None],
        np.zeros(40 * len(x)),
    )
    w0 = Weights((1e-6 * rng.normal(size=(2, 9)),), (np.zeros((8, 2)),), ())
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


def learn(rule, drives, starts, rate: float, reading=NOTHING, network=None):
    """Let networks learn side by side, one a lane; what is no list is one of them."""
    drives = drives if isinstance(drives, list) else [drives]
    starts = starts if isinstance(starts, list) else [starts]

    def stacked(*arrays):
        return jnp.asarray(np.stack(arrays, axis=-1)[..., None], jnp.float32)

    episode = Episode(jax.tree.map(stacked, *drives), jax.tree.map(stacked, *starts), {})
    run = jax.jit(
        lambda e: simulate(network or layered(), lower(rule), e, jnp.full((1, 1), rate), reading, 1)
    )
    return run(episode)


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
        drives.append(Shown(np.tile(x, (steps, 1, 1)), np.tile(y, (steps, 1, 1)), np.zeros(steps)))
        starts.append(Weights(forward, (np.zeros((d, n)), np.zeros((n, 1))), (np.zeros((n, 1)),)))
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


def noise_only(steps: int, sizes, seed: int) -> Shown:
    """Noise, to be named by the largest of its first components."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, sizes[0], 1))
    target = np.eye(sizes[-1])[np.argmax(x[:, : sizes[-1], 0], axis=1)][..., None]
    return Shown(x, target, rng.integers(2**24, size=steps))


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


def test_decorrelation_leaves_inputs_uncorrelated():
    rule = RULES["node_perturbation_decorrelated"]
    still = Rule("still", {**rule.changes, "forward": 0 * PRE}, rule.constants)
    rng, steps, n = np.random.default_rng(17), 4000, 6
    mix = np.linalg.cholesky(0.5 * np.eye(n) + 0.5)
    x = rng.normal(size=(steps, n)) @ mix.T
    w0 = case(17, sizes=(n, 5, 3)).weights
    drive = Shown(x[..., None], np.tile(np.eye(3)[0], (steps, 1))[..., None], np.zeros(steps))
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
