"""Pong as a table: the paddle must go to the position at which the ball comes, and learns from a reward alone.

    w <- w + 4 eta dw        success: the most active action is at most 6 from the ball

One epoch shows every position once, in order. On a chip weights are codes 0..63, sensors have 7 bits and 20 % spread
of their gains, and the modulator is an 8-bit fraction,

    q = trunc(128 eta (R - Rbar))        w += trunc(c q / 128)

so the gain eta matters: at 0.01 q is always 0 and nothing is learned; at 0.2 everything saturates. This is `kernel`,
the default. `arithmetic = ideal` is floating point, and `--hardware` is another chip.
"""

from functools import partial
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from substrate.hardware.base import EXACT, Profile, Read, WeightFormat
from substrate.networks.state_action import state_action
from substrate.simulate import Episode, Reading, Step, Trace
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting

#: Epochs over which success is averaged at both ends.
ENDS = 20


class PongOptions(Options):
    """What a user may change."""

    positions: int = Field(32, ge=16, le=128, description="states, and as many actions")
    epochs: int = Field(300, ge=40, le=2000, description="times that every position is shown")
    rate: float = Field(0.05, gt=0, le=1, description="gain eta of the modulator")
    arithmetic: Literal["kernel", "ideal"] = Field(
        "kernel", description="integers as on the chip, or floating point"
    )


def kernel(rate: float) -> Profile:
    """The chip of the experiment: truncated integers, and sensors whose gains differ."""
    return Profile(
        name="kernel",
        summary="integer kernel of the Pong experiment",
        weights=WeightFormat(bits=6, sign="unsigned", top=2.0, rounding="truncate"),
        reads={
            "c_plus": Read(bits=7, top=1.0, signed=False, gain=0.2),
            "reward": Read(bits=8, top=1.0 / rate, rounding="truncate"),
        },
        other=EXACT,
    )


def sample(draw: Draw, options: PongOptions) -> Instance:
    """Draw the noise of every action, which fades over 500 epochs, and the uniform numbers that decide its spikes."""
    rng, n, epochs = draw.rng, options.positions, options.epochs
    steps = epochs * n
    epoch = np.repeat(np.arange(epochs), n)
    sd = 15.0 - 11.0 * np.minimum(epoch / 500, 1.0)
    noise = np.clip(np.round(rng.normal(-4.5 / 32, 1.0, (steps, n)) * sd[:, None]), 0, 63)
    place = np.arange(steps) % n
    drive = {
        "position": place.astype(float),
        "noise": noise,
        "uniform": rng.random((steps, n)),
        "discount": 1.0 - 0.5 * np.minimum(epoch / 10, 1.0),
        "active": (epoch >= 10).astype(float),  # the running means settle first
        "last": (place == n - 1).astype(float),
        "early": (epoch < ENDS).astype(float),
        "late": (epoch >= epochs - ENDS).astype(float),
    }
    return Instance(drive, np.zeros((n, n)), {})


class Gathered(NamedTuple):
    """Successes, each (K, P)."""

    early: Array
    late: Array
    reward: Array


def _start(episode: Episode, state: Any) -> Gathered:
    zero = jnp.zeros(state.hit.shape, jnp.float32)
    return Gathered(zero, zero, zero)


def _update(gathered: Gathered, episode: Episode, step: Step) -> Gathered:
    return Gathered(
        gathered.early + step.drive["early"] * step.after.hit,
        gathered.late + step.drive["late"] * step.after.hit,
        gathered.reward + step.drive["late"] * step.after.reward,
    )


def score(episode: Episode, trace: Trace, options: PongOptions) -> Outcome:
    """Share of successes in the last epochs."""
    shown = float(ENDS * options.positions)
    early, late, reward = (sum_ / shown for sum_ in trace.gathered)
    metrics = {"success_first": early, "success_last": late, "reward_last": reward}
    return Outcome(late, jnp.ones_like(late), metrics)


def build(options: PongOptions) -> tuple[Setting, ...]:
    """One setting."""
    profile = kernel(options.rate) if options.arithmetic == "kernel" else None
    return (
        Setting(
            name=f"{options.positions} positions",
            network=state_action(),
            rate=4 * options.rate,
            sample=partial(sample, options=options),
            reading=Reading(_start, _update),
            score=partial(score, options=options),
            profile=profile,
        ),
    )


FAMILY = Family(
    name="pong",
    asks="a table of states and actions: hit the ball for a reward",
    solved="success of 0.86 in the last 20 of 300 epochs",
    reference="Wunderlich et al. 2019, Front. Neurosci. 13:260, rate form of the on-chip kernel",
    options=PongOptions,
    build=build,
)
