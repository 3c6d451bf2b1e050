"""Correlation-driven learning: a spiking neuron must become sensitive to a pattern that comes back in noise.

    1,000 Poisson inputs at 3 Hz. A frozen pattern of 100 ms comes every 500 ms. An input that takes part in it spikes
    less in between, so that the mean rates of all are alike.
    then, for 11 s, with frozen weights and without threshold:
    SNR = (mean over patterns of the greatest potential within - mean outside) / standard deviation outside

Two equations change the weights, which lie in [0, 1]: `dw_on_post` when the neuron spikes, `dw_on_pre` when an
input does. (The article has f_fac and f_dep, and subtracts f_dep: dw_on_pre = -f_dep.) The quality is the SNR. The
ceiling is the SNR of the best template: weights that are the inputs' traces at one of twenty moments of the pattern.
An early one is best, as the potential then has decayed when the pattern ends. SNR after 100 s, mean and standard
deviation over 20 experiments:

                                    published, 200 s    before us (8)    ours
    no learning                     -                   3.9              3.8 +- 0.7
    by hand, `masquelier2018`       18.4 +- 5.7         35.2 +- 11.0     34.2 +- 16.3
    LR1                             14.9 +- 7.1         11.1 +- 2.3      12.0 +- 3.8
    LR2                             23.6 +- 12.2        31.3 +- 7.2      37.6 +- 13.9 (10)

As fitness the article takes the least SNR of 8 experiments: 11.0 for LR1 and 20.9 for LR2. The order that we
find is LR2, by hand, LR1, as published, with LR2 and the rule by hand within the error of each other (by hand 36.5 on
the experiments of LR2).
"""

from functools import partial

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from pydantic import Field
from scipy.signal import lfilter

from substrate.rule import ON_POST, ON_PRE
from substrate.simulate import Episode, Reading, Step, Trace
from substrate.spiking.event_driven import EventNeuron, event_driven
from substrate.spiking.spikes import keep
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting

#: Lengths [ms], at steps of 1 ms: of the pattern, and from one to the next.
PATTERN, PERIOD = 100, 500
#: Mean start weight with 1,000 inputs, at which the neuron just spikes.
START = 0.384
#: Presentations with frozen weights, and those of them that do not count, since the potential starts at rest.
PROBES, UNCOUNTED = 22, 2


class CorrelationDrivenOptions(Options):
    """What a user may change; the published values are the defaults."""

    inputs: int = Field(1000, ge=20, le=5000, description="Poisson inputs")
    input_rate: float = Field(3.0, gt=0, le=50, description="rate of every input [Hz]")
    duration: float = Field(100.0, ge=1, le=2000, description="time of learning [s]")
    spread: float = Field(
        0.1, ge=0, le=1, description="standard deviation of the start weight, common to all inputs"
    )
    rate: float = Field(0.01, gt=0, le=1, description="learning rate, lambda")

    @property
    def presentations(self) -> int:
        """Patterns in the time of learning."""
        return max(2, round(1e3 * self.duration / PERIOD))

    @property
    def places(self) -> int:
        """Spikes in a step that are kept: more are less likely than 1e-6."""
        mean = 1e-3 * self.input_rate * self.inputs
        return int(np.ceil(mean + 5.5 * np.sqrt(mean) + 3))

    @property
    def neuron(self) -> EventNeuron:
        """The neuron model; its potential does not depend on the number of inputs."""
        return EventNeuron(gain=3000.0 / (self.inputs * self.input_rate))


def spikes(
    rng: np.random.Generator, pattern: np.ndarray, count: int, options: CorrelationDrivenOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Steps and inputs of all spikes in so many presentations, in order; the pattern is (step, input)."""
    background = PERIOD - PATTERN
    everyday = (
        options.input_rate * background / PERIOD
    )  # mean rate of an input that is not in the pattern
    own = 1e3 / PERIOD  # of an input that is: one spike a presentation
    thinned = max(0.0, 1.0 - own / everyday)
    rates = options.input_rate * np.where(pattern.any(axis=0), thinned, 1.0)
    number = rng.poisson(1e-3 * rates * count * background)
    place = rng.integers(count * background, size=number.sum())
    when = place // background * PERIOD + place % background
    who = np.repeat(np.arange(options.inputs), number)
    at, line = np.nonzero(pattern)
    begin = np.arange(count)[:, None] * PERIOD + background
    when = np.concatenate([when, (begin + at).ravel()])
    who = np.concatenate([who, np.tile(line, count)])
    return np.divmod(np.unique(when * options.inputs + who), options.inputs)


def table(when: np.ndarray, who: np.ndarray, steps: int, places: int, none: int) -> np.ndarray:
    """The inputs that spike in every step, (step, place), filled up with a number that is none's."""
    first = np.searchsorted(when, np.arange(steps))
    rank = np.arange(len(when)) - first[when]
    kept = rank < places
    found = np.full((steps, places), float(none))
    found[when[kept], rank[kept]] = who[kept]
    return found


def traces(when: np.ndarray, who: np.ndarray, count: int, inputs: int, fading: float) -> np.ndarray:
    """Traces of the inputs when each presentation begins, (presentation, input)."""
    taken = np.zeros((count, inputs))
    np.add.at(taken, (when // PERIOD, who), fading ** (PERIOD - 1 - when % PERIOD))
    before = np.zeros_like(taken)
    for i in range(1, count):
        before[i] = before[i - 1] * fading**PERIOD + taken[i - 1]
    return before


def snr_of(u: np.ndarray) -> float:
    """Signal-to-noise ratio of a potential (step,); 0 where nothing happens outside."""
    own = u.reshape(-1, PERIOD)[UNCOUNTED:]
    outside = own[:, :-PATTERN]
    signal, spread = own[:, -PATTERN:].max(axis=1).mean() - outside.mean(), outside.std()
    return float(signal / spread) if spread > 1e-9 else 0.0


def sample(draw: Draw, options: CorrelationDrivenOptions) -> Instance:
    """Draw a pattern, the inputs while weights change and while they do not, and a start weight."""
    rng, n, count, neuron = draw.rng, options.inputs, options.presentations, options.neuron
    pattern = rng.random((PATTERN, n)) < 1e-3 * options.input_rate
    when, who = spikes(rng, pattern, count, options)
    later, whose = spikes(rng, pattern, PROBES, options)
    learning = table(when, who, count * PERIOD, options.places, n)
    drive = {
        "spikes": learning.reshape(count, PERIOD, -1),
        "pre_tr": traces(when, who, count, n, keep(neuron.tau_trace, neuron.dt)),
    }
    leak = keep(neuron.tau_m, neuron.dt)
    templates = lfilter([1.0], [1.0, -leak], pattern, axis=0)[4::5]
    ceiling = max(
        snr_of(lfilter([1.0], [1.0, -leak], np.bincount(later, w[whose], PROBES * PERIOD)))
        for w in templates
    )
    target = {
        "spikes": table(later, whose, PROBES * PERIOD, options.places, n),
        "ceiling": np.array(ceiling),
    }
    w0 = np.clip(START + options.spread * rng.normal(), 0.05, 0.95)
    return Instance(drive, np.full((1, n), w0), target)


def _start(episode: Episode, state: object) -> Array:
    return jnp.zeros_like(state.spikes)  # type: ignore[attr-defined]


def _update(total: Array, episode: Episode, step: Step) -> Array:
    return total + step.after.spikes


def score(episode: Episode, trace: Trace, options: CorrelationDrivenOptions) -> Outcome:
    """SNR and metrics, (K, P), as the module's docstring defines them."""
    w = trace.state.synapses.w[0]  # (pre, K, P)
    leak = keep(options.neuron.tau_m, options.neuron.dt)

    def step(u: Array, indices: Array) -> tuple[Array, Array]:
        wide = jnp.broadcast_to(indices.astype(jnp.int32), (len(indices), *w.shape[1:]))
        arriving = jnp.take_along_axis(w, wide, axis=0, mode="fill", fill_value=0.0)
        u = leak * u + jnp.sum(arriving, axis=0)
        return u, u

    _, u = lax.scan(step, jnp.zeros(w.shape[1:]), episode.target["spikes"])
    own = u.reshape(PROBES, PERIOD, *u.shape[1:])[UNCOUNTED:]
    outside = own[:, :-PATTERN]
    mean, spread = jnp.mean(outside, axis=(0, 1)), jnp.std(outside, axis=(0, 1))
    signal = jnp.mean(jnp.max(own[:, -PATTERN:], axis=1), axis=0) - mean
    snr = jnp.where(spread > 1e-9, signal / jnp.maximum(spread, 1e-9), 0.0)
    seconds = 1e-3 * options.presentations * PERIOD
    metrics = {
        "SNR": snr,
        "rate_Hz": trace.gathered / seconds,
        "mean_weight": jnp.mean(w, axis=0),
    }
    return Outcome(snr, episode.target["ceiling"], metrics)


def build(options: CorrelationDrivenOptions) -> tuple[Setting, ...]:
    """One setting."""
    return (
        Setting(
            name=f"{options.inputs} inputs",
            network=event_driven(options.neuron),
            rate=options.rate,
            sample=partial(sample, options=options),
            reading=Reading(_start, _update),
            score=partial(score, options=options),
        ),
    )


FAMILY = Family(
    name="correlation_driven",
    asks="a spiking neuron: find a pattern that comes back",
    solved="SNR of at least that of the homeostatic rule by hand",
    reference="Jordan, Schmidt, Senn & Petrovici 2021, eLife 10:e66273; Masquelier 2018",
    options=CorrelationDrivenOptions,
    build=build,
    rival="masquelier2018",
    baselines=(
        "frozen",
        "masquelier2018",
        "jordan2021_correlation_lr1",
    ),
    search={
        "genes": {
            "equations": (f"dw_{ON_PRE}", f"dw_{ON_POST}"),
            "terminals": ("w", "E_c"),
            "constants": (1.0,),
            "primitives": ("add", "sub", "mul", "div"),
            "columns": 10,
        },
        "variation": {"islands": 8},
        "stop": {"generations": 30},
        "instances": {"validation": 10, "test": 20},
    },
)
