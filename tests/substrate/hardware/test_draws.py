"""What is drawn on a chip: once for it, or anew at every step, and apart for all that has errors of its own."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from evolve.evaluation.arena import Arena, Bounds
from rules_zoo import RULES
from substrate import PRE, Rule
from substrate.compilation.lowering import lower
from substrate.hardware import PROFILES, Chip, ChipKeys, profile
from substrate.hardware import _random as random
from substrate.networks._layers import LayerWeights
from substrate.networks.layered import layered
from substrate.networks.predictive import predictive
from substrate.networks.recurrent import RecurrentWeights, TrialInput, rnn
from substrate.synapses import learn, start
from tasks import FAMILIES
from tests.support.scores import score_compiled


def test_random_numbers_are_uniform_and_normal_and_depend_on_every_key():
    key = jnp.arange(50, dtype=jnp.uint32)[:, None]
    u = np.asarray(random.uniform(random.stream(key, "a"), (20, 20)))
    assert abs(u.mean() - 0.5) < 4 / np.sqrt(12 * u.size)
    assert abs(np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]) < 4 / np.sqrt(u.size)
    assert abs(np.corrcoef(u[..., :-1, 0].ravel(), u[..., 1:, 0].ravel())[0, 1]) < 4 / np.sqrt(
        u.size
    )
    for draw in (random.normal, random.rough_normal):
        z = np.asarray(draw(random.stream(key, "b"), (20, 20)))
        assert abs(z.mean()) < 4 / np.sqrt(z.size)
        assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    assert not np.array_equal(u, random.uniform(random.stream(key, "c"), (20, 20)))


def test_layers_of_the_same_shape_have_errors_of_their_own():
    """Fixed patterns are drawn by projection and layer, not by shape."""
    network = layered("relu", "softmax")
    w = jnp.full((5, 6, 1, 1), 0.5)
    feedback = jnp.zeros((5, 5, 1, 1))
    chip = Chip(profile("bss2"), ChipKeys(*(jnp.full((1, 1), 7, jnp.uint32),) * 2))
    plasticity = lower(Rule("r", PRE))._replace(chip=chip)
    init = jax.jit(partial(network.init, plasticity))
    state = init(LayerWeights((w, w), (feedback, feedback), (feedback,)))
    first, second = (s.chip["weight"] for s in state.forward)
    assert not np.any(np.asarray(first) == np.asarray(second))


@pytest.mark.parametrize("hardware", ["fixed_point:rounding=stochastic", "fixed_point:noise=0.5"])
def test_layers_of_the_same_shape_draw_noise_and_rounding_of_their_own(hardware):
    """Alike in weights and inputs, two layers move apart at the first step; a layer alone repeats itself."""
    chip = Chip(profile(hardware), ChipKeys(*(jnp.full((1, 1), 7, jnp.uint32),) * 2))
    plasticity = lower(Rule("r", PRE))._replace(chip=chip)
    w0 = jnp.zeros((20, 20, 1, 1))
    pre = jnp.full((1, 20, 1, 1), 0.35)  # 4.5 codes a step

    @partial(jax.jit, static_argnums=0)
    def moved(layer):
        synapses = start(plasticity, w0, projection=layer)
        return learn(synapses, plasticity, {"pre": pre}, jnp.full((1, 1), 0.1)).w

    first, again, second = map(np.asarray, map(moved, ("forward 0", "forward 0", "forward 1")))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != second) > 0.3


def test_time_constants_of_neurons_differ_on_a_chip():
    """From the decay of a potential, and from the first step of leaky rate neurons: 20 % apart, each its own."""
    chips = ChipKeys(jnp.arange(100, dtype=jnp.uint32)[:, None], jnp.zeros((100, 1), jnp.uint32))
    chip = Chip(replace(PROFILES["fixed_point"], tau=0.2), chips)
    none = lower(Rule("frozen", 0 * PRE))
    rate, x = jnp.zeros((100, 1)), jnp.ones((1, 100, 1))

    def potentials(plasticity):
        network = predictive(tau=10.0, dt=0.1)
        state = network.init(plasticity, jnp.ones((2, 1, 100, 1)))
        state, _ = network.step(plasticity, state, x, rate)
        before = state.v
        state, _ = network.step(plasticity, state, 0 * x, rate)
        return 0.1 / (1.0 - state.v / before)  # [ms]

    def rates(plasticity):
        network = rnn(leak=0.2)
        w0 = RecurrentWeights(
            *(jnp.full((2, n, 100, 1), c) for n, c in ((2, 0.0), (1, 0.5))),
            jnp.ones((1, 2, 100, 1)),
            jnp.ones((2, 1, 100, 1)),
        )
        state = network.init(plasticity, w0)
        one, still = x[:, None], jnp.ones((100, 1))
        shown = TrialInput(one, one, still, still, 0 * still, 0 * still)
        state, _ = network.step(plasticity, state, shown, rate)
        return 10.0 * 0.2 * 0.5 / state.neurons.x[:, 0]  # as if tau were 10

    for measure in (potentials, rates):
        same, tau = jax.jit(lambda f=measure: (f(none), f(none._replace(chip=chip))))()
        np.testing.assert_allclose(same, 10.0, rtol=1e-3)
        tau = np.asarray(tau)
        assert abs(tau.mean() - 10.0) < 4 * 2.0 / np.sqrt(200)
        assert abs(tau.std() - 2.0) < 4 * 2.0 / np.sqrt(2 * 200)
        assert abs(np.corrcoef(tau[0].ravel(), tau[1].ravel())[0, 1]) < 0.4


@pytest.mark.parametrize("family", ["temporal_credit", "dentate", "sequence_learning"])
def test_networks_with_a_memory_of_their_own_honour_a_chip(family):
    """Registers, patterns and time constants of a chip survive what these networks forget or keep between steps."""
    cheap = {"temporal_credit": {"batches": 10, "neurons": 8}}.get(family, {})
    chip = replace(profile("fixed_point:bits=6,rounding=stochastic,period=5,gain=0.2"), tau=0.2)
    here = Arena(FAMILIES[family], FAMILIES[family].options(**cheap), 0, "train", 10, chip)
    rule, unit = RULES[FAMILIES[family].rival], Bounds(np.zeros((1, 10)), np.ones((1, 10)))
    quality = score_compiled(rule, here, unit).quality
    assert np.isfinite(quality).all()
    other = Arena(FAMILIES[family], FAMILIES[family].options(**cheap), 0, "train", 10)
    assert not np.array_equal(quality, score_compiled(rule, other, unit).quality)
