"""Principal subspace: k linear neurons must span the first k principal components of their input.

    y = W x        W <- W + eta dW        x ~ N(0, C)

The score is the overlap of the rows of W with the subspace, averaged over time, less a penalty on W W^T - I:

    quality = mean over t of |W V|_F^2 / |W|_F^2  -  alpha |W(T) W(T)^T - I|_F^2 / k

with V (n, k) the first k components. A neuron that copies its neighbour spans too little and pays the penalty.
Subspace rules read a lateral sum; a rule without one makes all neurons alike.
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from substrate.networks.feedforward import feedforward
from substrate.simulate import Episode, Reading, Step, Trace
from substrate.synapses import Synapses
from tasks._statistics import rotation
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting


class PcaSubspaceOptions(Options):
    """What a user may change."""

    inputs: int = Field(10, ge=2, le=200, description="number of inputs n")
    outputs: int = Field(3, ge=2, le=50, description="number of neurons k, fewer than inputs")
    samples: int = Field(2000, ge=100, le=100_000, description="training samples")
    rate: float = Field(0.01, gt=0, le=1, description="learning rate eta")
    alpha: float = Field(1.0, ge=0, description="weight of the penalty on W W^T - I")


def sample(draw: Draw, options: PcaSubspaceOptions) -> Instance:
    """Gaussian inputs; the first k eigenvalues lie in [0.6, 1], the others in [0.05, 0.2]."""
    rng, n, k = draw.rng, options.inputs, min(options.outputs, options.inputs - 1)
    values = np.append(rng.uniform(0.6, 1.0, k), rng.uniform(0.05, 0.2, n - k))
    q = rotation(rng, n)
    x = rng.normal(size=(options.samples, n)) * np.sqrt(values) @ q.T
    w0 = rng.normal(size=(options.outputs, n)) / np.sqrt(n)
    return Instance(x, w0, {"subspace": q[:, :k]})


def _overlap(w: Array, subspace: Array) -> Array:
    """Share of the squared weights (k, n, K, P) that lies in the subspace (n, k, K, 1 or P)."""
    inside = jnp.sum(w[:, :, None] * subspace[None], axis=1)
    square = jnp.sum(w * w, axis=(0, 1))
    return jnp.sum(inside * inside, axis=(0, 1)) / jnp.maximum(square, 1e-30)


def _start(episode: Episode, state: Synapses) -> Array:
    return jnp.zeros(state.w.shape[2:], jnp.float32)


def _update(gathered: Array, episode: Episode, step: Step) -> Array:
    return gathered + _overlap(step.after.w, episode.target["subspace"])


def score(episode: Episode, trace: Trace, options: Any) -> Outcome:
    """Quality and metrics, (K, P), as the module's docstring defines them."""
    w = trace.state.w
    products = jnp.sum(w[:, None] * w[None], axis=2)  # (k, k, K, P)
    identity = jnp.eye(w.shape[0], dtype=w.dtype)[:, :, None, None]
    off = jnp.sum((products - identity) ** 2, axis=(0, 1)) / w.shape[0]
    end = _overlap(w, episode.target["subspace"])
    quality = trace.gathered / episode.drive.shape[0] - options.alpha * off
    metrics = {"overlap_end": end, "orthonormality_error": jnp.sqrt(off)}
    return Outcome(quality, jnp.ones_like(end), metrics)


def build(options: PcaSubspaceOptions) -> tuple[Setting, ...]:
    """One setting."""
    name = f"n={options.inputs},k={options.outputs}"
    network = feedforward(lateral=True)
    reading = Reading(_start, _update)
    draw, value = partial(sample, options=options), partial(score, options=options)
    return (Setting(name, network, options.rate, draw, reading, value),)


FAMILY = Family(
    name="pca_subspace",
    asks="k linear neurons: span the first k principal components",
    solved="test score at least that of Oja's subspace rule",
    reference="Oja 1989, Int. J. Neural Syst. 1:61-68; Sanger 1989, Neural Networks 2:459-473",
    options=PcaSubspaceOptions,
    build=build,
    search={"rates": "best"},  # a mean over time rewards speed
)
