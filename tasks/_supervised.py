"""What families of supervised learning share: start weights, a stream of samples, a score on held-out samples.

    W_l ~ N(0, 2 / n_(l-1)), the readout N(0, 1 / n_(L-1)), biases 0
    B_l ~ N(0, 1 / n_l), D_l ~ N(0, 1 / n_l)

so that errors that are carried down have about the size that the gradient would have. A family may ask for Xavier's
start instead: everything uniform within +- sqrt(6 / (n_(l-1) + n_l)), biases 0.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from substrate.activations import ACTIVATIONS
from substrate.deep import OUTPUTS, Layers, Shown, Weights, answer
from substrate.rule import READOUT, Rule
from substrate.simulate import Episode, Reading, Trace
from substrate.vocabulary import PRE, names
from tasks._analyses import analyse
from tasks.base import Instance, Outcome

#: How the readout learns while the rule of the hidden layers evolves.
DELTA = Rule("delta", {READOUT: names("err")[0] * PRE})
#: Rules that stand beside a champion: the upper bound, the best known local one, and those that leave features alone.
RIVALS = ("backprop", "feedback_alignment", "delta", "frozen")
#: A search on layered networks: what a synapse of a hidden layer may read, and a size that suits dear evaluations.
SEARCH = {
    "genes": {"terminals": ("pre", "post", "w", "dphi", "fb_err")},
    "variation": {"islands": 16},
    "stop": {"generations": 100},
    "instances": {"train": 10, "validation": 20, "test": 50},
}

#: Learning leaves its marks in the state; nothing else is read.
READING = Reading(lambda episode, state: (), lambda gathered, episode, step: ())


class Samples(NamedTuple):
    """Inputs and targets."""

    x: np.ndarray  # (sample, n_0)
    target: np.ndarray  # (sample, n_L)

    def at(self, places: np.ndarray) -> "Samples":
        """Those at some places, in this order."""
        return Samples(self.x[places], self.target[places])


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Targets (sample, class) of labels."""
    return np.eye(classes)[labels]


def weights(rng: np.random.Generator, sizes: Sequence[int]) -> Weights:
    """Draw the weights of layers with so many neurons, inputs first."""
    pairs = list(pairwise(sizes))

    def forward(layer: int, pre: int, post: int) -> Any:
        gain = 1.0 if layer == len(pairs) - 1 else 2.0
        drawn = rng.normal(size=(post, pre)) * np.sqrt(gain / pre)
        return np.concatenate([drawn, np.zeros((post, 1))], axis=1)

    return Weights(
        tuple(forward(i, *pair) for i, pair in enumerate(pairs)),
        tuple(rng.normal(size=pair) / np.sqrt(pair[0]) for pair in pairs),
        tuple(rng.normal(size=(n, sizes[-1])) / np.sqrt(n) for n in sizes[1:-1]),
    )


def xavier(rng: np.random.Generator, sizes: Sequence[int]) -> Weights:
    """Draw weights and feedback weights uniformly, with Xavier's bounds."""

    def drawn(post: int, pre: int) -> np.ndarray:
        bound = np.sqrt(6 / (post + pre))
        return rng.uniform(-bound, bound, (post, pre))

    pairs = list(pairwise(sizes))
    return Weights(
        tuple(np.pad(drawn(post, pre), ((0, 0), (0, 1))) for pre, post in pairs),  # type: ignore[misc]
        tuple(drawn(pre, post) for pre, post in pairs),
        tuple(drawn(n, sizes[-1]) for n in sizes[1:-1]),
    )


def instance(
    rng: np.random.Generator,
    sizes: Sequence[int],
    stream: Samples,
    probes: dict[str, Samples],
    batch: int = 1,
    start: Callable[[np.random.Generator, Sequence[int]], Weights] = weights,
) -> Instance:
    """A network at its start, the samples it learns from, and the samples it is probed with.

    Parameters
    ----------
    stream
        Shown in this order, `batch` at a step.
    probes
        `held_out`, and others to compare it with.
    start
        Draws the weights of layers of such sizes.
    """
    steps = len(stream.x) // batch

    def shown(a: np.ndarray) -> np.ndarray:
        cut = a[: steps * batch].reshape(steps, batch, -1)
        return np.moveaxis(cut, 1, 2)

    seeds = rng.integers(2**24, size=steps)
    drive = Shown(shown(stream.x), shown(stream.target), seeds)
    target = {}
    for name, samples in probes.items():
        target[f"{name}_x"], target[f"{name}_target"] = samples.x.T, samples.target.T
    return Instance(drive, start(rng, sizes), target)


def answers(state: Layers, x: Array, activation: str, bias: float = 1.0) -> Array:
    """The last layer's net input, (n_L, sample, K, P), to samples (n_0, sample, K, P or 1)."""
    forward = [s.w for s in state.forward]
    return answer(forward, state.lateral, x, ACTIVATIONS[activation], bias=bias).u[-1]


def accuracy(u: Array, target: Array) -> Array:
    """Share of samples whose largest answer is at their class, (K, P)."""
    right = jnp.argmax(u, axis=0) == jnp.argmax(target, axis=0)
    return jnp.mean(right.astype(jnp.float32), axis=0)


def classified(
    episode: Episode, trace: Trace, activation: str, bias: float = 1.0, analyses: bool = False
) -> Outcome:
    """Accuracy on held-out samples; 1 is every one of them right."""
    u = answers(trace.state, episode.target["held_out_x"], activation, bias)
    target = episode.target["held_out_target"]
    right = accuracy(u, target)
    metrics: dict[str, Any] = {
        "accuracy": right,
        "loss": jnp.mean(OUTPUTS["softmax"].loss(u, target), axis=0),
    }
    if "seen_x" in episode.target:
        known = answers(trace.state, episode.target["seen_x"], activation, bias)
        metrics["generalisation_gap"] = accuracy(known, episode.target["seen_target"]) - right
    if analyses:
        metrics |= analyse(episode, trace, activation, "softmax")
    return Outcome(right, jnp.ones_like(right), metrics)


def regressed(episode: Episode, trace: Trace, activation: str) -> Outcome:
    """Share of the targets' power that the answers explain on held-out samples; 1 is all of it."""
    target = episode.target["held_out_target"]
    error = target - answers(trace.state, episode.target["held_out_x"], activation)
    explained = 1 - jnp.sum(error**2, axis=(0, 1)) / jnp.sum(target**2, axis=(0, 1))
    return Outcome(explained, jnp.ones_like(explained), {"explained": explained})
