"""What a layered network has learned, against linear algebra done the plain way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.evaluation import compiled
from evolve.evaluation.arena import Arena
from evolve.evaluation.compiled import Compiled
from evolve.evaluation.fixed_projections import evolving_part, full_rule
from evolve.evaluation.interpreter import Interpreter
from evolve.running.log import RunView
from evolve.running.loop import run
from rules_zoo import RULES
from substrate.compilation.graph import from_rule
from substrate.networks._layers import OUTPUTS, Layers, answer
from substrate.networks.activations import ACTIVATIONS
from substrate.rule import Rule
from substrate.synapses import Synapses
from substrate.vocabulary import names
from tasks import FAMILIES
from tasks._analyses import Net, alignment, angle, participation, sharpness
from tests.support.scores import score_compiled

DIGITS = FAMILIES["digits"]
RNG = np.random.default_rng(0)


def lanes(*shape: int) -> jax.Array:
    """Random arrays on 2 x 3 lanes."""
    return jnp.asarray(RNG.normal(size=(*shape, 2, 3)), jnp.float32)


def test_the_participation_ratio_counts_singular_values():
    change = lanes(7, 5)
    ratio = np.asarray(participation(change))
    for k in range(2):
        for p in range(3):
            s = np.linalg.svd(np.asarray(change)[..., k, p], compute_uv=False)
            assert ratio[k, p] == pytest.approx((s**2).sum() ** 2 / (s**4).sum(), rel=1e-4)
    outer = lanes(7, 1) * lanes(1, 5)
    np.testing.assert_allclose(participation(outer), 1.0, rtol=1e-4)


def test_angles():
    a = lanes(4, 6)
    np.testing.assert_allclose(angle(a, 3 * a), 0.0, atol=0.1)
    np.testing.assert_allclose(angle(a, -a), 180.0, atol=0.1)
    np.testing.assert_allclose(angle(a, jnp.zeros_like(a)), 90.0)


def test_sharpness_is_the_largest_eigenvalue_of_the_hessian():
    weights = [0.7 * lanes(4, 4), 0.7 * lanes(3, 5)]
    x = lanes(3, 20)
    target = jnp.moveaxis(jax.nn.one_hot(RNG.integers(3, size=20), 3), 1, 0)[..., None, None]
    measured = jax.jit(
        lambda w: sharpness(w, Layers((), (), (), ()), x, target, Net("tanh", "softmax"))
    )
    found = measured(weights)
    sizes = [w[..., 0, 0].size for w in weights]

    def loss(flat: jax.Array, k: int, p: int) -> jax.Array:
        parts = jnp.split(flat, [sizes[0]])
        shaped = [
            v.reshape(w.shape[:2])[..., None, None] for v, w in zip(parts, weights, strict=True)
        ]
        u = answer(shaped, (), x[..., k : k + 1, p : p + 1], ACTIVATIONS["tanh"]).u[-1]
        return jnp.mean(OUTPUTS["softmax"].loss(u, target))

    hessian = jax.jit(jax.hessian(loss), static_argnums=(1, 2))
    for k in range(2):
        flat = jnp.concatenate([w[..., k, 0].ravel() for w in weights])
        values = np.linalg.eigvalsh(hessian(flat, k, 0))
        largest = values[np.argmax(np.abs(values))]
        assert float(found[k, 0]) == pytest.approx(largest, rel=0.03)


def test_a_kernel_made_of_the_targets_is_aligned_with_them():
    target = lanes(3, 30)
    centred = target - target.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(alignment(centred, target), 1.0, rtol=1e-4)
    assert np.all(alignment(lanes(50, 30), target) < 0.5)


def test_feedback_comes_to_agree_with_the_forward_weights():
    """Lillicrap et al. 2016: below 70 degrees, from 90 where nothing learns; backprop's own angle is 0."""
    options = DIGITS.options(samples=1500, analyses=True)
    arena = Arena(DIGITS, options, 0, "test", 10)
    learners = ("feedback_alignment", "backprop", "delta")
    found = compiled.instances([RULES[name] for name in learners], arena)
    metrics = {name: own for name, (_, _, own) in zip(learners, found, strict=True)}
    assert metrics["feedback_alignment"]["feedback_angle_1"].mean() < 70
    assert metrics["delta"]["feedback_angle_1"].mean() == pytest.approx(90, abs=5)
    assert metrics["backprop"]["update_angle_1"].max() < 0.5
    assert metrics["delta"]["update_angle_1"].min() == pytest.approx(90)
    assert metrics["delta"]["change_rank_1"].max() == 0.0


def test_a_champion_shows_the_fixed_rules():
    fixed_rules = DIGITS.build(DIGITS.options())[0].fixed_rules
    evolved = Rule("champion", names("fb_err")[0])
    assert evolving_part(full_rule(evolved, fixed_rules), fixed_rules) == evolved
    assert (
        evolving_part(RULES["feedback_alignment"], fixed_rules) is None
    )  # its readout follows its own rule


def test_a_rule_with_fixed_rules_scores_the_same_interpreted_and_compiled():
    config = RunConfig(task="digits", options={"samples": 300, "hidden": (5,)})
    arena = Arena(config.family, config.task_options, 1, "train", 10)
    interpreter = Interpreter(arena, config.machines, 8, config.grid.outputs)
    rule = RULES["feedback_alignment"]
    own = interpreter.fitness([from_rule(rule)])[0]
    full = full_rule(rule, config.settings[0].fixed_rules)
    assert score_compiled(full, arena, interpreter.bounds(arena)).fitness[0] == pytest.approx(
        own, abs=0.02
    )
    assert own > 0.1


def test_a_search_with_fixed_rules_shows_all_of_its_rule():
    config = RunConfig(
        task="digits",
        options={"samples": 200, "hidden": (5,)},
        genes={"columns": 6},
        variation={"islands": 2},
        stop={"generations": 3},
        instances={"train": 10, "validation": 10, "test": 10},
    )
    result = run(config, RunView())
    assert set(result.champion.rule.changes) == {"forward", "readout"}
    arena = Arena(config.family, config.task_options, 0, "test", 10)
    again = score_compiled(result.champion.rule, arena, Compiled([arena]).bounds(arena))
    np.testing.assert_allclose(again.score[0].mean(), result.champion_row.score, atol=0.02)
    assert {r.rule for r in result.rows} == {"champion", *DIGITS.baselines}


def test_divergence_is_found_in_every_lane_of_synapses():
    from substrate.synapses import alive_lanes

    state = Layers((Synapses(lanes(2, 2).at[0, 0, 1, 2].set(jnp.nan), {}),), (), (), (lanes(3),))
    alive = np.asarray(alive_lanes(state))
    assert not alive[1, 2]
    assert alive.sum() == 5
