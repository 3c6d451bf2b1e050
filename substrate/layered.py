"""A deep network of rate neurons that is told its errors.

    u_l = W_l [R_l x_(l-1), 1]        x_l = phi(u_l), the last layer linear        W_l <- W_l + eta dW_l

Errors come down, e_l = phi'(u_l) * b_l, along one of these ways, from b_L = err = target - answer:

    fb_err    b_l = B_l e_(l+1)                B_l fixed at random, or plastic (projection `feedback`)
    dfa_err   b_l = D_l err                    D_l fixed at random
    bp_err    b_l = W_(l+1)^T e_(l+1)          the gradient: no synapse knows it
    sign_err  b_l = S_l e_(l+1)                S_l = |B_l| with the signs of W_(l+1)^T

or not at all: the network answers twice, once with noise in every neuron (or in every weight), and shows the noise
and what it did to the loss. The change of a weight is the mean over the samples of a batch.

Plastic are the weights `forward`, of which the last layer may have a rule of its own (`readout`); the feedback
weights B (`feedback`: the sender carries e_(l+1), the receiver is active at x_l); and `lateral` weights R (identity
at first, square, on the input of every layer), which a rule may use to decorrelate what a layer is told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from substrate.activations import ACTIVATIONS, Activation
from substrate.errors import unknown
from substrate.network import Network
from substrate.plasticity import Plasticity, Seen
from substrate.rule import FEEDBACK, FORWARD, LATERAL, READOUT
from substrate.synapses import Synapses, learn, start

ERRORS = ("fb_err", "dfa_err", "bp_err", "sign_err")
PERTURBED = ("noise", "du", "du_power", "dloss", "w_noise", "dloss_w")
_FORWARD = frozenset(
    {"pre", "post", "w", "u", "dphi", "eta", "err", "err_power", "pre_err", "lat", "w_norm"}
    | {*ERRORS, *PERTURBED}
)
SHOWS: Mapping[str, frozenset[str]] = {
    FORWARD: _FORWARD,
    READOUT: _FORWARD,
    FEEDBACK: frozenset({"pre", "post", "w", "eta", "noise", "mirror"}),
    LATERAL: frozenset({"pre", "post", "w", "eta", "lat"}),
}


class Weights(NamedTuple):
    """All weights at the start, as JAX or NumPy arrays; layers l = 1..L with n_l neurons, n_0 inputs."""

    forward: Sequence[
        Array
    ]  # W_l (n_l, n_(l-1) + 1, K, P), the last column from a neuron that is always on
    feedback: Sequence[Any]  # B_l (n_l, n_(l+1), K, P), l = 0..L-1
    direct: Sequence[Any]  # D_l (n_l, n_L, K, P), l = 1..L-1


class Shown(NamedTuple):
    """What a network is shown at one step: a batch of samples."""

    x: Any  # (n_0, batch, K, 1)
    target: Any  # (n_L, batch, K, 1)
    seed: Any  # (K, 1), whole numbers below 2**24: the noise of this step


class Layers(NamedTuple):
    """The state of a layered network."""

    forward: tuple[Synapses, ...]
    feedback: tuple[Synapses, ...]
    lateral: tuple[Synapses, ...]  # empty where no rule changes them
    direct: tuple[Array, ...]


class Answer(NamedTuple):
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
) -> Answer:
    """What every layer answers to inputs (n_0, batch, K, P or 1); noise is added to the net inputs.

    `bias` is the activity of the neuron that is always on; 0 makes a network without biases.
    """
    xs, us, inputs = [x], [], []
    for layer, w in enumerate(weights):
        z = matvec(lateral[layer].w, xs[-1]) if lateral else xs[-1]
        inputs.append(jnp.concatenate([z, jnp.full_like(z[:1], bias)]))
        u = matvec(w, inputs[-1])
        us.append(u if noise is None else u + noise[layer])
        xs.append(us[-1] if layer == len(weights) - 1 else act.phi(us[-1]))
    return Answer(inputs, us, xs)


class Output(NamedTuple):
    """What the last layer's linear answer means: the activity it amounts to, and the loss (batch, K, P)."""

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


class Sight(NamedTuple):
    """What the synapses of every layer see, and the output (n_L, batch, K, P)."""

    forward: Sequence[Seen]
    feedback: Sequence[Seen]
    lateral: Sequence[Seen]
    output: Array


def look(
    state: Layers, shown: Shown, act: Activation, out: Output, sd: float, bias: float
) -> Sight:
    """Answer, carry the errors down, answer again with noise; what no rule reads costs nothing once compiled."""
    weights = [s.w for s in state.forward]
    fixed = [s.w for s in state.feedback]
    clean = answer(weights, state.lateral, shown.x, act, bias=bias)
    output = out.activity(clean.u[-1])
    error = shown.target - output
    x = [*clean.x[:-1], output]
    slopes = [act.slope(y) for y in clean.x[:-1]] + [jnp.ones_like(error)]
    backward = [back(w) for w in seen_through(weights, state.lateral)]
    signed = [jnp.abs(b) * jnp.sign(w) for b, w in zip(fixed, backward, strict=True)]
    errors = {
        "fb_err": descend(fixed, slopes[1:], error),
        "bp_err": descend(backward, slopes[1:], error),
        "sign_err": descend(signed, slopes[1:], error),
        "dfa_err": [
            error,
            *(matvec(d, error) for d in state.direct),
            error,
        ],  # inputs are told nothing
    }
    teaching = [slope * e for slope, e in zip(slopes, errors["fb_err"], strict=True)]

    loss = out.loss(clean.u[-1], shown.target)
    noise = [normal(shown.seed, i, y.shape[:2]) for i, y in enumerate(x)]
    noisy = answer(weights, state.lateral, shown.x, act, [sd * n for n in noise[1:]], bias)
    du = [(b - a) / sd for a, b in zip(clean.u, noisy.u, strict=True)]
    neurons = sum(d.shape[0] for d in du)
    power = jnp.asarray(sum(jnp.sum(d * d, axis=0) for d in du)) / neurons
    jitter = [normal(shown.seed, len(x) + i, w.shape[:2]) for i, w in enumerate(weights)]
    shaken = [w + sd * j for w, j in zip(weights, jitter, strict=True)]
    blurred = answer(shaken, state.lateral, shown.x, act, bias=bias)

    everywhere = {
        "dloss": _all((out.loss(noisy.u[-1], shown.target) - loss) / sd),
        "dloss_w": _all((out.loss(blurred.u[-1], shown.target) - loss) / sd),
        "du_power": _all(power),
        "err_power": _all(jnp.sum(error * error, axis=0)),
    }
    forward = [
        everywhere
        | {name: _post(ways[i + 1]) for name, ways in errors.items()}
        | {
            "pre": _pre(clean.inputs[i]),
            "post": _post(x[i + 1]),
            "u": _post(clean.u[i]),
            "dphi": _post(slopes[i + 1]),
            "err": _post(error if i == len(weights) - 1 else jnp.zeros_like(x[i + 1])),
            "pre_err": _pre(jnp.concatenate([teaching[i], jnp.zeros_like(teaching[i][:1])])),
            "noise": _post(noise[i + 1]),
            "du": _post(du[i]),
            "w_noise": jitter[i][:, :, None],
            "lat": _pre(transposed(w, x[i + 1])),
            "w_norm": jnp.sqrt(jnp.sum(w * w, axis=1, keepdims=True))[:, :, None],
        }
        for i, w in enumerate(weights)
    ]
    feedback = [
        {
            "pre": _pre(teaching[i + 1]),
            "post": _post(x[i]),
            "noise": _post(noise[i]),
            "mirror": _pre(transposed(backward[i], noise[i])),
        }
        for i in range(len(fixed))
    ]
    lateral = [
        {"pre": _pre(y), "post": _post(z[:-1]), "lat": _pre(transposed(s.w, z[:-1]))}
        for s, y, z in zip(state.lateral, clean.x, clean.inputs, strict=False)
    ]
    return Sight(forward, feedback, lateral, output)


def _pre(signal: Array) -> Array:
    return signal[None]


def _post(signal: Array) -> Array:
    return signal[:, None]


def _all(signal: Array) -> Array:
    return signal[None, None]


def seen_through(weights: Sequence[Array], lateral: Sequence[Synapses]) -> list[Array]:
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
    """Standard normal numbers, (*shape, K, P), the same for equal seeds (K, P) wherever they stand."""

    def draw(number: Array) -> Array:
        key = jax.random.fold_in(jax.random.key(number), index)
        return jax.random.normal(key, shape)

    numbers = jax.vmap(draw, out_axes=-1)(seed.ravel().astype(jnp.uint32))
    return numbers.reshape(*shape, *seed.shape)


@lru_cache
def layered(
    activation: str = "relu",
    output: str = "softmax",
    batch: int = 1,
    sd: float = 0.01,
    bias: float = 1.0,
) -> Network:
    """Build the network; its sizes come with the weights it is given.

    Parameters
    ----------
    activation
        Name of phi.
    output
        `softmax` (classes; the loss is the cross entropy) or `linear` (half the squared error).
    batch
        Samples that are shown at every step.
    sd
        Standard deviation of the noise of the second answer.
    bias
        Activity of the neuron that is always on in every layer; 0 for a network without biases.

    Raises
    ------
    UserError
        If there is no such activation or output.
    """
    if activation not in ACTIVATIONS:
        raise unknown("activation", activation, ACTIVATIONS)
    if output not in OUTPUTS:
        raise unknown("output", output, OUTPUTS)
    act, out = ACTIVATIONS[activation], OUTPUTS[output]

    def init(plasticity: Plasticity, w0: Weights) -> Layers:
        def made(projection: str, weights: Sequence[Array]) -> tuple[Synapses, ...]:
            plastic = projection in plasticity.dw
            return tuple(
                start(plasticity, w, batch) if plastic else Synapses(w, {}) for w in weights
            )

        inputs = [_identity(w) for w in w0.forward] if LATERAL in plasticity.dw else []
        return Layers(
            tuple(start(plasticity, w, batch) for w in w0.forward),
            made(FEEDBACK, w0.feedback),
            made(LATERAL, inputs),
            tuple(w0.direct),
        )

    def step(
        plasticity: Plasticity, state: Layers, shown: Shown, rate: Array
    ) -> tuple[Layers, Array]:
        sight = look(state, shown, act, out, sd, bias)
        readout = READOUT if READOUT in plasticity.dw else FORWARD

        def learned(
            layers: tuple[Synapses, ...], seen: Sequence[Seen], kind: str
        ) -> Iterator[Synapses]:
            for i, (synapses, here) in enumerate(zip(layers, seen, strict=True)):
                projection = readout if kind == FORWARD and i == len(layers) - 1 else kind
                here = {"w": synapses.w[:, :, None], "eta": rate[None, None, None], **here}
                plastic = projection in plasticity.dw
                yield learn(synapses, plasticity, here, rate, projection) if plastic else synapses

        after = Layers(
            tuple(learned(state.forward, sight.forward, FORWARD)),
            tuple(learned(state.feedback, sight.feedback, FEEDBACK)),
            tuple(learned(state.lateral, sight.lateral, LATERAL)),
            state.direct,
        )
        return after, sight.output

    return Network(SHOWS, init, step)


def _identity(w: Array) -> Array:
    """Lateral weights that change nothing, for the layer that weights w (post, pre + 1, K, P) read."""
    inputs = w.shape[1] - 1
    return jnp.broadcast_to(jnp.eye(inputs)[..., None, None], (inputs, inputs, *w.shape[2:]))
