"""A deep network of rate neurons as linear algebra: its weights, its answers, and errors carried down.

Lanes come last, (K instances, P individuals), and before them the samples of a batch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from substrate.networks.activations import Activation
from substrate.synapses import Synapses


class LayerWeights(NamedTuple):
    """All weights at the start, as JAX or NumPy arrays; layers l = 1..L with n_l neurons, n_0 inputs."""

    forward: Sequence[
        Array
    ]  # W_l (n_l, n_(l-1) + 1, K, P), the last column from a neuron that is always on
    feedback: Sequence[Any]  # B_l (n_l, n_(l+1), K, P), l = 0..L-1
    direct: Sequence[Any]  # D_l (n_l, n_L, K, P), l = 1..L-1


class StepInput(NamedTuple):
    """The input of one step: a batch of samples."""

    x: Any  # (n_0, batch, K, 1)
    target: Any  # (n_L, batch, K, 1)
    seed: Any  # (K, 1), whole numbers below 2**24: the noise of this step


class Layers(NamedTuple):
    """The state of a layered network."""

    forward: tuple[Synapses, ...]
    feedback: tuple[Synapses, ...]
    lateral: tuple[Synapses, ...]  # empty where no rule changes them
    direct: tuple[Array, ...]


class Response(NamedTuple):
    """Activities of all layers, (neuron, batch, K, P) each."""

    inputs: list[
        Array
    ]  # of layers 1..L, after the lateral weights, with the neuron that is always on
    u: list[Array]  # layers 1..L
    x: list[Array]  # layers 0..L


def matvec(w: Array, x: Array) -> Array:
    """W x, (post, batch, K, P), of weights (post, pre, K, P) and signals (pre, batch, K, P or 1)."""
    if w.shape[2:] == (1, 1):
        return (w[..., 0, 0] @ x[..., 0, 0])[..., None, None]
    return jnp.einsum("oikp,ibkp->obkp", w, jnp.broadcast_to(x, (*x.shape[:2], *w.shape[2:])))


def transposed(w: Array, y: Array) -> Array:
    """W^T y, (pre, batch, K, P), of weights (post, pre, K, P) and signals (post, batch, K, P or 1)."""
    if w.shape[2:] == (1, 1):
        return (w[..., 0, 0].T @ y[..., 0, 0])[..., None, None]
    return jnp.einsum("oikp,obkp->ibkp", w, jnp.broadcast_to(y, (*y.shape[:2], *w.shape[2:])))


def answer(
    weights: Sequence[Array],
    lateral: Sequence[Synapses],
    x: Array,
    act: Activation,
    noise: Sequence[Array] | None = None,
    bias: float = 1.0,
) -> Response:
    """Activities of every layer for inputs (n_0, batch, K, P or 1); noise is added to the net inputs.

    `bias` is the activity of the neuron that is always on; 0 makes a network without biases.
    """
    xs, us, inputs = [x], [], []
    for layer, w in enumerate(weights):
        z = matvec(lateral[layer].w, xs[-1]) if lateral else xs[-1]
        inputs.append(jnp.concatenate([z, jnp.full_like(z[:1], bias)]))
        u = matvec(w, inputs[-1])
        us.append(u if noise is None else u + noise[layer])
        xs.append(us[-1] if layer == len(weights) - 1 else act.phi(us[-1]))
    return Response(inputs, us, xs)


class Output(NamedTuple):
    """What the net input of the last layer means: its activity, and the loss (batch, K, P)."""

    activity: Callable[[Array], Array]
    loss: Callable[[Array, Array], Array]


OUTPUTS: Mapping[str, Output] = {
    "softmax": Output(
        lambda u: jax.nn.softmax(u, axis=0),
        lambda u, target: -jnp.sum(target * jax.nn.log_softmax(u, axis=0), axis=0),
    ),
    "linear": Output(lambda u: u, lambda u, target: 0.5 * jnp.sum((target - u) ** 2, axis=0)),
}


def descend(matrices: Sequence[Array], slopes: Sequence[Array], error: Array) -> list[Array]:
    """Carry an error down: b_l = M_l (slope_(l+1) * b_(l+1)) for l = L-1, L-2, ..., returned with the lowest first.

    Parameters
    ----------
    matrices
        M_l, the lowest first.
    slopes
        Those of the layers above each matrix, (n_(l+1), batch, K, P).
    """
    errors = [error]
    for matrix, slope in zip(reversed(matrices), reversed(slopes), strict=True):
        errors.append(matvec(matrix, slope * errors[-1]))
    return errors[::-1]


def through_lateral(weights: Sequence[Array], lateral: Sequence[Synapses]) -> list[Array]:
    """Weights from the activities below, W_l R_l (post, pre, K, P), biases and all."""
    if not lateral:
        return list(weights)
    joined = [
        jnp.einsum("omkp,mikp->oikp", w[:, :-1], s.w) for w, s in zip(weights, lateral, strict=True)
    ]
    return [jnp.concatenate([j, w[:, -1:]], axis=1) for j, w in zip(joined, weights, strict=True)]


def back(w: Array) -> Array:
    """W^T without the weights from the neuron that is always on, (pre, post, K, P)."""
    return jnp.swapaxes(w[:, :-1], 0, 1)


def normal(seed: Array, index: int, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers, (*shape, K, P), the same for equal seeds (K, P) in whichever lane."""

    def draw(number: Array) -> Array:
        key = jax.random.fold_in(jax.random.key(number), index)
        return jax.random.normal(key, shape)

    numbers = jax.vmap(draw, out_axes=-1)(seed.ravel().astype(jnp.uint32))
    return numbers.reshape(*shape, *seed.shape)
