"""A deep network of rate neurons that is given its errors.

    u_l = W_l [R_l x_(l-1), 1]        x_l = phi(u_l), the last layer linear        W_l <- W_l + eta dW_l

Errors come down, e_l = phi'(u_l) * b_l, along one of these ways, from b_L = err = target - answer:

    fb_err    b_l = B_l e_(l+1)                B_l fixed at random, or plastic (projection `feedback`)
    dfa_err   b_l = D_l err                    D_l fixed at random
    bp_err    b_l = W_(l+1)^T e_(l+1)          the gradient: no synapse knows it
    sign_err  b_l = S_l e_(l+1)                S_l = |B_l| with the signs of W_(l+1)^T

or not at all: the network answers twice, once with noise in every neuron (or in every weight), and synapses observe
the noise and the change of the loss. The change of a weight is the mean over the samples of a batch.

Plastic are the weights `forward`, of which the last layer may have a rule of its own (`readout`); the feedback
weights B (`feedback`: the sender carries e_(l+1), the receiver is active at x_l); and `lateral` weights R (identity
at first, square, on the input of every layer), which a rule may use to decorrelate the input of a layer.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from functools import lru_cache

import jax.numpy as jnp
from jax import Array

from substrate.errors import chosen
from substrate.networks._layers import OUTPUTS, Layers, LayerWeights, StepInput
from substrate.networks._signals import LayerSignals
from substrate.networks.activations import ACTIVATIONS
from substrate.networks.base import Network
from substrate.plasticity import LazySignals, Plasticity
from substrate.rule import FEEDBACK, FORWARD, LATERAL, READOUT
from substrate.synapses import Synapses, learn, start

ERRORS = ("fb_err", "dfa_err", "bp_err", "sign_err")
PERTURBED = ("noise", "du", "du_power", "dloss", "w_noise", "dloss_w")
_FORWARD = frozenset(
    {"pre", "post", "w", "u", "dphi", "eta", "err", "err_power", "pre_err", "lat", "w_norm"}
    | {*ERRORS, *PERTURBED}
)
OBSERVABLES: Mapping[str, frozenset[str]] = {
    FORWARD: _FORWARD,
    READOUT: _FORWARD,
    FEEDBACK: frozenset({"pre", "post", "w", "eta", "noise", "mirror"}),
    LATERAL: frozenset({"pre", "post", "w", "eta", "lat"}),
}


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
        Samples of every step.
    sd
        Standard deviation of the noise of the second answer.
    bias
        Activity of the neuron that is always on in every layer; 0 for a network without biases.

    Raises
    ------
    UserError
        If there is no such activation or output.
    """
    act, out = chosen("activation", activation, ACTIVATIONS), chosen("output", output, OUTPUTS)

    def init(plasticity: Plasticity, w0: LayerWeights) -> Layers:
        def made(projection: str, weights: Sequence[Array]) -> tuple[Synapses, ...]:
            if projection not in plasticity.dw and projection != FORWARD:
                return tuple(Synapses(w, {}) for w in weights)
            # On a chip every layer has errors of its own, also where two have the same shape.
            named = ((w, f"{projection} {i}") for i, w in enumerate(weights))
            return tuple(start(plasticity, w, batch, name) for w, name in named)

        inputs = [_identity(w) for w in w0.forward] if LATERAL in plasticity.dw else []
        return Layers(
            made(FORWARD, w0.forward),
            made(FEEDBACK, w0.feedback),
            made(LATERAL, inputs),
            tuple(w0.direct),
        )

    def step(
        plasticity: Plasticity, state: Layers, step_input: StepInput, rate: Array
    ) -> tuple[Layers, Array]:
        signals = LayerSignals(state, step_input, act, out, sd, bias)
        readout = READOUT if READOUT in plasticity.dw else FORWARD
        count = len(state.forward)

        def learned(synapses: Synapses, observed: LazySignals, projection: str) -> Synapses:
            if projection not in plasticity.dw:
                return synapses
            here = ChainMap({"eta": rate[None, None, None]}, observed)  # type: ignore[arg-type]
            return learn(synapses, plasticity, here, rate, projection)

        after = Layers(
            tuple(
                learned(s, signals.forward(i + 1), readout if i + 1 == count else FORWARD)
                for i, s in enumerate(state.forward)
            ),
            tuple(learned(s, signals.feedback(i), FEEDBACK) for i, s in enumerate(state.feedback)),
            tuple(learned(s, signals.lateral(i), LATERAL) for i, s in enumerate(state.lateral)),
            state.direct,
        )
        return after, signals.x[-1]

    return Network(OBSERVABLES, init, step, batch)


def _identity(w: Array) -> Array:
    """Lateral weights that change nothing, for the layer that weights w (post, pre + 1, K, P) read."""
    inputs = w.shape[1] - 1
    return jnp.broadcast_to(jnp.eye(inputs)[..., None, None], (inputs, inputs, *w.shape[2:]))
