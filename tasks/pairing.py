"""Pairing protocols of the laboratory: a rule must change a synapse as pairs, triplets and bursts of spikes do.

    visual_cortex   bursts of 5 pairs at 10 to 50 Hz, 15 bursts every 10 s, and 50 pairs at 0.1 Hz; post 10 ms after
                    pre, or before (Sjoestroem et al. 2001)
    visual_cortex_trains    the same figures with 60 pairs in a row, as models are fitted to them
    hippocampus     60 pairs, triplets and quadruplets at 1 Hz (Bi & Poo 1998, as fitted; Wang et al. 2005)

Every instance is one protocol, in turn. The quality is -((change - measured) / standard error)**2, with the relative
change of the weight; the ceiling is 0, so a score is 1 less a rule's chi squared over that of doing nothing. Mean
chi squared per protocol, with the constants as published and time constants of the set:

                                     visual_cortex    ..._trains    hippocampus
    frozen                           9.2              9.2           13.5
    pair_stdp                        10.0             12.4          16.2
    pair_stdp_multiplicative         8.5              10.3          7.8
    pair_stdp_mixed                  10.4             13.0          12.3
    triplet_stdp                     5.5              0.5           71
    triplet_stdp_full                6.2              0.3           76
    triplet_stdp_nearest             0.4              0.4                     spikes = "nearest", tau_post_slow = 40
    triplet_stdp_hippocampus         3.6              16            2.4       tau_post_slow = 40
    triplet_stdp_hippocampus_full    5.0              8.1           2.3

The sets for all spikes were fitted to trains, and do not hold for bursts, whose traces have no time to add up; that
of nearest spikes holds for both. No rule of pairs has depression at 20 Hz and strong potentiation at 50 Hz.
"""

from functools import partial
from typing import Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from pydantic import Field

from substrate.rule import ON_POST, ON_PRE
from substrate.simulate import NO_READING, Episode, Trace
from substrate.spiking.paired import TraceTimes, paired
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting

PRE, POST = 0, 1


class Protocol(NamedTuple):
    """Spikes of both neurons, and what they did to the synapse."""

    name: str
    spikes: tuple[tuple[float, int], ...]  # (time [ms], PRE or POST) of one repetition
    repetitions: int
    period: float  # time between repetitions [ms]
    measured: float  # relative change of strength
    error: float  # its standard error

    @property
    def events(self) -> list[tuple[float, int]]:
        """All spikes in order."""
        repeated = (
            (i * self.period + time, who)
            for i in range(self.repetitions)
            for time, who in self.spikes
        )
        return sorted(repeated)


def _pairs(delay: float, repetitions: int, period: float, figures: tuple[float, float]) -> Protocol:
    """Pairs with the postsynaptic spike `delay` after the presynaptic one, at a low frequency."""
    name = f"{delay:+g} ms, {1e3 / period:g} Hz"
    return Protocol(name, ((0.0, PRE), (delay, POST)), repetitions, period, *figures)


def _burst(delay: float, frequency: float, figures: tuple[float, float]) -> Protocol:
    """15 bursts of 5 pairs, every 10 s; at low frequencies 50 pairs."""
    if frequency < 1:
        return _pairs(delay, 50, 1e3 / frequency, figures)
    interval = 1e3 / frequency
    spikes = [
        (i * interval + shift, who) for i in range(5) for shift, who in ((0.0, PRE), (delay, POST))
    ]
    return Protocol(f"{delay:+g} ms, {frequency:g} Hz", tuple(spikes), 15, 1e4, *figures)


def _triplet(order: str, first: float, second: float, figures: tuple[float, float]) -> Protocol:
    """60 triplets at 1 Hz; for pre-post-pre, both delays are of the postsynaptic spike; for the other, to the pre."""
    if order == "pre-post-pre":
        spikes = ((-first, PRE), (0.0, POST), (-second, PRE))
    else:
        spikes = ((first, POST), (0.0, PRE), (second, POST))
    name = f"{order} ({first:g}, {second:g}) ms"
    return Protocol(name, spikes, 60, 1e3, *figures)


def _quadruplet(between: float, figures: tuple[float, float]) -> Protocol:
    """60 times a post-pre and a pre-post pair of 5 ms, their centres so far apart; negative: the other one first."""
    half = between / 2
    spikes = ((-half - 2.5, POST), (-half + 2.5, PRE), (half - 2.5, PRE), (half + 2.5, POST))
    return Protocol(f"quadruplet {between:g} ms", spikes, 60, 1e3, *figures)


#: Bi & Poo's window as fitted to 42 points, and the spread of the points about it.
def _window(delay: float) -> tuple[float, float]:
    if delay > 0:
        return 0.87 * float(np.exp(-delay / 14.5)), 0.25
    return -0.33 * float(np.exp(delay / 29.0)), 0.08


#: Changes and standard errors by frequency [Hz], with the postsynaptic spike 10 ms after the other, or before.
AFTER = {
    0.1: (-0.04, 0.05),
    10: (0.14, 0.10),
    20: (0.29, 0.14),
    40: (0.53, 0.11),
    50: (0.56, 0.26),
}
BEFORE = {
    0.1: (-0.29, 0.08),
    10: (-0.41, 0.11),
    20: (-0.34, 0.10),
    40: (0.56, 0.32),
    50: (0.75, 0.19),
}

PROTOCOLS: dict[str, tuple[Protocol, ...]] = {
    "visual_cortex": (
        *(_burst(10, f, figures) for f, figures in AFTER.items()),
        *(_burst(-10, f, figures) for f, figures in BEFORE.items()),
    ),
    "visual_cortex_trains": (
        *(_pairs(10, 60, 1e3 / f, figures) for f, figures in AFTER.items()),
        *(_pairs(-10, 60, 1e3 / f, figures) for f, figures in BEFORE.items()),
    ),
    "hippocampus": (
        *(_pairs(d, 60, 1e3, _window(d)) for d in (-40, -20, -15, -10, -5, 5, 10, 20, 40)),
        _triplet("pre-post-pre", 5, -5, (-0.01, 0.04)),
        _triplet("pre-post-pre", 10, -10, (0.03, 0.04)),
        _triplet("pre-post-pre", 15, -5, (0.01, 0.03)),
        _triplet("pre-post-pre", 5, -15, (0.24, 0.06)),
        _triplet("post-pre-post", -5, 5, (0.33, 0.04)),
        _triplet("post-pre-post", -10, 10, (0.34, 0.04)),
        _triplet("post-pre-post", -5, 15, (0.22, 0.08)),
        _triplet("post-pre-post", -15, 5, (0.29, 0.05)),
        _quadruplet(-88.5, (-0.003, 0.03)),
        _quadruplet(20.0, (0.21, 0.04)),
        _quadruplet(83.7, (0.06, 0.04)),
    ),
}
#: Time constants of the slow traces [ms], (pre, post), where none are given.
SLOW = {
    "visual_cortex": (101.0, 125.0),
    "visual_cortex_trains": (101.0, 125.0),
    "hippocampus": (946.0, 27.0),
}


class PairingOptions(Options):
    """What a user may change."""

    data: Literal["visual_cortex", "visual_cortex_trains", "hippocampus"] = Field(
        "visual_cortex", description="which experiments"
    )
    spikes: Literal["all", "nearest"] = Field(
        "all", description="spikes that traces remember: all of them, or the nearest"
    )
    tau_pre: float = Field(16.8, gt=0, le=1e4, description="fast presynaptic trace [ms]")
    tau_post: float = Field(33.7, gt=0, le=1e4, description="fast postsynaptic trace [ms]")
    tau_pre_slow: float | None = Field(
        None, gt=0, le=1e4, description="slow presynaptic trace [ms]; as published if not given"
    )
    tau_post_slow: float | None = Field(
        None, gt=0, le=1e4, description="slow postsynaptic trace [ms]; as published if not given"
    )
    rate: float = Field(1.0, gt=0, le=100, description="learning rate eta, relative to the weight")

    @property
    def times(self) -> TraceTimes:
        """Time constants of the traces."""
        pre, post = SLOW[self.data]
        return TraceTimes(
            self.tau_pre,
            self.tau_post,
            self.tau_pre_slow or pre,
            self.tau_post_slow or post,
            nearest=self.spikes == "nearest",
        )


def drive_of(events: list[tuple[float, int]], steps: int) -> dict[str, np.ndarray]:
    """The input of a network of pairs: (step, 1) each; steps after the last event do nothing."""
    times = np.array([time for time, _ in events])
    who = np.array([kind for _, kind in events])
    drive = {name: np.zeros((steps, 1)) for name in ("gap", "pre", "post")}
    drive["gap"][: len(events), 0] = np.diff(times, prepend=times[0])
    drive["pre"][: len(events), 0] = who == PRE
    drive["post"][: len(events), 0] = who == POST
    return drive


def sample(draw: Draw, options: PairingOptions) -> Instance:
    """One protocol; instances take them in turn. What differs between splits is the start weight, by a millionth."""
    protocols = PROTOCOLS[options.data]
    steps = max(len(p.events) for p in protocols)
    kind = draw.place % len(protocols)
    own = protocols[kind]
    w0 = 1.0 + 1e-6 * draw.rng.uniform(1, 10)
    target = {
        "kind": np.array(float(kind)),
        "w0": np.array(w0),
        "measured": np.array(own.measured),
        "error": np.array(own.error),
    }
    return Instance(drive_of(own.events, steps), np.array([[w0]]), target)


def score(episode: Episode, trace: Trace, options: PairingOptions) -> Outcome:
    """Quality and metrics, (K, P); each protocol has its own metric, the relative change."""
    target = episode.target
    change = trace.state.synapses.w[0, 0] / target["w0"] - 1.0
    away = (change - target["measured"]) / target["error"]
    quality = -away * away
    metrics = {
        p.name: jnp.where(target["kind"] == i, change, jnp.nan)
        for i, p in enumerate(PROTOCOLS[options.data])
    }
    return Outcome(quality, jnp.zeros_like(quality), {"chi_squared": -quality, **metrics})


def build(options: PairingOptions) -> tuple[Setting, ...]:
    """One setting."""
    return (
        Setting(
            name=options.data,
            network=paired(options.times),
            rate=options.rate,
            sample=partial(sample, options=options),
            reading=NO_READING,
            score=partial(score, options=options),
            bounded=True,
        ),
    )


FAMILY = Family(
    name="pairing",
    asks="a synapse: change as pairs and bursts of spikes change it",
    solved="chi squared per protocol of at most 1: within the standard errors",
    reference="Bi & Poo 1998; Sjoestroem et al. 2001; Wang et al. 2005; Pfister & Gerstner 2006",
    options=PairingOptions,
    build=build,
    rival="triplet_stdp",
    baselines=(
        "frozen",
        "pair_stdp",
        "pair_stdp_multiplicative",
        "pair_stdp_mixed",
        "pair_stdp_symmetric",
        "triplet_stdp",
        "triplet_stdp_full",
        "triplet_stdp_nearest",
        "triplet_stdp_hippocampus",
        "triplet_stdp_hippocampus_full",
    ),
    search={
        "genes": {
            "equations": (f"dw_{ON_PRE}", f"dw_{ON_POST}"),
            "terminals": ("pre_tr", "post_tr", "pre_slow", "post_slow", "w"),
            "evolved_constants": 4,
        },
        "instances": {"train": 20, "validation": 20, "test": 20},
    },
)
