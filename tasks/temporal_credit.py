"""Temporal credit: a recurrent network learns from errors that come long after what caused them.

    u = W y(t-1) + I s(t)      x <- x + (dt / tau) (u - x)      y = phi(x)      z = V y      W <- W + eta dW

`delayed_decision`: a noisy input is a little above or below zero for a while; after a delay the network must say
which. Inputs are weak, so that what a random network remembers is gone by then: its recurrent weights must learn to
hold it. `row_digits`: an image of scikit-learn's digits comes row by row, and is to be named at the last.

The published delayed decision (here with N = 48) is in the head of runs/delayed_decision_1200.toml. Accuracy over
test instances (networks), in brackets figures measured before us, of how many networks is not known:

    delay                     300 ms         1,200 ms       of the change of W: participation, top share
    readout only (delta)      1.00 (1.00)    0.82 (0.66)
    rflo                      1.00 (1.00)    0.88 (1.00)    1.07 (1.0) in the median, 0.96 (1.00) at 1,200 ms
    three_factor, noisy=all   0.88 (0.96)    0.66 (0.53)    1.56 (1.5-1.9), 0.79 (0.72-0.81) at 300 ms;
                                                            2.61, 0.61 at 1,200 ms

At 1,200 ms much depends on the random network. Over 50 of them the readout's quantiles are 0.61 (10 %), 0.73 (25 %),
0.86 (50 %) and 0.97 (90 %), and one in eight lies within 0.05 of 0.66. RFLO's median is 1.00, but 9 of 50 networks
stay below 0.9, five of them below 0.5. Written again in NumPy, the recipe gives over 100 networks 0.85 +- 0.13
(standard deviation) and 0.90 +- 0.21; no reading of it that we tried gives all three figures in brackets, but in 8 of
100 networks the first two come together. Where readouts give 0.66 on average, being slower or in more noise, RFLO
falls to 0.64 to 0.89 too, as it is the readout that tells it its errors.

The perturbed network must be as noisy when it is scored (`noisy = "all"`), here with eta 0.0006, 0.3 of the others',
and `gain` 0.05: over ten networks it has 0.66 +- 0.11, a median of 0.63 (in NumPy, over 50: 0.59 +- 0.10); without
noise 0.84, which is that of the readout.

Digits row by row, over ten instances: readout only 0.49, feedback alignment 0.65, which is `rflo` where neurons have
no memory of their own; with 64 neurons and eta 0.03, in three times the time, 0.50 and 0.75.
"""

from functools import partial
from typing import Annotated, Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field, model_validator

from substrate.errors import UserError
from substrate.networks._layers import OUTPUTS
from substrate.networks.activations import ACTIVATIONS
from substrate.networks.recurrent import NeuronParams, RecurrentWeights, rnn
from substrate.simulate import NO_READING, Episode, Trace
from tasks._supervised import DELTA, accuracy
from tasks._trials import Trials, instance, rank, respond
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting
from tasks.digits import divided

#: Input per unit of coherence.
SLOPE = 0.032
#: Silence before the stimulus [ms].
FIXATION = 100


class KindDefaults(NamedTuple):
    """What a kind takes where nothing is given."""

    neurons: int
    batch: int
    batches: int
    rate: float
    gain: float


USUAL = {
    "delayed_decision": KindDefaults(24, 4, 150, 0.03, 0.8),
    "row_digits": KindDefaults(32, 10, 1200, 0.05, 0.5),
}

Coherence = Annotated[float, Field(gt=0, le=100)]
Milliseconds = Annotated[int, Field(ge=0, le=10_000)]


class TemporalCreditOptions(Options):
    """What a user may change; what is not given depends on the kind."""

    kind: Literal["delayed_decision", "row_digits"] = Field(
        "delayed_decision", description="the task"
    )
    neurons: int | None = Field(None, ge=2, le=1000, description="neurons N")
    batch: int | None = Field(None, ge=1, le=200, description="trials at once")
    batches: int | None = Field(None, ge=1, le=100_000, description="batches shown")
    rate: float | None = Field(None, gt=0, le=10, description="learning rate eta")
    gain: float | None = Field(None, ge=0, le=5, description="g, scale of the recurrent weights")
    plastic_inputs: bool = Field(False, description="whether input weights learn too")
    noise: float = Field(
        0.0,
        ge=0,
        le=10,
        description="noise of the net input, for rules by perturbation",
    )
    noisy: Literal["second", "all"] = Field(
        "second",
        description="runs with noise: a second one of each trial that is learned from, or all, also held-out ones",
    )
    held_out: int = Field(100, ge=10, le=10_000, description="trials that are scored")
    delay: Milliseconds = Field(800, description="delayed decision: delay [ms]")
    stimulus: Milliseconds = Field(400, description="delayed decision: stimulus [ms]")
    decision: Milliseconds = Field(200, description="delayed decision: when answers count [ms]")
    dt: int = Field(50, ge=1, le=1000, description="delayed decision: step [ms]")
    tau: int = Field(100, ge=1, le=10_000, description="delayed decision: time constant [ms]")
    coherences: tuple[Coherence, ...] = Field(
        (4.0, 8.0, 16.0), min_length=1, description="delayed decision: coherences, +-"
    )
    spread: float = Field(
        0.06, ge=0, le=10, description="delayed decision: noise of the input, standard deviation"
    )

    @model_validator(mode="after")
    def _times(self) -> "TemporalCreditOptions":
        if self.dt > self.tau or self.decision < self.dt or self.stimulus < self.dt:
            raise UserError(
                f"dt = {self.dt} ms is longer than tau ({self.tau}), the stimulus ({self.stimulus}) or the "
                f"decision ({self.decision}). Lower dt."
            )
        return self

    def defaults(self) -> KindDefaults:
        """What was given, and what the kind takes where nothing was."""
        own = {name: getattr(self, name) for name in KindDefaults._fields}
        return USUAL[self.kind]._replace(**{k: v for k, v in own.items() if v is not None})


def decisions(rng: np.random.Generator, count: int, options: TemporalCreditOptions) -> Trials:
    """Trials of the delayed decision; every coherence is as frequent as every other."""
    lengths = (FIXATION, options.stimulus, options.delay, options.decision)
    fixation, stimulus, delay, decision = (round(ms / options.dt) for ms in lengths)
    steps = fixation + stimulus + delay + decision
    coherence = rng.choice(options.coherences, count) * rng.choice((-1.0, 1.0), count)
    s = options.spread * rng.normal(size=(count, steps, 1))
    s[:, fixation : fixation + stimulus, 0] += SLOPE * coherence[:, None]
    when = (np.arange(steps) >= steps - decision).astype(float)
    return Trials(s, np.sign(coherence)[:, None], when)


def rows(x: np.ndarray, target: np.ndarray) -> Trials:
    """Images (image, 64) row by row, with an input that is always on; the answer counts at the last row."""
    s = x.reshape(-1, 8, 8)
    return Trials(np.concatenate([s, np.ones_like(s[..., :1])], axis=-1), target, np.eye(8)[-1])


def start(
    rng: np.random.Generator, inputs: int, outputs: int, defaults: KindDefaults
) -> RecurrentWeights:
    """Draw the weights of a network; several outputs send smaller errors each."""
    n = defaults.neurons
    recurrent = defaults.gain * rng.normal(size=(n, n)) / np.sqrt(n)
    return RecurrentWeights(
        recurrent * (1.0 - np.eye(n)),
        rng.normal(size=(n, inputs)) / np.sqrt(inputs),
        rng.normal(size=(outputs, n)) / n,
        rng.normal(size=(n, outputs)) / outputs,
    )


def sample(draw: Draw, options: TemporalCreditOptions) -> Instance:
    """Draw weights and trials."""
    defaults, rng = options.defaults(), draw.rng
    count = defaults.batch * defaults.batches
    if options.kind == "delayed_decision":
        stream, held_out = (decisions(rng, c, options) for c in (count, options.held_out))
        weights = start(rng, 1, 1, defaults)
    else:
        known, probe = divided(draw)
        rounds = range(-(-count // len(known.x)))
        order = np.concatenate([rng.permutation(len(known.x)) for _ in rounds])[:count]
        stream = rows(known.x[order], known.target[order])
        held_out = rows(probe.x[: options.held_out], probe.target[: options.held_out])
        weights = start(rng, 9, 10, defaults)
    return instance(rng, weights, stream, held_out, defaults.batch)


def outcome(
    episode: Episode, trace: Trace, params: NeuronParams, output: str, noise: float
) -> Outcome:
    """Accuracy on held-out trials, with so much noise, while the answer counts; 1 is every one of them right."""
    target, when = episode.target["target"], episode.target["when"]
    z = respond(trace.state, episode.target["s"], params, episode.target["seed"], noise)
    lost = OUTPUTS[output].loss(z.swapaxes(0, 1), target[:, None])
    weight = when[:, None]
    mean = jnp.sum(z * weight[:, None], axis=0) / jnp.sum(when, axis=0)
    right = _share(mean, target) if output == "linear" else accuracy(mean, target)
    loss = jnp.mean(jnp.sum(lost * weight, axis=0) / jnp.sum(when, axis=0), axis=0)
    metrics: dict[str, Any] = {"accuracy": right, "loss": loss, **rank(episode, trace)}
    return Outcome(right, jnp.ones_like(right), metrics)


def _share(z: Array, target: Array) -> Array:
    """Share of trials whose answer has the target's sign."""
    return jnp.mean((z[0] * target[0] > 0).astype(jnp.float32), axis=0)


def build(options: TemporalCreditOptions) -> tuple[Setting, ...]:
    """One setting."""
    defaults = options.defaults()
    if options.kind == "delayed_decision":
        activation, output, leak = "tanh", "linear", options.dt / options.tau
        name = f"delay={options.delay}"
    else:
        activation, output, leak, name = "relu", "softmax", 1.0, "row_digits"
    twin = options.noisy == "second"
    network = rnn(
        activation,
        output,
        leak,
        defaults.batch,
        options.noise,
        options.plastic_inputs,
        twin=twin,
    )
    params = NeuronParams(ACTIVATIONS[activation], leak, "current")
    score = partial(outcome, params=params, output=output, noise=0.0 if twin else options.noise)
    draw = partial(sample, options=options)
    return (Setting(name, network, defaults.rate, draw, NO_READING, score, DELTA),)


#: A search: what a synapse may read, a trace of its own that evolves too, and few evaluations, since each takes long.
#: Rules are compiled: the slow variables of a batch of trials make a step slow, and the interpreter makes it slower.
SEARCH = {
    "genes": {
        "terminals": ("pre", "post", "w", "dphi", "fb_err"),
        "slow": ("p",),
        "constants": (0.2,),
    },
    "variation": {"islands": 8},
    "stop": {"generations": 10},
    "instances": {"train": 20, "validation": 50, "test": 50},
    "engine": "compiled",
}

FAMILY = Family(
    name="temporal_credit",
    asks="a recurrent network: decide after a delay",
    solved="accuracy at least 0.95 on trials that were never shown",
    reference="task: Dubreuil, Valente, Beiran, Mastrogiuseppe & Ostojic 2022; rules: Murray 2019",
    options=TemporalCreditOptions,
    build=build,
    rival="rflo",
    baselines=("rflo", "eprop", "feedback_alignment", "delta", "frozen"),
    search=SEARCH,
)
