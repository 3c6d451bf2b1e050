"""What a chip makes of a synapse: fixed point, formats and rounding of weights, and when they are written."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from substrate import POST, PRE, Rule, Slow, names
from substrate.compilation.lowering import lower
from substrate.hardware import PROFILES, Chip, ChipKeys, profile
from substrate.hardware._fixed import Fixed
from substrate.hardware.base import Schedule
from substrate.networks.feedforward import feedforward
from substrate.simulate import NO_READING, Episode, simulate


def run_on(chip, rule, drive, w0, rate=0.1, chips=(7,)):
    """Weights after every step on the first of some chips, (step, post, pre), and the last state of all."""
    keys = ChipKeys(
        *(jnp.broadcast_to(jnp.uint32(k).reshape(-1, 1), (len(chips), 1)) for k in (chips, 9))
    )
    plasticity = lower(rule)._replace(chip=Chip(chip, keys))
    network = feedforward()

    @jax.jit
    def learned(w0, drive, rate):
        def step(state, x):
            state, _ = network.step(plasticity, state, x, rate)
            return state, state.w

        return lax.scan(step, network.init(plasticity, w0), drive)

    w0, drive = (jnp.asarray(a, jnp.float32)[..., None, None] for a in (w0, drive))
    w0 = jnp.broadcast_to(w0, (*w0.shape[:2], len(chips), 1))
    state, weights = learned(w0, drive, jnp.full((1, 1), rate, jnp.float32))
    return np.asarray(weights)[..., 0, 0], state


def test_writes_follow_the_schedule():
    drive, w0 = np.ones((7, 1)), [[0.0]]
    rule = Rule("count", PRE * 1)
    by = {
        kind: run_on(
            replace(PROFILES["fixed_point"], schedule=Schedule(kind, period)),
            rule,
            drive,
            w0,
            0.125,
        )[0].ravel()
        for kind, period in (("step", 1), ("accumulate", 3), ("epoch", 3))
    }
    np.testing.assert_allclose(by["step"], 0.125 * np.arange(1, 8))
    np.testing.assert_allclose(by["accumulate"], 0.125 * np.array([0, 0, 3, 3, 3, 6, 6]))
    np.testing.assert_allclose(by["epoch"], by["accumulate"])
    seen = run_on(
        replace(PROFILES["fixed_point"], schedule=Schedule("epoch", 3)),
        rule,
        [[1.0], [1.0], [0.0], [0.0], [0.0], [1.0]],
        w0,
        0.125,
    )[0].ravel()
    np.testing.assert_allclose(seen, 0.125 * np.array([0, 0, 0, 0, 0, 3]))


@pytest.mark.parametrize("arithmetic", [None, Fixed(16, 9)], ids=["floats", "integers"])
def test_a_register_that_keeps_its_remainder_loses_nothing(arithmetic):
    """Changes of 0.3 codes a write, truncated: nothing ever moves, or all of it but the last code."""
    chip = replace(PROFILES["fixed_point"], arithmetic=arithmetic)
    chip = replace(chip, weights=replace(chip.weights, rounding="truncate"))
    rule, drive = Rule("drift", PRE * 1), np.ones((100, 1))
    rate = 0.15 / 128
    for keeps, codes_moved in ((False, 0), (True, 15)):
        there = replace(chip, schedule=Schedule("accumulate", 2, keeps=keeps))
        for sign in (1, -1):
            moved = run_on(there, rule, sign * drive, [[0.0]], rate)[0].ravel()[-1] * 128
            assert abs(moved - sign * codes_moved) <= 1, keeps


def test_a_kernel_goes_through_fewer_inputs_sooner():
    """A write every 4 steps for 8 inputs is one every 2 for 4, one every 1 for 2, and never more often."""
    drive = np.ones((4, 4))
    chip = replace(PROFILES["fixed_point"], schedule=Schedule("accumulate", 4, inputs=8))
    for inputs, period in ((1, 1), (2, 1), (3, 2), (4, 2)):
        w, _ = run_on(chip, Rule("count", PRE * 1), drive[:, :inputs], [[0.0] * inputs], 0.125)
        written = 0.125 * (np.arange(1, 5) // period * period)
        np.testing.assert_allclose(w[:, 0, 0], written)
    asked = profile("bss2:period=7").schedule
    assert asked.at(2) == asked.at(100) == 7 and asked.keeps
    assert not profile("bss2:remainder=dropped").schedule.keeps


def test_what_follows_the_last_presynaptic_event_never_reaches_the_weight():
    """On a chip that writes at presynaptic events; before the next event the weight is up to date."""
    rule = Rule("drift", 1 + 0 * PRE)
    network = feedforward()
    chip = replace(PROFILES["fixed_point"], schedule=Schedule("deferred", 1))
    drive = np.array([[1.0], [0.0], [1.0], [0.0], [0.0]])
    keys = ChipKeys(*(jnp.full((1, 1), k, jnp.uint32) for k in (1, 2)))
    episode = Episode(
        jnp.asarray(drive, jnp.float32)[..., None, None], jnp.zeros((1, 1, 1, 1)), {}, keys
    )
    plasticity = lower(rule)._replace(chip=Chip(chip, keys))
    rate = jnp.full((1, 1), 0.125)
    trace = jax.jit(lambda e: simulate(network, plasticity, e, rate, NO_READING, 1))(episode)
    assert float(trace.state.w[0, 0, 0, 0]) == pytest.approx(3 * 0.125)


def test_a_host_keeps_what_the_chip_cannot_hold():
    """Steps far below a code add up on the host; the chip holds the nearest code."""
    chip = replace(profile("dynapse2"), weights=replace(profile("dynapse2").weights, gain=0.0))
    weights, state = run_on(chip, Rule("count", PRE * 1), np.ones((10, 1)), [[0.0]], 0.01)
    assert float(state.chip["host"][0, 0, 0, 0]) == pytest.approx(0.1)
    assert weights[-1].item() == 0.125
    assert weights[5].item() == 0.0


def test_weights_stay_within_their_format():
    for sign, low, high in (("signed", -1.75, 1.75), ("unsigned", 0.0, 1.75)):
        chip = replace(
            PROFILES["fixed_point"],
            weights=replace(PROFILES["fixed_point"].weights, bits=3, sign=sign),
        )
        for push, end in ((1, high), (-1, low)):
            weights, _ = run_on(
                chip, Rule("push", push + 0 * PRE), np.ones((30, 2)), [[0.5, -0.5]], 1
            )
            np.testing.assert_array_equal(weights[-1], end)
    rows = replace(PROFILES["fixed_point"].weights, sign="row")
    chip = replace(PROFILES["fixed_point"], weights=rows)
    weights, _ = run_on(chip, Rule("push", -1 + 0 * PRE), np.ones((30, 2)), [[0.5, -0.5]], 1)
    np.testing.assert_allclose(weights[-1], [[0.0, -2.0 + 2 / 256]])


def test_fixed_point_is_integer_arithmetic():
    """Against Python's whole numbers, over the whole range, saturation included."""
    fixed, rng = Fixed(16, 9), np.random.default_rng(0)
    low, high = fixed.limits
    a, b = (rng.integers(low, high + 1, 20_000) for _ in range(2))
    small = rng.integers(-600, 600, 20_000)
    for x, y in ((a, b), (a, small), (small, small[::-1])):
        got = {
            n: np.asarray(fixed.apply(n, *map(jnp.float32, (x, y)))) for n in ("add", "sub", "mul")
        }
        quotient = np.abs(x * y) // 512 * np.sign(x * y)
        for name, value in (("add", x + y), ("sub", x - y), ("mul", quotient)):
            np.testing.assert_array_equal(got[name], np.clip(value, low, high), name)


def test_slow_variables_are_stored_in_their_format_and_pace():
    """A leak of a tenth a step; on a chip its time constant is 20 % off, and no two are alike."""
    trace = names("trace")[0]
    rule = Rule("leak", 0 * PRE, slow=(Slow("trace", (POST - trace) / 10, "post"),))
    chip = replace(profile("bss2"), reads={})
    _, state = run_on(chip, rule, np.ones((5, 1)), [[1.0]], chips=range(40))
    ends = np.asarray(state.slow["trace"]).ravel()
    steps = ends * 512
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert 0.05 < np.std(ends) / np.mean(ends) < 0.3
