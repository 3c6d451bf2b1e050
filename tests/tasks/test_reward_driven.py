"""The reward-driven family: its trials against a plain loop over time, and the published figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from evolve.evaluation.arena import Arena
from evolve.evaluation.compiled import Compiled, instances
from evolve.evaluation.interpreter import Interpreter
from rules_zoo import RULES
from substrate.compilation.graph import from_rule
from substrate.compilation.interpreter import Machine
from substrate.compilation.lowering import lower
from substrate.simulate import whole_drive
from tasks import FAMILIES
from tasks.base import draw_instances

FAMILY = FAMILIES["reward_driven"]
LR0 = RULES["jordan2021_lr0"]


def plain_trial(w, psp, thresholds):
    """One trial at steps of 1 ms, as it is written down: spikes (step,) and E (pre,) of one neuron.

    `psp` is (step, pre) in mV / nA; the current follows from it, since it moves the membrane.
    """
    p2, steps = np.exp(-1 / 10), len(psp)
    push = psp[1:] - p2 * psp[:-1]  # what the synaptic current adds to the potential in a step
    u, waiting = psp[0] @ w, 0
    spikes, eligibility = np.zeros(steps), np.zeros(psp.shape[1])
    for t in range(steps):
        if waiting:
            u, waiting = 0.0, waiting - 1
        elif u > thresholds[t]:
            spikes[t], u, waiting = 1, 0.0, 2
        late = np.exp(-(steps - t) / 500)
        eligibility += 4.0 * late * (spikes[t] - 0.01 * np.exp((u - 15) / 5)) * psp[t]
        if t + 1 < steps:
            u = p2 * u + push[t] @ w
    return spikes, eligibility


def test_a_trial_is_that_of_a_plain_loop():
    options = FAMILY.options(trials=12, patterns=3, duration=300.0, spread=4.0)
    (setting,) = FAMILY.build(options)
    episode = draw_instances(setting, (0, 0), "train", range(2))
    network, plasticity, rate = setting.network, lower(LR0), jnp.full((1, 1), 0.01)
    state = network.init(plasticity, jnp.asarray(episode.w0))
    whole_of = whole_drive(network, jax.tree.map(jnp.asarray, episode))
    step = jax.jit(lambda s, d: network.step(plasticity, s, whole_of(d), rate))
    counts, expected = [], {}
    for trial in range(options.trials):
        drive = jax.tree.map(lambda a, t=trial: jnp.asarray(a[t]), episode.drive)
        after, _ = step(state, drive)
        for k in range(2):
            w = np.asarray(state.synapses.w[0, :, k, 0], float)
            psp = episode.shared["psp"][int(drive["pattern"][0, k, 0]), :, :, k, 0]
            spikes, eligibility = plain_trial(
                w, psp, np.asarray(drive["thresholds"][:, k, 0], float)
            )
            reward = (1.0 if spikes.any() else -1.0) * float(drive["class"][0, k, 0])
            counts.append(spikes.sum())
            assert float(after.reward[k, 0]) == reward
            change = np.asarray(after.synapses.w[0, :, k, 0]) - w
            np.testing.assert_allclose(
                change, 0.01 * (reward - 1) * eligibility, rtol=1e-3, atol=2e-4
            )
            positive, negative = expected.setdefault(k, [0.0, 0.0])
            expected[k] = [
                0.99 * positive + 0.01 * max(reward, 0),
                0.99 * negative + 0.01 * min(reward, 0),
            ]
        state = after
    assert max(counts) > 2 and min(counts) == 0, "both answers, and trials with several spikes"
    for k, (positive, negative) in expected.items():
        assert float(state.positive[k, 0]) == pytest.approx(positive, abs=1e-6)
        assert float(state.negative[k, 0]) == pytest.approx(negative, abs=1e-6)


def test_the_figures_in_brief():
    """Over 20 experiments: the rule by hand is near 210, and reward times eligibility far below."""
    arena = Arena(FAMILY, FAMILY.options(), 0, "test", 20)
    names = ("frozen", "jordan2021_lr0", "r_max")
    found = instances([RULES[n] for n in names], arena)
    mean = {n: q.mean() for n, (q, _, _) in zip(names, found, strict=True)}
    error = {n: q.std(ddof=1) / np.sqrt(20) for n, (q, _, _) in zip(names, found, strict=True)}
    assert abs(mean["frozen"]) < 3 * error["frozen"]
    assert abs(mean["jordan2021_lr0"] - 216.2) < 2 * error["jordan2021_lr0"]
    assert mean["r_max"] < mean["jordan2021_lr0"] - 3 * error["jordan2021_lr0"]


def test_both_engines_agree():
    options = FAMILY.options(trials=50, patterns=5, duration=200.0)
    arena = Arena(FAMILY, options, 0, "train", 10)
    machine = Machine(("R", "E", "Rbar_p", "Rbar_m"), ("add", "sub", "mul", "div"))
    graphs = [from_rule(RULES[f"jordan2021_lr{i}"]) for i in (0, 2)]
    (interpreted,) = Interpreter(arena, machine, capacity=8).score_graphs([graphs], [arena])
    (compiled,) = Compiled([arena]).score_graphs([graphs], [arena])
    # An answer hangs on whether a threshold is crossed, so a rounding error may turn one of them.
    assert np.mean(np.abs(interpreted - compiled) > 1e-4) <= 0.1


def test_steps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"dt = 0\.3 ms does not divide"):
        FAMILY.options(dt=0.3)
