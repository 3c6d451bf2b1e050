"""Pattern separation: overlapping patterns must get different codes, in a layer with feedback inhibition.

    y_i = max(sum_j w_ij x_j - g sum_k y_k, 0)        0 <= w <= 1

Each instance draws patterns of 0 and 1 that share many active lines and differ widely in their number (a wide dynamic
range, where the lines of one pattern may all be active in another). They are presented in random order with noise.
Then the weights are kept fixed and every pattern is presented several times more:

    quality = mean cosine of the outputs to two presentations of one pattern
            - mean cosine of the outputs to two different patterns

The first term asks for a reliable code, the second for separate ones. A cosine ignores amplitude, so a larger gain
wins nothing; a silent pattern counts as unreliable and as the same as all others. The ceiling is 1.
"""

from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from substrate.networks.feedback_inhibition import feedback_inhibited, inhibited
from substrate.simulate import NO_READING, Episode, Trace
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting, View, Views, plain


class PatternSeparationOptions(Options):
    """What a user may change."""

    inputs: int = Field(20, ge=4, le=500, description="input lines")
    outputs: int = Field(12, ge=2, le=500, description="neurons of the layer")
    patterns: int = Field(6, ge=2, le=200, description="patterns to tell apart")
    active: tuple[float, float] = Field(
        (0.2, 0.6), description="least and greatest share of active lines in a pattern"
    )
    shared: float = Field(
        0.6,
        ge=0,
        lt=1,
        description="share of the variance that decides on lines common to patterns",
    )
    noise: float = Field(0.05, ge=0, le=0.5, description="probability that a line flips when shown")
    samples: int = Field(300, ge=10, le=100_000, description="showings while learning")
    showings: int = Field(4, ge=2, le=100, description="showings of each pattern afterwards")
    inhibition: float = Field(5.0, ge=0, le=1000, description="strength g of feedback inhibition")
    rate: float = Field(0.15, gt=0, le=1, description="learning rate eta")


def overlapping(rng: np.random.Generator, options: PatternSeparationOptions) -> np.ndarray:
    """Draw patterns (pattern, line): 1 at the lines at which a common field plus the pattern's field is largest."""
    count, n = options.patterns, options.inputs
    common, own = rng.normal(size=n), rng.normal(size=(count, n))
    field = np.sqrt(options.shared) * common + np.sqrt(1 - options.shared) * own
    sizes = np.linspace(*options.active, count) * n
    rank = np.argsort(np.argsort(-field, axis=1), axis=1)
    return (rank < np.maximum(np.round(sizes), 1)[:, None]).astype(float)


def noisy(rng: np.random.Generator, patterns: np.ndarray, noise: float) -> np.ndarray:
    """Flip lines at random."""
    return np.where(rng.random(patterns.shape) < noise, 1 - patterns, patterns)


def sample(draw: Draw, options: PatternSeparationOptions) -> Instance:
    """Draw patterns, noisy presentations to learn from and to be scored on, and start weights."""
    rng = draw.rng
    patterns = overlapping(rng, options)
    order = rng.integers(options.patterns, size=options.samples)
    drive = noisy(rng, patterns[order], options.noise)
    w0 = rng.uniform(0.0, 1.0, (options.outputs, options.inputs))
    again = noisy(rng, np.repeat(patterns[None], options.showings, axis=0), options.noise)
    return Instance(drive, w0, {"again": again})


def cosines(y: Array) -> tuple[Array, Array]:
    """Mean cosine within and between patterns, (K, P) each, of outputs (presentation, pattern, unit, K, P)."""
    length = jnp.sqrt(jnp.sum(y * y, axis=2, keepdims=True))
    heard = (length > 1e-9).astype(y.dtype)
    unit = y / jnp.maximum(length, 1e-9)
    silent = 1.0 - heard[:, :, 0]
    showings, patterns = y.shape[:2]
    # Sums over pairs are squares of sums, less the pairs of a showing with itself.
    own = jnp.sum(jnp.sum(unit, axis=0) ** 2, axis=1)  # (pattern, K, P)
    within = (jnp.sum(own, axis=0) - jnp.sum(heard[:, :, 0], axis=(0, 1))) / (
        patterns * showings * (showings - 1)
    )
    everything = jnp.sum(jnp.sum(unit, axis=(0, 1)) ** 2, axis=0)
    pairs = patterns * (patterns - 1) * showings**2
    # A pair with a silent member has cosine 0 and counts 1.
    total = jnp.sum(silent, axis=(0, 1))
    own_silent = jnp.sum(silent, axis=0)
    speaking = patterns * showings - total
    both = speaking**2 - jnp.sum((showings - own_silent) ** 2, axis=0)
    return within, (everything - jnp.sum(own, axis=0) + pairs - both) / pairs


def score(episode: Episode, trace: Trace, options: Any) -> Outcome:
    """Quality and metrics, (K, P), as the module's docstring defines them."""
    w, again = trace.state.w, episode.target["again"]
    again = jnp.broadcast_to(again, (*again.shape[:-2], *w.shape[-2:]))
    y = inhibited(jnp.einsum("oikp,smikp->smokp", w, again), options.inhibition)
    within, between = cosines(y)
    active = (y > 1e-9).astype(y.dtype)
    metrics = {
        "reliability": within,
        "similarity": between,
        "sparsity": jnp.mean(jnp.sum(active, axis=2), axis=(0, 1)),
        "units_used": jnp.mean(jnp.max(active, axis=(0, 1)), axis=0),
    }
    return Outcome(within - between, jnp.ones_like(within), metrics)


def show(episode: Episode, trace: Trace, options: Any) -> dict[str, View]:
    """The codes of all patterns, each presented once, and the weights."""
    w, again = trace.state.w, episode.target["again"][0]
    y = inhibited(jnp.einsum("oikp,mikp->mokp", w, again), options.inhibition)
    return {
        "similarity": View("similarity", plain(y)),
        "weights": View("weights", plain(w)),
    }


def build(options: PatternSeparationOptions) -> tuple[Setting, ...]:
    """One setting."""
    name = f"{options.patterns} patterns"
    network = feedback_inhibited(options.inhibition)
    draw, value = partial(sample, options=options), partial(score, options=options)
    views = Views(partial(show, options=options))
    return (Setting(name, network, options.rate, draw, NO_READING, value, views=views),)


FAMILY = Family(
    name="pattern_separation",
    asks="a layer with inhibition: distinct codes for like patterns",
    solved="test score above Hebb's, and at least that of the best known rule",
    reference="Marr 1969, J. Physiol. 202:437-470; Rumelhart & Zipser 1985, Cogn. Sci. 9:75-112",
    options=PatternSeparationOptions,
    build=build,
    rival="instar",
)
