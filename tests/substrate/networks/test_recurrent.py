"""Credit assignment over time, against gradients that JAX takes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.errors import UserError
from substrate.networks._layers import OUTPUTS
from substrate.networks.activations import ACTIVATIONS
from substrate.networks.base import require_compatible
from substrate.networks.recurrent import (
    NeuronParams,
    RecurrentNeurons,
    RecurrentWeights,
    TrialInput,
    advance,
    rnn,
    unconnected,
)
from substrate.rule import FORWARD
from substrate.simulate import NO_READING, Episode, simulate

N, S, M, BATCH, STEPS = 7, 2, 3, 4, 12
RATE = 1e-3


def drawn(instances=1, seed=0, transposed=False) -> Episode:
    """One batch of trials; with `transposed` the feedback weights are the readout's transpose."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return np.repeat(rng.normal(size=(*shape, 1, 1)), instances, axis=-2).astype(np.float32)

    readout = normal(M, N) / np.float32(N)
    feedback = np.swapaxes(readout, 0, 1) if transposed else normal(N, M)
    w0 = RecurrentWeights(normal(N, N) / np.float32(np.sqrt(N)), normal(N, S), readout, feedback)
    clock = np.arange(STEPS, dtype=np.float32)[:, None, None]
    flag = np.ones((1, instances, 1), np.float32)
    target = np.eye(M, dtype=np.float32)[rng.integers(M, size=BATCH)].T[None, :, :, None, None]
    drive = TrialInput(
        normal(STEPS, S, BATCH),
        np.broadcast_to(target, (STEPS, M, BATCH, instances, 1)),
        (clock >= STEPS - 3) * flag,
        (clock == 0) * flag,
        (clock == STEPS - 1) * flag,
        rng.integers(2**24, size=(STEPS, instances, 1)).astype(np.float32),
    )
    return Episode(drive, w0, {})


def loss(
    w: tuple[Array, Array, Array], episode: Episode, params: NeuronParams, output: str, cut: bool
) -> Array:
    """Mean over the batch of the loss of a trial; with `cut`, neurons know of others' past as of something given."""
    recurrent, inputs, readout = w

    def step(neurons: RecurrentNeurons, shown: TrialInput) -> tuple[RecurrentNeurons, Array]:
        heard = neurons._replace(y=lax.stop_gradient(neurons.y)) if cut else neurons
        after = advance((recurrent, inputs), heard, shown.s, 0.0, params)
        if cut and params.leaky == "rate":  # what a neuron keeps of itself is no message
            after = after._replace(y=after.y + (1 - params.leak) * (neurons.y - heard.y))
        z = jnp.einsum("oikp,ibkp->obkp", readout, after.y)
        return after, shown.when * OUTPUTS[output].loss(z, shown.target)

    rest = jnp.zeros((N, BATCH, 1, 1))
    _, lost = lax.scan(step, RecurrentNeurons(rest, rest), episode.drive)
    return jnp.sum(jnp.mean(lost, axis=1))


def change(name: str, episode: Episode, network, rate=RATE):
    """What a rule adds to the weights in one trial, over the learning rate, and the state."""
    instances = episode.w0.recurrent.shape[-2]
    rates = jnp.full((instances, 1), rate)
    run = jax.jit(partial(simulate, network, lower(RULES[name]), reading=NO_READING, individuals=1))
    state = run(episode=episode, rate=rates).state
    parts = ("recurrent", "inputs", "readout")
    begin = RecurrentWeights(unconnected(episode.w0.recurrent), *episode.w0[1:])
    moved = [(getattr(state, p).w - getattr(begin, p)) / rate for p in parts]
    return [np.asarray(m) for m in moved], state


def gradient(episode: Episode, params: NeuronParams, output: str, cut: bool) -> list[np.ndarray]:
    """Minus the gradient of the loss by W, I and V, neurons unconnected to themselves."""
    w = (unconnected(episode.w0.recurrent), episode.w0.inputs, episode.w0.readout)
    slopes = jax.jit(jax.grad(loss), static_argnums=(2, 3, 4))(w, episode, params, output, cut)
    return [-np.asarray(unconnected(slopes[0])), *(-np.asarray(g) for g in slopes[1:])]


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> None:
    assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@pytest.mark.parametrize(
    ("name", "leaky", "output"),
    [("eprop", "current", "linear"), ("rflo", "rate", "linear"), ("eprop", "current", "softmax")],
)
def test_eligibility_is_the_gradient_without_what_went_through_others(name, leaky, output):
    """To 1e-4, where each rule is exact; weights are held still, so that a trial has one gradient."""
    episode = drawn(transposed=True)
    params = NeuronParams(ACTIVATIONS["tanh"], 0.3, leaky)
    network = rnn("tanh", output, 0.3, BATCH, 0.0, True, leaky)
    still = gradient(episode, params, output, cut=True)
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda a: np.asarray(a, np.float64), episode)
        moved, _ = change(name, exact, network, 1e-7)
    for ours, theirs in zip(moved, still, strict=True):
        close(ours, theirs, 1e-4)


def test_the_cut_gradient_is_not_the_whole_one():
    """So that the test above tells something."""
    episode = drawn(transposed=True)
    params = NeuronParams(ACTIVATIONS["tanh"], 0.3, "current")
    cut, whole = (gradient(episode, params, "linear", c)[0] for c in (True, False))
    assert np.linalg.norm(cut - whole) > 0.1 * np.linalg.norm(whole)


@pytest.mark.parametrize("twin", [True, False])
def test_node_perturbation_follows_the_gradient_through_time(twin):
    """The mean over noise is gain sd (1 - 1/batch) times it: equal trials, whose rewards differ by noise alone."""
    sd, instances = 0.02, 3000
    episode = drawn(instances)
    same = [np.repeat(a[:, :, :1], BATCH, axis=2) for a in episode.drive[:2]]
    seeds = np.random.default_rng(1).integers(2**24, size=(STEPS, instances, 1))
    drive = episode.drive._replace(s=same[0], target=same[1], seed=seeds.astype(np.float32))
    episode = episode._replace(drive=drive)
    network = rnn("tanh", "linear", 0.3, BATCH, sd, True, twin=twin)
    moved, _ = change("three_factor", episode, network)
    one = jax.tree.map(lambda a: a[..., :1, :], episode)
    whole = gradient(one, NeuronParams(ACTIVATIONS["tanh"], 0.3, "current"), "linear", cut=False)
    expected = RULES["three_factor"].constants["gain"] * sd * (1 - 1 / BATCH)
    for ours, theirs in zip(moved[:2], whole[:2], strict=True):
        mean, theirs = ours.mean(axis=-2).ravel(), theirs.ravel()
        assert mean @ theirs > 0.95 * np.linalg.norm(mean) * np.linalg.norm(theirs)
        assert mean @ theirs == pytest.approx(expected * theirs @ theirs, rel=0.1)
    # The readout follows the delta rule, on what it hears.
    close(moved[2][..., :1, :] if twin else moved[2].mean(axis=-2, keepdims=True), whole[2], 0.01)


def test_noise_without_a_run_of_its_own_is_in_the_run_that_learns():
    both, one = (rnn("tanh", "linear", 0.3, BATCH, 0.05, twin=twin) for twin in (True, False))
    states = [change("frozen", drawn(), network)[1] for network in (both, one)]
    np.testing.assert_allclose(states[1].neurons.y, states[0].noisy.y, rtol=1e-6)
    np.testing.assert_allclose(states[1].loss, states[0].noisy_loss, rtol=1e-6)
    assert "dloss" in both.observables[FORWARD] and "dloss" not in one.observables[FORWARD]


def test_without_memory_rflo_is_feedback_alignment():
    episode = drawn()
    network = rnn("tanh", "linear", 1.0, BATCH, 0.0)
    for a, b in zip(
        *(change(n, episode, network)[0] for n in ("rflo", "feedback_alignment")), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=2e-4)


def test_a_readout_of_one_equation_learns_by_the_delta_rule():
    episode = drawn()
    network = rnn("tanh", "linear", 0.3, BATCH, 0.0)
    for a, b in zip(
        *(change(n, episode, network, 1e-5)[0][2:] for n in ("rflo", "delta")), strict=True
    ):
        assert np.any(b != 0)
        close(a, b, 0.01)


def test_neurons_never_connect_to_themselves():
    _, state = change("hebb", drawn(), rnn("tanh", "linear", 0.3, BATCH, 0.0))
    w = np.asarray(state.recurrent.w)
    assert np.any(w != 0) and not np.any(w[range(N), range(N)])


def test_trials_do_not_know_of_each_other():
    """Activities and eligibilities after a trial are the same whatever trial came before."""
    one, other = drawn(seed=1), drawn(seed=2)
    network = rnn("tanh", "linear", 0.3, BATCH, 0.05)

    def after(*parts):
        drive = jax.tree.map(lambda *a: np.concatenate(a), *(p.drive for p in parts))
        return change("rflo", Episode(drive, one.w0, {}), network, 0.0)[1]

    alone, second = after(one), after(other, one)
    for a, b in ((alone.neurons.y, second.neurons.y), (alone.noisy_loss, second.noisy_loss)):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(alone.recurrent.slow["p"], second.recurrent.slow["p"])


def test_wrong_names_are_refused():
    for words in ({"activation": "x"}, {"output": "x"}, {"leaky": "x"}):
        with pytest.raises(UserError, match=r"'x'"):
            rnn(**words)
    with pytest.raises(UserError, match="noise"):
        require_compatible(RULES["three_factor"], rnn(sd=0.0).observables)
