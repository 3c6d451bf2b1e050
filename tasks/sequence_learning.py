"""Sequence learning: a recurrent network learns a chain of patterns and must replay it from the first.

    learning   patterns xi(1), ..., xi(L) clamped one after another, `repeats` times; xi(t-1) arrives with xi(t)
    replay     y(1) = xi(1), y(t+1) = the `active` units with the largest sum_j w_ij y_j(t), nothing learning

Units take part in unequal numbers of patterns (`spread`): units that are often active win every competition unless
the rule compensates for it. The quality of an instance is the mean over t > 1 of the correlation of y(t) with xi(t);
an error in one pattern spoils all later ones. Every length is a setting, so results show how long a chain can be.
Only the order of the net inputs matters in replay, so a larger gain wins nothing. The ceiling is the whole chain.
"""

from functools import partial
from typing import Annotated

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from pydantic import Field

from substrate.networks.clamped import clamped
from substrate.simulate import NO_READING, Episode, Trace
from tasks._recall import correlation, through, winners
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting, View, Views, plain

Length = Annotated[int, Field(ge=2, le=10_000)]


class SequenceLearningOptions(Options):
    """What a user may change."""

    units: int = Field(20, ge=5, le=2000, description="units of the net")
    active: int = Field(4, ge=1, le=500, description="units that are 1 in a pattern, the others 0")
    lengths: tuple[Length, ...] = Field(
        (6, 12), min_length=1, description="patterns L in the chain, a setting each"
    )
    repeats: int = Field(5, ge=1, le=1000, description="how often the chain is shown")
    spread: float = Field(
        0.7,
        ge=0,
        le=5,
        description="how unequally units take part: spread of the log of their odds",
    )
    noise: float = Field(0.0, ge=0, le=0.5, description="probability that a unit flips when shown")
    rate: float = Field(0.2, gt=0, le=1, description="learning rate eta")


def chain(rng: np.random.Generator, length: int, options: SequenceLearningOptions) -> np.ndarray:
    """Draw patterns (t, unit) of `active` ones; units with large odds are in many of them."""
    odds = options.spread * rng.normal(size=options.units)
    # Ordering by log odds plus Gumbel noise draws without replacement in proportion to the odds.
    rank = np.argsort(
        np.argsort(-(odds + rng.gumbel(size=(length, options.units))), axis=1), axis=1
    )
    return (rank < options.active).astype(float)


def sample(draw: Draw, length: int, options: SequenceLearningOptions) -> Instance:
    """Draw a chain, and start weights that are small but not all the same."""
    rng = draw.rng
    whole = chain(rng, length, options)
    shown = np.tile(whole, (options.repeats, 1))
    shown = np.where(rng.random(shown.shape) < options.noise, 1 - shown, shown)
    before = np.roll(shown, 1, axis=0)
    before[::length] = 0.0
    w0 = 0.01 * rng.normal(size=(options.units, options.units))
    np.fill_diagonal(w0, 0.0)
    return Instance({"pre": shown, "post": shown, "delayed": before}, w0, {"chain": whole})


def replay(w: Array, first: Array, length: int, active: int) -> Array:
    """Patterns y(2) ... y(length), (t, unit, K, P), replayed from the first (unit, K, 1)."""

    def step(y: Array, _: None) -> tuple[Array, Array]:
        y = winners(through(w, y[None])[0], active)
        return y, y

    start = jnp.broadcast_to(first, (*first.shape[:-2], *w.shape[-2:]))
    return lax.scan(step, start, None, length - 1)[1]


def score(episode: Episode, trace: Trace, options: SequenceLearningOptions) -> Outcome:
    """Quality and metrics, (K, P), as the module's docstring defines them."""
    whole, w = episode.target["chain"], trace.state.w
    played = replay(w, whole[0], whole.shape[0], options.active)
    match = correlation(played, whole[1:])
    quality = jnp.mean(match, axis=0)
    unbroken = jnp.mean(jnp.cumprod((match > 0.9).astype(w.dtype), axis=0), axis=0)
    return Outcome(quality, jnp.ones_like(quality), {"unbroken": unbroken})


def show(episode: Episode, trace: Trace, options: SequenceLearningOptions) -> dict[str, View]:
    """The chain, its replay, and the weights."""
    whole, w = episode.target["chain"], trace.state.w
    played = jnp.concatenate([whole[:1], replay(w, whole[0], whole.shape[0], options.active)])
    return {
        "replay": View("replay", plain(played), plain(whole), axes=("pattern", "unit")),
        "weights": View("weights", plain(w)),
    }


def build(options: SequenceLearningOptions) -> tuple[Setting, ...]:
    """One setting per length."""
    network = clamped(recurrent=True, delayed=True)

    def setting(length: int) -> Setting:
        draw = partial(sample, length=length, options=options)
        value = partial(score, options=options)
        views = Views(partial(show, options=options))
        name = f"length={length}"
        return Setting(name, network, options.rate, draw, NO_READING, value, views=views)

    return tuple(setting(length) for length in options.lengths)


FAMILY = Family(
    name="sequence_learning",
    asks="a recurrent net: learn a chain of patterns and replay it",
    solved="test score above asymmetric Hebb's, and at least that of the best known rule",
    reference="Amari 1972, IEEE Trans. Comput. 21:1197-1206; "
    "Sompolinsky & Kanter 1986, Phys. Rev. Lett. 57:2861-2864",
    options=SequenceLearningOptions,
    build=build,
    rival="asymmetric_hebb",
    search={"genes": {"terminals": ("pre", "pre_delayed", "post", "w", "u")}},
)
