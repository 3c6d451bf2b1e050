"""A recurrent network of rate neurons that is given its errors late: one hidden layer, trial after trial.

    u = W y(t-1) + I s(t)        x = x(t-1) + leak (u - x(t-1))        y = phi(x)        z = V y

or, with the leak behind the nonlinearity (`leaky = "rate"`),

    u = W y(t-1) + I s(t)        y = y(t-1) + leak (phi(u) - y(t-1))                     z = V y

with leak = dt / tau, no self-connections, and W <- W + eta dW at every step. Plastic are the recurrent
weights W (`forward`; optionally the input weights I too) and the readout V (`readout`). A neuron receives

    fb_err = B err,  err = when (target - answer)        B fixed at random, `when` 0 until an answer is due

or only the effect of noise: every trial runs twice at the same time, once with noise in the net input of every
neuron. At its last step synapses observe the change of the loss, and the reward (minus the loss of the noisy run)
less its running mean. With `twin = False` there is one run, with noise: it knows the reward, but not how noise
changed it. A trial begins with silent neurons and initial slow variables. Trials come in batches: each trial has its
slow variables, and weights change by the mean over a batch.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from substrate.errors import chosen, unknown
from substrate.networks._layers import OUTPUTS, matvec, normal
from substrate.networks.activations import ACTIVATIONS, Activation
from substrate.networks.base import Network
from substrate.plasticity import Observed, Plasticity
from substrate.rule import FORWARD, READOUT
from substrate.synapses import Synapses, learn, speed_factors, start

_ERRORS = frozenset({"pre", "post", "w", "u", "dphi", "leak", "eta", "err", "fb_err"})
_PERTURBED = frozenset({"noise", "dloss", "dreward"})

#: Where the leak is: before the nonlinearity or behind it.
LEAKY = ("current", "rate")

#: Batches that the running mean of the reward covers.
MEMORY = 10.0


class RecurrentWeights(NamedTuple):
    """All weights at the start, as JAX or NumPy arrays: N neurons, S inputs, M outputs."""

    recurrent: Any  # W (N, N, K, P); its diagonal is ignored
    inputs: Any  # I (N, S, K, P)
    readout: Any  # V (M, N, K, P)
    feedback: Any  # B (N, M, K, P)


class TrialInput(NamedTuple):
    """The input of one step of a batch of trials."""

    s: Any  # (S, batch, K, 1)
    target: Any  # (M, batch, K, 1)
    when: Any  # (K, 1), how much the error counts now
    first: Any  # (K, 1), 1 at the first step of a trial and 0 after it
    last: Any  # (K, 1), 1 at the last step of a trial and 0 before it
    seed: Any  # (K, 1), whole numbers below 2**24: the noise of this step


class RecurrentNeurons(NamedTuple):
    """Activity of the hidden layer, (N, batch, K, P) each."""

    x: Array  # state before the nonlinearity: x or, with the leak behind it, u
    y: Array


class Recurrent(NamedTuple):
    """The state of a recurrent network."""

    recurrent: Synapses
    inputs: Synapses
    readout: Synapses
    feedback: Array
    neurons: RecurrentNeurons
    noisy: RecurrentNeurons  # of the second run
    loss: Array  # of this trial until now, (batch, K, P)
    noisy_loss: Array
    baseline: Array  # running mean of the reward, (K, P)
    begun: Array  # 1 once there is a baseline, (K, P)
    speed_factor: Array | None  # (N, 1, K, 1 or P), of the leak on a chip


def unconnected(w: Array) -> Array:
    """The recurrent weights (N, N, ...) without those of neurons to themselves."""
    n = w.shape[0]
    return w * (1.0 - jnp.eye(n).reshape(n, n, *(1,) * (w.ndim - 2)))


def advance(
    weights: tuple[Array, Array],
    neurons: RecurrentNeurons,
    s: Array,
    noise: Array | float,
    params: "NeuronParams",
    speed_factor: Array | None = None,
) -> RecurrentNeurons:
    """One step of the hidden layer with weights (W, I); noise is added to the net input.

    Parameters
    ----------
    speed_factor
        Factors (N, 1, K, 1 or P) on the leak, of neurons on a chip.
    """
    u = matvec(weights[0], neurons.y) + matvec(weights[1], s) + noise
    leak = params.leak if speed_factor is None else jnp.minimum(params.leak * speed_factor, 1.0)
    if params.leaky == "rate":
        return RecurrentNeurons(u, neurons.y + leak * (params.act.phi(u) - neurons.y))
    x = neurons.x + leak * (u - neurons.x)
    return RecurrentNeurons(x, params.act.phi(x))


class NeuronParams(NamedTuple):
    """The neurons' nonlinearity, and where they leak how much."""

    act: Activation
    leak: float
    leaky: str


@lru_cache
def rnn(
    activation: str = "tanh",
    output: str = "linear",
    leak: float = 0.2,
    batch: int = 1,
    sd: float = 0.05,
    plastic_inputs: bool = False,
    leaky: str = "current",
    twin: bool = True,
) -> Network:
    """Build the network; its sizes come with the weights it is given.

    Parameters
    ----------
    activation, output
        As `layered` takes them.
    leak
        dt / tau; 1 is a neuron without memory of its own.
    batch
        Trials that run at once.
    sd
        Standard deviation of the noise; with 0 there is none, and no second run.
    plastic_inputs
        Whether the rule of `forward` changes the input weights too.
    leaky
        Where the leak is, `current` (before the nonlinearity) or `rate` (behind it).
    twin
        Whether noise is in a second run; if not, it is in the only one.

    Raises
    ------
    UserError
        If there is no such activation, output or place of the leak.
    """
    act, out = chosen("activation", activation, ACTIVATIONS), chosen("output", output, OUTPUTS)
    if leaky not in LEAKY:
        raise unknown("place of the leak", leaky, LEAKY)
    params = NeuronParams(act, leak, leaky)

    def init(plasticity: Plasticity, w0: RecurrentWeights) -> Recurrent:
        silent = jnp.zeros((w0.recurrent.shape[0], batch, *w0.recurrent.shape[2:]))
        rest = RecurrentNeurons(silent, silent)
        none = silent[0]
        fixed = Synapses(w0.inputs, {})
        speed_factor = speed_factors(plasticity, len(w0.recurrent), "hidden")
        return Recurrent(
            start(plasticity, unconnected(w0.recurrent), batch, "recurrent"),
            start(plasticity, w0.inputs, batch, "inputs") if plastic_inputs else fixed,
            start(plasticity, w0.readout, batch, "readout"),
            w0.feedback,
            rest,
            rest,
            none,
            none,
            none[0],
            none[0],
            None if speed_factor is None else speed_factor[:, None],
        )

    def step(
        plasticity: Plasticity, state: Recurrent, step_input: TrialInput, rate: Array
    ) -> tuple[Recurrent, Array]:
        before = _begin(state, plasticity, step_input.first > 0)
        weights = (before.recurrent.w, before.inputs.w)
        noise = jnp.zeros_like(before.neurons.y)
        if sd > 0:
            noise = jnp.broadcast_to(normal(step_input.seed, 0, noise.shape[:2]), noise.shape)
        now = advance(
            weights,
            before.neurons,
            step_input.s,
            0.0 if twin else sd * noise,
            params,
            before.speed_factor,
        )
        z = matvec(before.readout.w, now.y)
        answer = out.activity(z)
        error = step_input.when * (step_input.target - answer)
        loss = before.loss + step_input.when * out.loss(z, step_input.target)
        everywhere = {"eta": rate[None, None, None]}
        after = before._replace(neurons=now, loss=loss)
        if sd > 0:
            noisy_loss = loss
            if twin:
                noisy = advance(
                    weights, before.noisy, step_input.s, sd * noise, params, before.speed_factor
                )
                lost = out.loss(matvec(before.readout.w, noisy.y), step_input.target)
                noisy_loss = before.noisy_loss + step_input.when * lost
                after = after._replace(noisy=noisy)
                everywhere["dloss"] = (step_input.last * (noisy_loss - loss) / sd)[None, None]
            after, dreward = _reward(after._replace(noisy_loss=noisy_loss), step_input.last)
            everywhere["dreward"] = dreward[None, None]
        hidden = everywhere | {
            "post": now.y[:, None],
            "u": now.x[:, None],
            "dphi": _slope(now, params)[:, None],
            "leak": jnp.full((1, 1, 1, 1, 1), leak),
            "err": jnp.zeros_like(now.y)[:, None],
            "fb_err": matvec(before.feedback, error)[:, None],
            "noise": noise[:, None],
        }
        output_ = everywhere | {
            "post": answer[:, None],
            "u": z[:, None],
            "dphi": jnp.ones_like(z)[:, None],
            "leak": jnp.ones((1, 1, 1, 1, 1)),
            "err": error[:, None],
            "fb_err": error[:, None],
            "noise": jnp.zeros_like(z)[:, None],
        }

        def learned(
            synapses: Synapses, pre: Array, observed: Observed, projection: str
        ) -> Synapses:
            here = {**observed, "pre": pre[None], "w": synapses.w[:, :, None]}
            return learn(synapses, plasticity, here, rate, projection)

        readout = READOUT if READOUT in plasticity.dw else FORWARD
        recurrent = learned(before.recurrent, before.neurons.y, hidden, FORWARD)
        after = after._replace(
            recurrent=recurrent._replace(w=unconnected(recurrent.w)),
            readout=learned(before.readout, now.y, output_, readout),
        )
        if plastic_inputs:
            s = jnp.broadcast_to(step_input.s, (*step_input.s.shape[:-1], now.y.shape[-1]))
            after = after._replace(inputs=learned(before.inputs, s, hidden, FORWARD))
        return after, answer

    perturbed = _PERTURBED if twin else _PERTURBED - {"dloss"}
    observables = _ERRORS | perturbed if sd > 0 else _ERRORS
    return Network({FORWARD: observables, READOUT: observables}, init, step, batch)


def _begin(state: Recurrent, plasticity: Plasticity, first: Array) -> Recurrent:
    """The state before a step; at the first step of a trial it is reset, except for weights and the running mean."""

    def silent(a: Array) -> Array:
        return jnp.where(first, 0.0, a)

    def reset(synapses: Synapses) -> Synapses:
        slow: Mapping[str, Array] = {
            name: jnp.where(first, plasticity.slow[name].initial, value)
            for name, value in synapses.slow.items()
        }
        return synapses._replace(slow=slow)

    return state._replace(
        recurrent=reset(state.recurrent),
        inputs=reset(state.inputs),
        readout=reset(state.readout),
        neurons=RecurrentNeurons(*map(silent, state.neurons)),
        noisy=RecurrentNeurons(*map(silent, state.noisy)),
        loss=silent(state.loss),
        noisy_loss=silent(state.noisy_loss),
    )


def _reward(state: Recurrent, last: Array) -> tuple[Recurrent, Array]:
    """Compare the reward of the trials that end (batch, K, P) with its running mean, and move that mean."""
    reward = -state.noisy_loss
    mean = jnp.mean(reward, axis=0)
    known = jnp.where(state.begun > 0, state.baseline, mean)
    baseline = jnp.where(last > 0, known + (mean - known) / MEMORY, state.baseline)
    begun = jnp.maximum(state.begun, last)
    return state._replace(baseline=baseline, begun=begun), last * (reward - known)


def _slope(neurons: RecurrentNeurons, params: NeuronParams) -> Array:
    """phi' at the state before the nonlinearity."""
    return params.act.slope(params.act.phi(neurons.x))
