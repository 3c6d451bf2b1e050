"""Small random networks with errors, rules applied to them, and the same again in NumPy and double precision."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from substrate import Rule
from substrate.compilation.lowering import lower
from substrate.networks._layers import Layers, LayerWeights, StepInput
from substrate.networks.activations import STEEPNESS
from substrate.networks.layered import layered
from substrate.simulate import NO_READING, Episode, simulate
from tasks._supervised import weights as start

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

    weights: LayerWeights
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
    shown = StepInput(
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


def learn(rule, drives, starts, rate: float, reading=NO_READING, network=None):
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


def noise_only(steps: int, sizes, seed: int) -> StepInput:
    """Noise, to be named by the largest of its first components."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(steps, sizes[0], 1))
    target = np.eye(sizes[-1])[np.argmax(x[:, : sizes[-1], 0], axis=1)][..., None]
    return StepInput(x, target, rng.integers(2**24, size=steps))
