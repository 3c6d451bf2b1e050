"""Associative memory: store patterns in the weights, and recall each from a damaged cue.

    learning   w_ij <- w_ij + eta dw_ij, every pattern clamped `repeats` times, in random order
    recall     signs:  s_i <- sign(sum_j w_ij s_j), one unit after another, from a cue with flipped signs
               sparse: the `active` units with the largest sum_j w_ij s_j win, all at once

The quality is the share of patterns that are recalled with an overlap of at least `overlap` (correlation of sparse
patterns): the capacity at a given error. Loads are patterns per unit, and each is a setting. The ceiling is 1.
"""

from functools import partial
from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from substrate.networks.clamped import clamped
from substrate.simulate import NO_READING, Episode, Trace
from tasks import _recall
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting, View, Views, plain

Load = Annotated[float, Field(gt=0, le=10)]


class AssociativeMemoryOptions(Options):
    """What a user may change."""

    units: int = Field(50, ge=10, le=2000, description="units N of the memory")
    loads: tuple[Load, ...] = Field(
        (0.1, 0.2, 0.3, 0.4), min_length=1, description="patterns per unit, a setting each"
    )
    code: Literal["signs", "sparse"] = Field(
        "signs", description="patterns of +1 and -1, or of 1 and 0"
    )
    association: Literal["auto", "hetero"] = Field(
        "auto", description="recall the pattern itself, or a partner in other units"
    )
    active: int = Field(6, ge=1, description="units that are 1 in a sparse pattern")
    damage: float = Field(
        0.1, ge=0, le=0.5, description="share of signs flipped, or of active units lost, in a cue"
    )
    overlap: float = Field(0.95, gt=0, le=1, description="least overlap of a recalled pattern")
    repeats: int = Field(1, ge=1, le=1000, description="how often each pattern is shown")
    sweeps: int = Field(5, ge=1, le=100, description="updates of every unit in recall")
    noise: float = Field(0.0, ge=0, le=10, description="spread of the start weights, times 1/N")
    rate: float | None = Field(None, gt=0, le=10, description="learning rate eta; 1/N if not given")


def pattern(rng: np.random.Generator, options: AssociativeMemoryOptions) -> np.ndarray:
    """Draw one pattern (unit,)."""
    if options.code == "signs":
        return rng.choice([-1.0, 1.0], options.units)
    chosen = rng.permutation(options.units) < options.active
    return chosen.astype(float)


def damaged(
    rng: np.random.Generator, whole: np.ndarray, options: AssociativeMemoryOptions
) -> np.ndarray:
    """Flip signs, or silence active units."""
    where = np.arange(options.units) if options.code == "signs" else np.flatnonzero(whole)
    lost = rng.choice(where, round(options.damage * len(where)), replace=False)
    cue = whole.copy()
    cue[lost] *= -1.0 if options.code == "signs" else 0.0
    return cue


def sample(draw: Draw, load: float, options: AssociativeMemoryOptions) -> Instance:
    """Draw patterns, their partners and their cues."""
    rng, count = draw.rng, max(1, round(load * options.units))
    keys = np.stack([pattern(rng, options) for _ in range(count)])
    values = keys
    if options.association == "hetero":
        values = np.stack([pattern(rng, options) for _ in range(count)])
    order = np.concatenate([rng.permutation(count) for _ in range(options.repeats)])
    cues = np.stack([damaged(rng, key, options) for key in keys])
    w0 = options.noise / options.units * rng.normal(size=(options.units, options.units))
    if options.association == "auto":
        np.fill_diagonal(w0, 0.0)
    drive = {"pre": keys[order], "post": values[order]}
    return Instance(drive, w0, {"cue": cues, "pattern": values})


def recall(
    w: Array, cues: Array, patterns: Array, options: AssociativeMemoryOptions
) -> tuple[Array, Array]:
    """What is recalled from cues (pattern, unit, K, P), and how well it matches (pattern, K, P)."""
    if options.code == "sparse":
        sweeps = options.sweeps if options.association == "auto" else 1
        found = _recall.take_turns(w, cues, options.active, sweeps)
        return found, _recall.correlation(found, patterns)
    if options.association == "auto":
        found = _recall.relax(w, cues, options.sweeps)
    else:
        found = jnp.sign(_recall.through(w, cues))
    return found, _recall.overlap(found, patterns)


def score(episode: Episode, trace: Trace, options: AssociativeMemoryOptions) -> Outcome:
    """Quality and metrics, (K, P), as the module's docstring defines them."""
    w, target = trace.state.w, episode.target
    _, match = recall(w, target["cue"], target["pattern"], options)
    recalled = jnp.mean((match >= options.overlap).astype(w.dtype), axis=0)
    metrics = {
        "overlap": jnp.mean(match, axis=0),
        "recalled_per_unit": recalled * (match.shape[0] / options.units),
    }
    return Outcome(recalled, jnp.ones_like(recalled), metrics)


def show(episode: Episode, trace: Trace, options: AssociativeMemoryOptions) -> dict[str, View]:
    """Errors of the cues and of what is recalled from them, +1 too much and -1 too little; and the weights."""
    w, target = trace.state.w, episode.target
    found, _ = recall(w, target["cue"], target["pattern"], options)
    whole, step = plain(target["pattern"]), 2.0 if options.code == "signs" else 1.0
    wrong, damage = ((plain(a) - whole) / step for a in (found, target["cue"]))
    labels = ("pattern; white is right", "unit")
    auto = options.association == "auto"
    model = damage if auto else np.zeros_like(whole)
    return {
        "recall": View("replay", wrong, model, "cue" if auto else "without error", axes=labels),
        "weights": View("weights", plain(w)),
    }


def build(options: AssociativeMemoryOptions) -> tuple[Setting, ...]:
    """One setting per load."""
    network = clamped(recurrent=options.association == "auto")
    rate = 1.0 / options.units if options.rate is None else options.rate

    def setting(load: float) -> Setting:
        draw, value = partial(sample, load=load, options=options), partial(score, options=options)
        views = Views(partial(show, options=options))
        return Setting(f"load={load:g}", network, rate, draw, NO_READING, value, views=views)

    return tuple(setting(load) for load in options.loads)


FAMILY = Family(
    name="associative_memory",
    asks="clamped units: recall patterns from damaged cues",
    solved="test score above Hopfield's; Storkey's for local rules that see net inputs",
    reference="Hopfield 1982, PNAS 79:2554-2558; Willshaw, Buneman & Longuet-Higgins 1969, Nature 222:960-962; "
    "Storkey 1997, ICANN, LNCS 1327:451-456",
    options=AssociativeMemoryOptions,
    build=build,
    rival="hopfield",
    search={"genes": {"terminals": ("pre", "post", "w", "u", "u_pre")}},
)
