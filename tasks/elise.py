"""ELiSe: visible and latent neurons with dendrites and delays must learn a melody and play it without teacher.

    teaching      `teaching` repetitions, the teacher pulling each visible neuron to its part, while the learning
                  rate falls to `calm` times its first value; it stays there afterwards
    replay        five repetitions' time without teacher
    disturbance   for a third of a repetition a strong teacher plays other notes
    recovery      ten repetitions' time without teacher

The rule is always on. Each note of the melody is a visible neuron. Some notes are followed by different notes at
different times, so the present note does not determine the next one: the latent neurons must. The quality is the mean
over the five repetitions of replay of the correlation of the visible rates with the melody, best aligned, as
published. A rule that only copies the teacher plays well during teaching and not afterwards. The ceiling is 1.
"""

from functools import partial
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field, model_validator

from substrate.errors import UserError
from substrate.networks._elise_scaffold import grow
from substrate.networks.elise import LONGEST, REST, elise
from substrate.networks.presentation import presented
from substrate.simulate import Episode, Reading, Step, Trace
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

#: Target potential of a visible neuron while its note sounds, above rest [mV].
LOUD = 20.0
#: Repetitions that are played before the disturbance, and after it; of the latter the last five count.
BEFORE, AFTER = 5, 10
#: Repetitions that are recorded: the replay, the one in which the disturbance begins, and the last five.
HEARD = BEFORE + 1 + 5

Note = Annotated[int, Field(ge=0)]


#: The published melody and size. The published learning rate is constant; here it falls, so that weights drift less.
PUBLISHED = {
    "visible": 7,
    "latent": 30,
    "melody": (6, 0, 1, 0, 1, 0, 4, 2, 3, 5, 5, 5),
    "teaching": 1000,
    "dt": 0.2,
    "rate": 0.1,
    "calm": 0.015,
}


class EliseOptions(Options):
    """What a user may change; the published size stands in brackets."""

    size: Literal["small", "published"] = Field(
        "small", description="what else is not given is small enough to evolve, or as in brackets"
    )
    visible: int = Field(4, ge=2, le=100, description="neurons that play, one a note (7)")
    latent: int = Field(16, ge=1, le=1000, description="neurons that remember (30)")
    notes: int = Field(6, ge=4, le=200, description="notes of a melody that is drawn (12)")
    melody: tuple[Note, ...] = Field(
        (), description="the melody itself (Fuer Elise); drawn for each instance if not given"
    )
    note: float = Field(10.0, ge=2, le=100, description="length of a note [ms] (10)")
    teaching: int = Field(200, ge=2, le=10_000, description="repetitions with teacher (1000)")
    calm: float = Field(
        0.05, gt=0, le=1, description="factor to which the rate falls in teaching (0.015)"
    )
    nudging: float = Field(
        0.7, gt=0, lt=1, description="share lambda of the teacher in the soma's potential"
    )
    dt: float = Field(0.5, ge=0.01, le=0.5, description="length of a step [ms] (0.2)")
    rate: float = Field(0.2, gt=0, le=1, description="learning rate eta, a step (0.1)")

    @model_validator(mode="before")
    @classmethod
    def _sized(cls, values: Any) -> Any:
        return with_defaults(values, "size", {"published": PUBLISHED})

    @model_validator(mode="after")
    def _possible(self) -> "EliseOptions":
        if self.melody and max(self.melody) >= self.visible:
            raise UserError(
                f"options.melody has the note {max(self.melody)}, and there are {self.visible} visible neurons, "
                f"numbered from 0. Give options.visible={max(self.melody) + 1} or another melody."
            )
        if round(self.note / self.dt) * self.dt != self.note or round(1 / self.dt) * self.dt != 1:
            raise UserError(
                f"options.dt = {self.dt:g} does not divide a millisecond and a note of {self.note:g} ms evenly. "
                "Give 0.1, 0.2 or 0.5."
            )
        return self

    @property
    def length(self) -> int:
        """Notes of the melody."""
        return len(self.melody) or self.notes


def remembers(melody: np.ndarray) -> bool:
    """Whether some note is followed by more than one other, round and round."""
    follows = set(zip(melody, np.roll(melody, -1), strict=True))
    return len(follows) > len(set(melody))


def melody_of(rng: np.random.Generator, options: EliseOptions) -> np.ndarray:
    """The melody (note,), or a drawn one that needs a memory and repeats no note at once."""
    if options.melody:
        return np.array(options.melody)
    while True:
        drawn = rng.integers(options.visible, size=options.notes)
        if remembers(drawn) and np.all(drawn != np.roll(drawn, 1)):
            return drawn


def sample(draw: Draw, options: EliseOptions) -> Instance:
    """Draw a melody, a scaffold, delays and start weights."""
    rng, n = draw.rng, options.visible + options.latent
    notes = np.eye(options.visible)[melody_of(rng, options)]  # (note, visible)
    wrong = np.eye(options.visible)[rng.integers(options.visible, size=len(notes))]
    delays = rng.integers(5, int(LONGEST) + 1, (2, n))
    w0 = {
        "dendritic": rng.uniform(0, 0.1, (n, n)) * (1 - np.eye(n)),
        "scaffold": grow(rng, options.visible, options.latent),
        "delays": delays.astype(float),
    }
    taught = options.teaching
    count = taught + BEFORE + AFTER
    rate_factor = options.calm ** np.minimum(np.arange(count) / (taught - 1), 1.0)
    pull = np.zeros((count, len(notes), 1))
    pull[:taught] = options.nudging / (1 - options.nudging)
    shown = np.repeat(notes[None], count, axis=0)
    struck = taught + BEFORE
    third = max(1, len(notes) // 3)
    pull[struck, :third], shown[struck] = pull[0, 0], wrong
    slot = np.arange(count) - taught
    slot = np.where(slot > BEFORE, slot - (AFTER - 6), slot)  # the last five after the first
    slot[struck + 1 : count - 5] = -1
    drive = {
        "notes": shown,
        "pull": pull,
        "rate_factor": rate_factor[:, None],
        "slot": slot[:, None].astype(float),
    }
    return Instance(drive, w0, {"melody": notes})


def show(drive: dict[str, Array], time: Array, steps: int) -> dict[str, Array]:
    """Target and pull of the teacher at a step of a repetition."""
    note = time * drive["notes"].shape[0] // steps
    return {"target": REST + LOUD * drive["notes"][note], "pull": drive["pull"][note]}


def listen(times: int, visible: int) -> Reading:
    """Record the visible rates in the repetitions that count, (slot, time, visible, K, P)."""

    def start(episode: Episode, state: object) -> Array:
        w = jax.tree.leaves(state)[0]
        return jnp.zeros((HEARD, times, visible, *w.shape[-2:]), w.dtype)

    def update(heard: Array, episode: Episode, step: Step) -> Array:
        # All lanes write to the same slot, so that of the first is taken.
        slot = step.drive["slot"].ravel()[0]
        here = (jnp.arange(HEARD) == slot)[:, None, None, None, None]
        return jnp.where(here, step.after.heard[None], heard)

    return Reading(start, update)


def correlations(heard: Array, melody: Array) -> Array:
    """Correlation of rates (repetition, time, visible, K, P) with a melody (note, ...), best aligned."""
    times = heard.shape[1]
    model = melody[jnp.arange(times) * melody.shape[0] // times]

    def standard(a: Array) -> Array:
        a = a - jnp.mean(a, axis=(-4, -3), keepdims=True)
        return a / jnp.sqrt(jnp.maximum(jnp.sum(a * a, axis=(-4, -3), keepdims=True), 1e-12))

    model, heard = standard(model), standard(heard)
    model = jnp.broadcast_to(model, (*model.shape[:-2], *heard.shape[-2:]))

    def at(shift: Array) -> Array:
        return jnp.sum(jnp.roll(model, shift, axis=0) * heard, axis=(1, 2))

    return jnp.max(jax.lax.map(at, jnp.arange(times)), axis=0)


def score(episode: Episode, trace: Trace) -> Outcome:
    """Quality and metrics, (K, P), as the module's docstring defines them."""
    found = correlations(trace.gathered, episode.target["melody"])
    quality = jnp.mean(found[:BEFORE], axis=0)
    metrics = {
        "correlation": quality,
        "disturbed": found[BEFORE],
        "recovered": jnp.mean(found[-5:], axis=0),
    }
    return Outcome(quality, jnp.ones_like(quality), metrics)


def show_replay(episode: Episode, trace: Trace) -> dict[str, View]:
    """All recorded repetitions, below the melody aligned with the first, and the dendritic weights."""
    heard = plain(trace.gathered)
    times = heard.shape[1]
    notes = plain(episode.target["melody"])
    model = notes[np.arange(times) * len(notes) // times]
    fit = [np.sum(np.roll(model, k, axis=0) * heard[0]) for k in range(times)]
    model = np.tile(np.roll(model, int(np.argmax(fit)), axis=0), (len(heard), 1))
    played = np.concatenate(list(heard))
    axes = ("time (ms): replay, a repetition with a disturbance, and replay after it", "neuron")
    marks = (float(BEFORE * times), float((BEFORE + 1) * times))
    return {
        "replay": View("replay", played, model, axes=axes, marks=marks),
        "weights": View("weights", plain(trace.state.inner.synapses.w)),
    }


def build(options: EliseOptions) -> tuple[Setting, ...]:
    """One setting."""
    steps, every = options.length * round(options.note / options.dt), round(1 / options.dt)
    network = presented(
        elise(options.visible, options.dt),
        steps,
        partial(show, steps=steps),
        outputs=options.visible,
        every=every,
    )
    reading = listen(steps // every, options.visible)
    name, draw = f"{options.visible} + {options.latent} neurons", partial(sample, options=options)
    views = Views(show_replay)
    return (Setting(name, network, options.rate, draw, reading, score, views=views),)


FAMILY = Family(
    name="elise",
    asks="neurons with dendrites: learn a melody and replay it",
    solved="correlation of at least 0.9 over five repetitions, and again after a disturbance",
    reference="Kriener, Jordan, Petrovici & co-workers 2024, arXiv:2402.16763",
    options=EliseOptions,
    build=build,
    rival="elise",
    baselines=(
        "frozen",
        "hebb",
        "hebb_decay",
        "oja",
        "instar",
        "outstar",
        "anti_hebb",
        "covariance",
        "willshaw",
        "elise",
    ),
    search={
        "genes": {"terminals": ("phi_u", "phi_v", "rbar", "pre", "w")},
        "variation": {"islands": 8},
        "stop": {"generations": 12},
        "instances": {"validation": 20, "test": 20},
        "engine": "interpreter",  # to compile a rule on so large a network takes longer than to run it
    },
)
