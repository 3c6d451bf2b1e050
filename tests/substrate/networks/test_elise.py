"""ELiSe at its small size: a non-Markovian melody is learned and replayed without teacher.

Seven visible and thirty latent neurons; twelve notes in 120 ms, of which note 0 is followed by 1 or by 4. A
correlation is that of the visible rates with the melody over one repetition, best alignment, as published.
"""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.networks._elise_scaffold import grow
from substrate.networks.elise import REST, EliseNeurons, elise, phi, predicted

VISIBLE, LATENT, DT = 7, 30, 0.2
NOTES = (6, 0, 1, 0, 1, 0, 4, 2, 3, 5, 5, 5)
STEPS = round(120 / DT)
PULL = 0.7 / (1 - 0.7)
MELODY = np.eye(VISIBLE)[np.array(NOTES)[np.arange(STEPS) * len(NOTES) // STEPS]]  # (step, neuron)
NETWORK = elise(VISIBLE, DT)


def start(seeds: range) -> dict[str, jax.Array]:
    """Networks (..., seed, 1) with dendritic weights in [0, 0.1] and delays of 5 to 15 ms."""
    drawn: dict[str, list[np.ndarray]] = {"dendritic": [], "scaffold": [], "delays": []}
    for seed in seeds:
        rng, n = np.random.default_rng(seed), VISIBLE + LATENT
        drawn["scaffold"].append(grow(rng, VISIBLE, LATENT))
        drawn["dendritic"].append(rng.uniform(0, 0.1, (n, n)) * (1 - np.eye(n)))
        drawn["delays"].append(rng.integers(5, 16, (2, n)))
    return {k: jnp.asarray(np.stack(v, -1)[..., None], jnp.float32) for k, v in drawn.items()}


def teaching(notes: np.ndarray, pull: float) -> dict[str, jax.Array]:
    """One repetition of input, with 20 mV above rest for the note that sounds."""
    target = jnp.asarray(REST + 20 * notes, jnp.float32)[..., None, None]
    return {"target": target, "pull": jnp.full((len(notes), 1, 1, 1), pull)}


@cache
def player(name: str) -> Any:
    """A compiled function: repetitions of one input, and the visible rates of the last few of them."""
    plasticity = lower(RULES[name])

    @jax.jit
    def play(
        state: EliseNeurons, drive: Any, rate: jax.Array, count: jax.Array
    ) -> tuple[EliseNeurons, jax.Array]:
        def one(state: EliseNeurons) -> tuple[EliseNeurons, jax.Array]:
            return lax.scan(lambda s, d: NETWORK.step(plasticity, s, d, rate), state, drive)

        state = lax.fori_loop(0, count, lambda _, s: one(s)[0], state)
        return lax.scan(lambda s, _: one(s), state, None, 5)

    return play


def taught(name: str, seeds: range, stages: tuple[tuple[int, float], ...]) -> EliseNeurons:
    """Teach repetitions at learning rates."""
    state = NETWORK.init(lower(RULES[name]), start(seeds))
    for count, rate in stages:
        drive = teaching(MELODY, PULL)
        state, _ = player(name)(state, drive, jnp.full((1, 1), rate), count - 5)
    return state


def replayed(name: str, state: EliseNeurons, rate: float) -> tuple[EliseNeurons, np.ndarray]:
    """Five repetitions' time without teacher, still learning; rates (repetition, step, neuron, seed)."""
    state, rates = player(name)(state, teaching(MELODY, 0.0), jnp.full((1, 1), rate), 0)
    return state, np.asarray(rates)[..., 0]


def correlations(rates: np.ndarray) -> np.ndarray:
    """Mean over repetitions of the best aligned correlation with the melody, (seed,)."""
    z = (MELODY - MELODY.mean()) / MELODY.std()
    shifted = np.stack([np.roll(z, k, axis=0).ravel() for k in range(0, STEPS, 2)])
    flat = np.moveaxis(rates, -1, 0).reshape(rates.shape[-1], len(rates), -1)
    flat = flat - flat.mean(axis=2, keepdims=True)
    flat /= np.maximum(flat.std(axis=2, keepdims=True), 1e-9)
    return (flat @ shifted.T / z.size).max(axis=2).mean(axis=1)


def once(name: str, state: EliseNeurons, drive: Any) -> EliseNeurons:
    still = jnp.zeros((1, 1))
    return lax.scan(lambda s, d: NETWORK.step(lower(RULES[name]), s, d, still), state, drive)[0]


def test_a_melody_is_learned_and_replayed():
    """Cut short: three networks, a third of the teaching."""
    state = taught("elise", range(3), ((250, 0.01),))
    state, rates = replayed("elise", state, 0.01)
    assert correlations(rates).min() > 0.85
    silent = taught("frozen", range(3), ((10, 0.01),))
    assert correlations(replayed("frozen", silent, 0.01)[1]).max() < 0.5


def test_teacher_pulls_the_soma_between_its_dendrite_and_the_target():
    """u = (1 - lam) v* + lam u_target at rest, for a visible neuron without scaffold."""
    state = NETWORK.init(lower(RULES["frozen"]), start(range(1)))
    state = state._replace(synapses=state.synapses._replace(w=0 * state.synapses.w))
    note = np.eye(VISIBLE)[[2] * 200]
    settled = once("frozen", state, teaching(note, PULL))
    vstar = float(predicted(settled.v)[2, 0, 0])
    assert vstar == pytest.approx(REST, abs=1e-3)
    assert float(settled.u[2, 0, 0]) == pytest.approx(0.3 * vstar + 0.7 * (REST + 20), abs=0.01)


def test_signals_take_their_delay():
    """A visible neuron that is pulled up reaches the dendrite of another after its own delay, not before."""
    weights = start(range(1))
    delay = float(weights["delays"][0, 0, 0, 0])
    state = NETWORK.init(lower(RULES["frozen"]), weights)
    state = state._replace(scaffold=0 * state.scaffold, pushed=0 * state.pushed)
    drive = teaching(np.eye(VISIBLE)[[0] * 100], 100.0)
    still, first, alone = jnp.zeros((1, 1)), None, state
    step = jax.jit(partial(NETWORK.step, lower(RULES["frozen"])))
    for t in range(100):
        now = {k: v[t] for k, v in drive.items()}
        quiet = {**now, "pull": 0 * now["pull"]}
        state, _ = step(state, now, still)
        alone, _ = step(alone, quiet, still)
        moved = float(jnp.abs(state.v - alone.v)[VISIBLE:].max()) > 1e-4
        if moved and first is None:
            first = t
    assert first is not None and first * DT == pytest.approx(delay + DT, abs=2 * DT)


def test_the_scaffold_pushes_latent_neurons_only_and_reaches_many():
    drawn = np.stack([grow(np.random.default_rng(s), VISIBLE, LATENT) for s in range(30)])
    assert not drawn[:, :VISIBLE].any()
    assert not np.einsum("sii->si", drawn).any()
    assert 10 < (drawn.sum(axis=2) > 0).sum(axis=1).mean() < LATENT
    assert phi(jnp.float32(REST)) < 0.03
