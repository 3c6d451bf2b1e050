"""What the synapses of a layered network observe at one step: errors on every way down, and answers to noise.

Each signal is computed when a rule first reads it, so that a rule compiles no more than it needs.
"""

from collections.abc import Callable
from functools import cached_property, partial

import jax.numpy as jnp
from jax import Array

from substrate.networks._layers import (
    Layers,
    Output,
    Response,
    StepInput,
    answer,
    back,
    descend,
    matvec,
    normal,
    through_lateral,
    transposed,
)
from substrate.networks.activations import Activation
from substrate.plasticity import LazySignals


class LayerSignals:
    """One step of a network with L layers; signals are (neuron, batch, K, P or 1), by layer from the inputs up.

    Parameters
    ----------
    state, step_input
        The network before the step, and the batch of samples of the step.
    act, out
        The activation and the output, which `layered` takes by name.
    sd, bias
        As `layered` takes them.
    """

    def __init__(
        self,
        state: Layers,
        step_input: StepInput,
        act: Activation,
        out: Output,
        sd: float,
        bias: float,
    ) -> None:
        self.state, self.step_input, self.act, self.out, self.sd = state, step_input, act, out, sd
        self.weights = [s.w for s in state.forward]
        self.answer = partial(answer, lateral=state.lateral, x=step_input.x, act=act, bias=bias)

    @cached_property
    def clean(self) -> Response:
        """The answer without noise."""
        return self.answer(self.weights)

    @cached_property
    def x(self) -> list[Array]:
        """Activities of layers 0..L."""
        return [*self.clean.x[:-1], self.out.activity(self.clean.u[-1])]

    @cached_property
    def error(self) -> Array:
        """Target less answer."""
        return self.step_input.target - self.x[-1]

    @cached_property
    def slopes(self) -> list[Array]:
        """phi' of layers 0..L, as the activities give it."""
        return [*(self.act.slope(y) for y in self.x[:-1]), jnp.ones_like(self.error)]

    @cached_property
    def backward(self) -> list[Array]:
        """W^T of layers 1..L, through lateral weights."""
        return [back(w) for w in through_lateral(self.weights, self.state.lateral)]

    @cached_property
    def fb_err(self) -> list[Array]:
        """Errors carried down by the feedback weights, layers 0..L."""
        return descend([s.w for s in self.state.feedback], self.slopes[1:], self.error)

    @cached_property
    def bp_err(self) -> list[Array]:
        """Errors carried down by the forward weights, layers 0..L."""
        return descend(self.backward, self.slopes[1:], self.error)

    @cached_property
    def sign_err(self) -> list[Array]:
        """Errors carried down by feedback weights with the signs of the forward weights, layers 0..L."""
        pairs = zip(self.state.feedback, self.backward, strict=True)
        signed = [jnp.abs(b.w) * jnp.sign(w) for b, w in pairs]
        return descend(signed, self.slopes[1:], self.error)

    def dfa_err(self, layer: int) -> Array:
        """Output error carried down directly to a layer, 1..L."""
        top = layer == len(self.weights)
        return self.error if top else matvec(self.state.direct[layer - 1], self.error)

    def teaching(self, layer: int) -> Array:
        """e_l = phi'(u_l) b_l of a layer, 0..L."""
        return self.slopes[layer] * self.fb_err[layer]

    @cached_property
    def loss(self) -> Array:
        """Loss of the clean answer, (batch, K, P)."""
        return self.out.loss(self.clean.u[-1], self.step_input.target)

    def noise(self, layer: int) -> Array:
        """Noise of the neurons of a layer, 0..L, in units of its standard deviation."""
        return normal(self.step_input.seed, layer, self.clean.x[layer].shape[:2])

    @cached_property
    def noisy(self) -> Response:
        """The answer with noise in every neuron."""
        noise = [self.sd * self.noise(layer + 1) for layer in range(len(self.weights))]
        return self.answer(self.weights, noise=noise)

    @cached_property
    def du(self) -> list[Array]:
        """Change of the net inputs of layers 1..L by noise."""
        pairs = zip(self.clean.u, self.noisy.u, strict=True)
        return [(after - before) / self.sd for before, after in pairs]

    @cached_property
    def du_power(self) -> Array:
        """Mean square of that change over all neurons, (batch, K, P)."""
        every = jnp.concatenate(self.du)
        return jnp.mean(every * every, axis=0)

    @cached_property
    def w_noise(self) -> list[Array]:
        """Noise of the weights of layers 1..L, in units of its standard deviation."""
        first = len(self.weights) + 1
        return [
            normal(self.step_input.seed, first + i, w.shape[:2]) for i, w in enumerate(self.weights)
        ]

    def change_of_loss(self, other: Response) -> Array:
        """How much noise has changed the loss, (batch, K, P)."""
        return (self.out.loss(other.u[-1], self.step_input.target) - self.loss) / self.sd

    @cached_property
    def dloss(self) -> Array:
        """Change of the loss by noise in the neurons, (batch, K, P)."""
        return self.change_of_loss(self.noisy)

    @cached_property
    def dloss_w(self) -> Array:
        """Change of the loss by noise in the weights, (batch, K, P)."""
        pairs = zip(self.weights, self.w_noise, strict=True)
        return self.change_of_loss(self.answer([w + self.sd * n for w, n in pairs]))

    def forward(self, layer: int) -> LazySignals:
        """What the weights of a layer, 1..L, observe."""
        i, w = layer - 1, self.weights[layer - 1]

        def error() -> Array:
            return self.error if layer == len(self.weights) else jnp.zeros_like(self.x[layer])

        def pre_err() -> Array:
            taught = self.teaching(i)
            return jnp.concatenate([taught, jnp.zeros_like(taught[:1])])

        return LazySignals(
            {
                "w": lambda: w[:, :, None],
                "pre": _pre(lambda: self.clean.inputs[i]),
                "post": _post(lambda: self.x[layer]),
                "u": _post(lambda: self.clean.u[i]),
                "dphi": _post(lambda: self.slopes[layer]),
                "err": _post(error),
                "fb_err": _post(lambda: self.fb_err[layer]),
                "bp_err": _post(lambda: self.bp_err[layer]),
                "sign_err": _post(lambda: self.sign_err[layer]),
                "dfa_err": _post(lambda: self.dfa_err(layer)),
                "pre_err": _pre(pre_err),
                "err_power": _all(lambda: jnp.sum(self.error * self.error, axis=0)),
                "noise": _post(lambda: self.noise(layer)),
                "du": _post(lambda: self.du[i]),
                "du_power": _all(lambda: self.du_power),
                "dloss": _all(lambda: self.dloss),
                "w_noise": lambda: self.w_noise[i][:, :, None],
                "dloss_w": _all(lambda: self.dloss_w),
                "lat": _pre(lambda: transposed(w, self.x[layer])),
                "w_norm": lambda: jnp.sqrt(jnp.sum(w * w, axis=1, keepdims=True))[:, :, None],
            }
        )

    def feedback(self, layer: int) -> LazySignals:
        """What the feedback weights observe that carry errors down to a layer, 0..L-1."""
        return LazySignals(
            {
                "w": lambda: self.state.feedback[layer].w[:, :, None],
                "pre": _pre(lambda: self.teaching(layer + 1)),
                "post": _post(lambda: self.x[layer]),
                "noise": _post(lambda: self.noise(layer)),
                "mirror": _pre(lambda: transposed(self.backward[layer], self.noise(layer))),
            }
        )

    def lateral(self, layer: int) -> LazySignals:
        """What the lateral weights observe that read a layer, 0..L-1."""
        w, z = self.state.lateral[layer].w, self.clean.inputs[layer][:-1]
        return LazySignals(
            {
                "w": lambda: w[:, :, None],
                "pre": _pre(lambda: self.x[layer]),
                "post": _post(lambda: z),
                "lat": _pre(lambda: transposed(w, z)),
            }
        )


#: Computes a signal when it is first read.
Make = Callable[[], Array]


def _pre(signal: Make) -> Make:
    return lambda: signal()[None]


def _post(signal: Make) -> Make:
    return lambda: signal()[:, None]


def _all(signal: Make) -> Make:
    return lambda: signal()[None, None]
