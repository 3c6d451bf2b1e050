"""Anticipation: one neuron receives the same sequence again and again, and should fire at its beginning.

    sequence   `inputs` lines fire one after another, `gap` ms apart, jittered and at a random time of a window;
               `distractors` fire at random, and all lines also fire at random
               quality = 1 - t / T - mean |w| of distractors / mean |w| - 0.1 |log(spikes while it lasts)|
    pairs      two lines fire 10 or 20 ms apart, one of them too weak to fire the neuron, the other not
               quality = - |w / w0 - r|        of the weak one, r the ratio that the predictive neuron shows

t is the time of the first spike after the sequence begins, at most its duration T, a mean over the last epochs. The
ceiling of `sequence` is one spike at the first input and silent distractors; that of `pairs` is 0. Every epoch begins
at rest. `pairs` tests what is known of spike timing, which the rule was not made for but should reproduce.
"""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field, model_validator

from substrate.errors import UserError
from substrate.networks.predictive import predictive, rested
from substrate.networks.presentation import presented
from substrate.simulate import NO_READING, Episode, Reading, Step, Trace
from tasks.base import (
    Draw,
    Family,
    Instance,
    Options,
    Outcome,
    Setting,
    View,
    Views,
    plain,
    with_defaults,
)

#: Length of a step and decay of an input spike [ms]. A weight is worth what its spike adds up to, tau_x / dt, so
#: thresholds, weights and rates hold for this step.
DT, TAU_X = 0.05, 2.0

#: Epochs that count in the end.
LATE = 20

#: What is left of a window after the sequence, and before the first spike of a pair [ms].
TAIL, LEAD = 10.0, 20.0

#: Delays of pairs [ms], pre before post positive, and w / w0 after 60 of them by membrane time constant [ms].
DELAYS = (10.0, 20.0, -10.0, -20.0)
RATIOS = {10.0: (1.41, 1.13, 0.97, 0.985), 20.0: (1.39, 1.21, 0.78, 0.85)}
PAIRINGS, WEAK, STRONG = 60, 0.001, 0.11


#: What is not given, by protocol.
PROTOCOLS: dict[str, dict[str, Any]] = {
    "two_inputs": {
        "inputs": 2,
        "distractors": 0,
        "gap": 4.0,
        "jitter": 0.0,
        "background": 0.0,
        "window": 100.0,
        "weights": (0.05, 0.05),
        "threshold": 2.0,
        "rate": 5e-4,
    },
    "published": {
        "inputs": 100,
        "distractors": 100,
        "jitter": 2.0,
        "background": 10.0,
        "window": 404.0,
        "epochs": 1000,
        "weights": (0.1, 0.1),
        "rate": 5e-4,
    },
    "pairs": {"threshold": 2.0, "rate": 2e-4},
}


class AnticipationOptions(Options):
    """What a user may change; defaults are those of the protocol `sequence`."""

    protocol: Literal["sequence", "two_inputs", "published", "pairs"] = Field(
        "sequence",
        description="a short sequence, two inputs, the published sequence of 100, or pairs of spikes; decides "
        "what else is not given",
    )
    inputs: int = Field(10, ge=2, le=500, description="lines of the sequence")
    distractors: int = Field(
        10, ge=0, le=500, description="lines that are unrelated to the sequence"
    )
    gap: float = Field(2.0, gt=0, le=100, description="time between two inputs [ms]")
    jitter: float = Field(1.0, ge=0, le=20, description="most that an input is off [ms]")
    background: float = Field(
        12.0, ge=0, le=1000, description="greatest rate of a line's random spikes [Hz]"
    )
    window: float = Field(80.0, gt=0, le=2000, description="length of an epoch [ms]")
    epochs: int = Field(300, ge=2, le=100_000, description="how often it returns")
    weights: tuple[float, float] = Field(
        (0.03, 0.1), description="least and greatest start weight; all of an instance are the same"
    )
    tau: float = Field(
        10.0, gt=0.1, le=1000, description="time constant of the membrane [ms]; 10 or 20 for pairs"
    )
    threshold: float = Field(1.4, gt=0, le=100, description="potential of a spike")
    rate: float = Field(1e-3, gt=0, le=1, description="learning rate eta")

    @model_validator(mode="before")
    @classmethod
    def _of_the_protocol(cls, values: Any) -> Any:
        return with_defaults(values, "protocol", PROTOCOLS)

    @property
    def duration(self) -> float:
        """Time from the first input of the sequence to the last [ms]."""
        return (self.inputs - 1) * self.gap

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        pair = LEAD + max(DELAYS) + 60.0
        return round((pair if self.protocol == "pairs" else self.window) / DT)

    @model_validator(mode="after")
    def _possible(self) -> "AnticipationOptions":
        needed = self.duration + 2 * self.jitter + TAIL
        if self.protocol != "pairs" and self.window < needed:
            raise UserError(
                f"options.window = {self.window:g} ms is too short for {self.inputs} inputs {self.gap:g} ms apart. "
                f"Give at least {needed:g}, or fewer inputs."
            )
        if self.protocol == "pairs" and self.tau not in RATIOS:
            raise UserError(
                f"options.tau = {self.tau:g}: ratios are known for 10 and 20 ms. Give one of these."
            )
        return self


def sample(draw: Draw, options: AnticipationOptions) -> Instance:
    """Draw an epoch's spikes for every epoch, and start weights between the two given."""
    rng, lines = draw.rng, options.inputs + options.distractors
    epochs, last = options.epochs, max(options.epochs - LATE, 1)
    rates = rng.uniform(0, options.background, lines)
    mean = 1e-3 * options.background * options.window
    most = int(np.ceil(mean + 3 * np.sqrt(mean)))
    count = rng.poisson(1e-3 * rates * options.window, (epochs, lines))
    random = rng.uniform(0, options.window - DT, (epochs, most, lines))
    random[np.arange(most)[None, :, None] >= count[:, None]] = -np.inf
    room = options.window - options.duration - 2 * options.jitter - TAIL
    onset = options.jitter + rng.uniform(0, 1, epochs) * room
    ordered = onset[:, None] + options.gap * np.arange(options.inputs)
    ordered += rng.uniform(-1, 1, ordered.shape) * options.jitter
    own = np.full((epochs, 1, lines), -np.inf)
    own[:, 0, : options.inputs] = ordered
    spikes = np.concatenate([own, random], axis=1)
    group = np.where(np.arange(epochs) >= last, 1.0, np.where(np.arange(epochs) == 0, 0.0, -1.0))
    drive = {
        "spikes": _steps(spikes),
        "rate_factor": np.ones((epochs, 1)),
        "onset": onset[:, None],
        "group": group[:, None],
    }
    w0 = np.full((1, lines), rng.uniform(*options.weights))
    tells = (np.arange(lines) < options.inputs).astype(float)
    return Instance(drive, w0, {"tells": tells})


def pair(draw: Draw, options: AnticipationOptions) -> Instance:
    """Draw a pair; instances take the delays in turn."""
    kind = draw.place % len(DELAYS)
    spikes = np.array([[LEAD, LEAD + DELAYS[kind]]]) + max(0.0, -DELAYS[kind])
    drive = {
        "spikes": np.repeat(_steps(spikes)[None], PAIRINGS, axis=0),
        "rate_factor": np.ones((PAIRINGS, 1)),
    }
    # What differs between instances beside the delay is the weak weight, which a ratio does not notice.
    weak = WEAK * draw.rng.uniform(0.5, 1.5)
    target = {"kind": np.array(kind), "weak": np.array(weak)}
    return Instance(drive, np.array([[weak, STRONG]]), target)


def _steps(times: np.ndarray) -> np.ndarray:
    """Steps of spikes [ms]; -1 where there is none."""
    return np.where(np.isfinite(times), np.round(np.maximum(times, 0.0) / DT), -1.0)


def show(drive: dict[str, Array], time: Array) -> Array:
    """The lines that fire at a step."""
    return jnp.sum((drive["spikes"] == time).astype(jnp.float32), axis=0)


def listen(options: AnticipationOptions) -> Reading:
    """Sums of the first spike's time and of spikes: (first epoch or last ones, which, K, P)."""
    length = options.duration + TAIL

    def start(episode: Episode, state: object) -> Array:
        w = jax.tree.leaves(state)[0]
        return jnp.zeros((2, 2, *w.shape[-2:]), w.dtype)

    def update(sums: Array, episode: Episode, step: Step) -> Array:
        fired = step.after.heard[:, 0]
        after = DT * jnp.arange(len(fired))[:, None, None] - step.drive["onset"][0]
        inside = fired * ((after >= 0) & (after < length))
        first = jnp.min(jnp.where(inside > 0, after, length), axis=0)
        found = jnp.stack([first, jnp.sum(inside, axis=0)])
        here = jnp.stack([(step.drive["group"] == group) for group in (0.0, 1.0)])
        return sums + here * found[None]

    return Reading(start, update)


def score(episode: Episode, trace: Trace, options: AnticipationOptions) -> Outcome:
    """Quality and metrics of a sequence, (K, P), as the module's docstring defines them."""
    size, tells = jnp.abs(trace.state.inner.synapses.w[0]), episode.target["tells"]
    late = options.epochs - max(options.epochs - LATE, 1)
    first, spikes = trace.gathered[1] / max(late, 1)
    others = jnp.sum(size * (1 - tells), axis=0) / max(options.distractors, 1)
    ratio = others / jnp.maximum(jnp.mean(size, axis=0), 1e-9)
    wrong = 0.1 * jnp.abs(jnp.log(jnp.maximum(spikes, 0.1)))
    quality = 1 - first / (options.duration + TAIL) - ratio - wrong
    metrics = {
        "first_spike_before_ms": trace.gathered[0, 0],
        "first_spike_ms": first,
        "spikes": spikes,
        "distractors": ratio,
    }
    return Outcome(quality, jnp.ones_like(quality), metrics)


def ratio(episode: Episode, trace: Trace, options: AnticipationOptions) -> Outcome:
    """Quality of a pair, (K, P), and its ratio of weights, one metric for each delay."""
    kind = episode.target["kind"]
    found = trace.state.inner.synapses.w[0, 0] / episode.target["weak"]
    known = jnp.asarray(RATIOS[options.tau], found.dtype)[kind.astype(jnp.int32)]
    metrics = {
        f"ratio_{delay:+.0f}_ms": jnp.where(kind == i, found, jnp.nan)
        for i, delay in enumerate(DELAYS)
    }
    return Outcome(-jnp.abs(found - known), jnp.zeros_like(found), metrics)


def listen_to_all(options: AnticipationOptions) -> Reading:
    """Keep every spike, (epoch, step, K, P)."""

    def start(episode: Episode, state: object) -> Array:
        w = jax.tree.leaves(state)[0]
        return jnp.zeros((options.epochs, options.steps, *w.shape[-2:]), w.dtype)

    def update(heard: Array, episode: Episode, step: Step) -> Array:
        return jnp.concatenate([heard[1:], step.after.heard[None, :, 0]])

    return Reading(start, update)


def show_spikes(episode: Episode, trace: Trace, options: AnticipationOptions) -> dict[str, View]:
    """The spikes of every epoch, from a little before the sequence begins, and the weights."""
    heard = plain(trace.gathered)
    begin = np.round(np.asarray(episode.drive["onset"])[:, 0, 0, 0] / DT).astype(int)
    before = round(TAIL / DT)
    wide = np.pad(heard, ((0, 0), (before, before + round(options.duration / DT) + before)))
    last = 2 * before + round(options.duration / DT)
    rows = [row[first : first + last] for row, first in zip(wide, begin, strict=True)]
    axes = ("time from the first input (ms)", "epoch")
    return {
        "spikes": View("raster", np.stack(rows, axis=1), dt=DT, start=-TAIL, axes=axes),
        "weights": View("weights", plain(trace.state.inner.synapses.w)),
    }


def build(options: AnticipationOptions) -> tuple[Setting, ...]:
    """One setting."""
    neuron = predictive(options.tau, options.threshold, DT, TAU_X)
    network = presented(neuron, options.steps, show, outputs=1, afresh=rested)
    if options.protocol == "pairs":
        draw, value = partial(pair, options=options), partial(ratio, options=options)
        return (Setting("pairs", network, options.rate, draw, NO_READING, value),)
    draw, value = partial(sample, options=options), partial(score, options=options)
    name = f"{options.inputs} inputs"
    views = Views(partial(show_spikes, options=options), listen_to_all(options))
    return (Setting(name, network, options.rate, draw, listen(options), value, views=views),)


FAMILY = Family(
    name="anticipation",
    asks="a spiking neuron: fire as a returning sequence begins",
    solved="test score of the predictive neuron's rule; the first spike before the second input",
    reference="Saponati & Vinck 2023, Nat. Commun. 14:4985",
    options=AnticipationOptions,
    build=build,
    rival="saponati2023",
    search={
        "genes": {"terminals": ("pre", "pre_tr", "u", "w", "eps_w")},
        "variation": {"islands": 8},
        "stop": {"generations": 30},
        "instances": {"validation": 20, "test": 50},
    },
)
