"""What families of supervised learning share: start weights, a stream of samples, a score on held-out samples.

    W_l ~ N(0, 2 / n_(l-1)), the readout N(0, 1 / n_(L-1)), biases 0
    B_l ~ N(0, 1 / n_l), D_l ~ N(0, 1 / n_l)

so that errors that are carried down have about the size that the gradient would have. A family may ask for Xavier's
start instead: everything uniform within +- sqrt(6 / (n_(l-1) + n_l)), biases 0.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from substrate.networks._layers import OUTPUTS, LayerWeights, StepInput
from substrate.networks.layered import layered
from substrate.rule import READOUT, Rule
from substrate.simulate import NO_READING, Episode, Trace
from substrate.vocabulary import PRE, names
from tasks._analyses import Net, analyse, reading
from tasks.base import Draw, Instance, Options, Outcome, Setting

#: How the readout learns while the rule of the hidden layers evolves.
DELTA = Rule("delta", {READOUT: names("err")[0] * PRE})
#: Rules that a champion is compared with: the upper bound, the best known local one, and two that learn no features.
RIVALS = ("backprop", "feedback_alignment", "delta", "frozen")
#: A search on layered networks: what a synapse of a hidden layer may read, and a size for evaluations that take long.
SEARCH = {
    "genes": {"terminals": ("pre", "post", "w", "dphi", "fb_err")},
    "variation": {"islands": 16},
    "stop": {"generations": 100},
    "instances": {"train": 10, "validation": 20, "test": 50},
}

#: Samples of the stream that are scored too.
SEEN = 300


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


def weights(rng: np.random.Generator, sizes: Sequence[int]) -> LayerWeights:
    """Draw the weights of layers with so many neurons, inputs first."""
    pairs = list(pairwise(sizes))

    def forward(layer: int, pre: int, post: int) -> Any:
        gain = 1.0 if layer == len(pairs) - 1 else 2.0
        drawn = rng.normal(size=(post, pre)) * np.sqrt(gain / pre)
        return np.concatenate([drawn, np.zeros((post, 1))], axis=1)

    return LayerWeights(
        tuple(forward(i, *pair) for i, pair in enumerate(pairs)),
        tuple(rng.normal(size=pair) / np.sqrt(pair[0]) for pair in pairs),
        tuple(rng.normal(size=(n, sizes[-1])) / np.sqrt(n) for n in sizes[1:-1]),
    )


def xavier(rng: np.random.Generator, sizes: Sequence[int]) -> LayerWeights:
    """Draw weights and feedback weights uniformly, with Xavier's bounds."""

    def drawn(post: int, pre: int) -> np.ndarray:
        bound = np.sqrt(6 / (post + pre))
        return rng.uniform(-bound, bound, (post, pre))

    pairs = list(pairwise(sizes))
    return LayerWeights(
        tuple(np.pad(drawn(post, pre), ((0, 0), (0, 1))) for pre, post in pairs),  # type: ignore[misc]
        tuple(drawn(pre, post) for pre, post in pairs),
        tuple(drawn(n, sizes[-1]) for n in sizes[1:-1]),
    )


def instance(
    rng: np.random.Generator,
    sizes: Sequence[int],
    stream: Samples,
    held_out: Samples,
    batch: int = 1,
    start: Callable[[np.random.Generator, Sequence[int]], LayerWeights] = weights,
) -> Instance:
    """A network at its start, the samples it learns from, and those it is scored on.

    Parameters
    ----------
    stream
        Shown in this order, `batch` at a step.
    held_out
        Never presented while it learns; the first ones of the stream are scored too, for the generalisation gap.
    start
        Draws the weights of layers of such sizes.
    """
    steps = len(stream.x) // batch

    def shown(a: np.ndarray) -> np.ndarray:
        cut = a[: steps * batch].reshape(steps, batch, -1)
        return np.moveaxis(cut, 1, 2)

    seeds = rng.integers(2**24, size=steps)
    drive = StepInput(shown(stream.x), shown(stream.target), seeds)
    seen = stream.at(np.arange(min(SEEN, len(stream.x))))
    target = {}
    for name, samples in {"held_out": held_out, "seen": seen}.items():
        target[f"{name}_x"], target[f"{name}_target"] = samples.x.T, samples.target.T
    return Instance(drive, start(rng, sizes), target)


def accuracy(u: Array, target: Array) -> Array:
    """Share of samples whose largest answer is at their class, (K, P)."""
    right = jnp.argmax(u, axis=0) == jnp.argmax(target, axis=0)
    return jnp.mean(right.astype(jnp.float32), axis=0)


class LayeredOptions(Options):
    """What every family of layered networks lets a user change."""

    readout: Literal["delta", "evolved"] = Field(
        "delta", description="rule of the readout while the hidden layers' rule evolves"
    )
    analyses: bool = Field(
        False,
        description="whether to report the angles to the gradient, the rank of the change and the curvature too",
    )


def setting(
    name: str,
    options: LayeredOptions,
    rate: float,
    draw: Callable[[Draw], Instance],
    net: Net,
    batch: int = 1,
) -> Setting:
    """One setting of a family of layered networks."""
    score = partial(outcome, net=net, analyses=options.analyses)
    fixed_rules = DELTA if options.readout == "delta" else None
    watched = reading(net) if options.analyses else NO_READING
    return Setting(
        name, layered(*net[:2], batch, bias=net.bias), rate, draw, watched, score, fixed_rules
    )


def outcome(episode: Episode, trace: Trace, net: Net, analyses: bool) -> Outcome:
    """Accuracy of classes, or share of the targets' power that is explained, on held-out samples; 1 is all of it."""

    def scored(probe: str) -> tuple[Array, Array]:
        u, target = (
            net.answer(trace.state, episode.target[f"{probe}_x"]),
            episode.target[f"{probe}_target"],
        )
        loss = jnp.mean(OUTPUTS[net.output].loss(u, target), axis=0)
        if net.output == "softmax":
            return accuracy(u, target), loss
        return 1 - jnp.sum((target - u) ** 2, axis=(0, 1)) / jnp.sum(target**2, axis=(0, 1)), loss

    quality, loss = scored("held_out")
    name = "accuracy" if net.output == "softmax" else "explained"
    metrics = {name: quality, "loss": loss, "generalisation_gap": scored("seen")[0] - quality}
    if analyses:
        metrics |= analyse(episode, trace, net)
    return Outcome(quality, jnp.ones_like(quality), metrics)
