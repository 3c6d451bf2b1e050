"""Rules of credit assignment on `digits` beside the same rules written by hand in JAX, timed in turns.

All 64 rules: `pytest tests/benchmarks/test_credit.py -s -m "slow or not slow"`; a cut of 8 without the option.
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array, lax

from evolve.evaluation.arena import Arena, learn, prefers_vmap
from substrate.compilation.lowering import lower
from substrate.rule import Rule
from substrate.vocabulary import names
from tasks import FAMILIES

DIGITS = FAMILIES["digits"]

#: What a synapse makes of the error, and of its input; every product of the two is a rule.
TOLD: tuple[Callable, ...] = (
    lambda e, s, x, y, w: e,
    lambda e, s, x, y, w: e * s,
    lambda e, s, x, y, w: e * s * s - 0.01 * y,
    lambda e, s, x, y, w: e * (s + 1),
    lambda e, s, x, y, w: e - 0.1 * y * e,
    lambda e, s, x, y, w: e + e * y,
    lambda e, s, x, y, w: e * s - 0.001 * w,
    lambda e, s, x, y, w: e * e * e * s,
)
INPUT: tuple[Callable, ...] = (
    lambda e, s, x, y, w: x,
    lambda e, s, x, y, w: 2 * x - 1,
    lambda e, s, x, y, w: x - 0.1 * w,
    lambda e, s, x, y, w: x * x,
    lambda e, s, x, y, w: x + x * x,
    lambda e, s, x, y, w: x - 0.01 * y * w,
    lambda e, s, x, y, w: x * (1 - x) + x,
    lambda e, s, x, y, w: x - 0.5,
)


def by_hand(change: Callable) -> Callable:
    """One network and one rule, as somebody would write them who needs nothing else; instances by vmap."""

    def one(w1, w2, b, images, targets, rate, held_out, labels):
        def step(weights: tuple[Array, Array], shown: tuple[Array, Array]):
            w1, w2 = weights
            x, target = shown
            x = jnp.append(x, 1.0)
            y = jax.nn.relu(w1 @ x)
            hidden = jnp.append(y, 1.0)
            err = target - jax.nn.softmax(w2 @ hidden)
            told, slope = (b @ err)[:, None], (y > 0).astype(jnp.float32)[:, None]
            w1 = w1 + rate * change(told, slope, x[None], y[:, None], w1)
            w2 = w2 + rate * jnp.outer(err, hidden)
            return (w1, w2), None

        (w1, w2), _ = lax.scan(step, (w1, w2), (images, targets))
        ones = jnp.ones((len(held_out), 1))
        hidden = jax.nn.relu(jnp.concatenate([held_out, ones], 1) @ w1.T)
        guess = jnp.argmax(jnp.concatenate([hidden, ones], 1) @ w2.T, axis=1)
        return jnp.mean(guess == labels)

    return jax.jit(jax.vmap(one, in_axes=(0, 0, 0, 0, 0, None, 0, 0)))


def ours(change: Callable, setting) -> Callable:
    e, s, x, y, w, err = names("fb_err dphi pre post w err")
    rule = Rule("rule", {"forward": change(e, s, x, y, w), "readout": err * x})
    return jax.jit(
        lambda episode: learn(
            setting, lower(rule), episode, jnp.ones(1), False, prefers_vmap(episode)
        )[0]
    )


@pytest.mark.parametrize("count", [8, pytest.param(64, marks=pytest.mark.slow)])
def test_rules_cost_at_most_twice_what_they_cost_by_hand(count):
    options = DIGITS.options(samples=1000, rate=0.005)  # gentle: rounding does not grow
    arena = Arena(DIGITS, options, 0, "test", 10)
    setting = arena.settings[0]
    episode = jax.tree.map(lambda a: jnp.asarray(a[0]), arena.episodes[0])
    instances = jax.tree.map(lambda a: jnp.moveaxis(a[..., 0], -1, 0), episode)
    drive, target = instances.drive, instances.target
    data = (
        *instances.w0.forward,
        instances.w0.feedback[1],
        drive.x[..., 0],
        drive.target[..., 0],
        options.rate,
        jnp.swapaxes(target["held_out_x"], 1, 2),
        jnp.argmax(target["held_out_target"], axis=1),
    )
    pairs = [(t, i) for t in TOLD for i in INPUT][:: 64 // count]
    seconds = {"ours": 0.0, "hand": 0.0, "ours compiling": 0.0, "hand compiling": 0.0}
    for told, read in pairs:

        def change(*seen, told=told, read=read):
            return told(*seen) * read(*seen)

        programs = {"ours": (ours(change, setting), (episode,)), "hand": (by_hand(change), data)}
        answers = {}
        for name, (program, given) in programs.items():
            began = time.perf_counter()
            compiled = program.lower(*given).compile()
            seconds[f"{name} compiling"] += time.perf_counter() - began
            programs[name] = compiled, given
            answers[name] = np.asarray(compiled(*given)).ravel()
        np.testing.assert_allclose(answers["ours"], answers["hand"], atol=0.05)
        times: dict[str, list[float]] = {"ours": [], "hand": []}
        for _ in range(5):
            for name, (program, given) in programs.items():
                began = time.perf_counter()
                jax.block_until_ready(program(*given))
                times[name].append(time.perf_counter() - began)
        for name, own in times.items():
            seconds[name] += float(np.median(own))
    print(
        "".join(
            f"\n{name}: {value:.2f} s for {len(pairs)} rules" for name, value in seconds.items()
        )
    )
    assert seconds["ours"] < 2 * seconds["hand"]
