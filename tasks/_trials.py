"""What families of trials over time share: a stream of trials as a drive, what a network answers, rank of its change.

    dJ = W(end) - W(0), singular values s        participation = (sum s^2)^2 / sum s^4        top = s_1^2 / sum s^2

Both need only dJ^T dJ: sum s^2 is its trace, sum s^4 its squared Frobenius norm, s_1^2 its largest eigenvalue.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from substrate.networks._layers import matvec, normal
from substrate.networks.recurrent import (
    NeuronParams,
    Recurrent,
    RecurrentNeurons,
    RecurrentWeights,
    TrialInput,
    advance,
    unconnected,
)
from substrate.simulate import Episode, Trace
from tasks.base import Instance

#: Steps of power iteration; the ratio of the two largest eigenvalues decides how many are needed.
ITERATIONS = 50


class Trials(NamedTuple):
    """Inputs and targets of trials."""

    s: np.ndarray  # (trial, step, S)
    target: np.ndarray  # (trial, M), the same at every step
    when: np.ndarray  # (step,), how much the error counts


def instance(
    rng: np.random.Generator,
    weights: RecurrentWeights,
    stream: Trials,
    held_out: Trials,
    batch: int,
) -> Instance:
    """A network at its start, the trials that it learns from in their order, and those it is scored on."""
    count, length, inputs = stream.s.shape
    rounds = count // batch
    s = stream.s[: rounds * batch].reshape(rounds, batch, length, inputs)
    target = stream.target[: rounds * batch].reshape(rounds, 1, batch, -1)
    steps = rounds * length
    clock = np.arange(steps) % length
    drive = TrialInput(
        s.transpose(0, 2, 3, 1).reshape(steps, inputs, batch),
        np.repeat(target, length, axis=1).reshape(steps, batch, -1).swapaxes(1, 2),
        np.tile(stream.when, rounds),
        clock == 0,
        clock == length - 1,
        rng.integers(2**24, size=steps),
    )
    probe = {
        "s": held_out.s.transpose(1, 2, 0),
        "target": held_out.target.T,
        "when": held_out.when,
        "seed": rng.integers(2**24, size=len(held_out.when)),
    }
    return Instance(drive, weights, probe)


def respond(state: Recurrent, s: Array, params: NeuronParams, seed: Array, sd: float) -> Array:
    """The readout's net input, (step, M, trial, K, P), to trials (step, S, trial, K, P or 1); nothing is learned.

    Noise of standard deviation sd, which seeds (step, K, P or 1) decide, is in the net input of every neuron.
    """
    w = state.recurrent.w
    silent = jnp.zeros((w.shape[0], s.shape[2], *w.shape[2:]))

    def step(neurons: RecurrentNeurons, now: tuple[Array, Array]) -> tuple[RecurrentNeurons, Array]:
        noise = sd * normal(now[1], 0, silent.shape[:2]) if sd > 0 else 0.0
        neurons = advance((w, state.inputs.w), neurons, now[0], noise, params, state.speed_factor)
        return neurons, matvec(state.readout.w, neurons.y)

    _, z = lax.scan(step, RecurrentNeurons(silent, silent), (s, seed))
    return z


def rank(episode: Episode, trace: Trace) -> dict[str, Array]:
    """Participation ratio and top share of the change of the recurrent weights; 0 where there is none."""
    change = trace.state.recurrent.w - unconnected(episode.w0.recurrent)
    size = jnp.sqrt(jnp.sum(change * change, axis=(0, 1)))
    change = change / jnp.where(size > 0, size, 1.0)
    gram = jnp.einsum("oikp,ojkp->ijkp", change, change)
    vector = jnp.einsum("ijkp,jkp->ikp", gram, jnp.ones(gram.shape[1:]) + gram[0])

    def turn(vector: Array, _: None) -> tuple[Array, None]:
        vector = vector / jnp.sqrt(jnp.maximum(jnp.sum(vector * vector, axis=0), 1e-30))
        return jnp.einsum("ijkp,jkp->ikp", gram, vector), None

    vector, _ = lax.scan(turn, vector, None, length=ITERATIONS)
    square = jnp.sum(gram * gram, axis=(0, 1))
    return {
        "participation": jnp.where(size > 0, 1.0 / jnp.where(size > 0, square, 1.0), 0.0),
        "top_share": jnp.sqrt(jnp.sum(vector * vector, axis=0)),
    }
