"""Readings and scores of one neuron that should find a principal component.

    |cos_t| = |w(t) . c| / |w(t)|

with c the component of unit length. The quality of an instance is one of

    angle     mean over t of |cos_t|                 - alpha | |w(T)| - 1 |**p
    final     |cos_T|                                - alpha | |w(T)| - 1 |**p
    variance  variance of y on held-out samples      - alpha | |w(T)| - 1 |**p

(Mettler et al. 2021; development code, p = 2, alpha = n times the largest variance). Averaging over time rewards
speed, so the gain is reported apart: the regression of the rule's weight changes on those of Oja's rule.
"""

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from substrate.simulate import Episode, Reading, Step, Trace
from substrate.synapses import Synapses
from tasks.base import Outcome

#: What is taken for the quality of an instance; an option of families.
Quality = Literal["angle", "final", "variance"]
QUALITY: Quality = Field(
    "angle",
    description="quality: angle, the mean over time of |cos| between weights and component; final, |cos| at the end; "
    "variance, that of the output on held-out samples",
)

#: A neuron has found the component when its angle to it is below this.
FOUND = float(np.cos(np.deg2rad(15.0)))


class Gathered(NamedTuple):
    """Sums over steps, each (K, P)."""

    cosine: Array
    searching: Array  # steps before the angle was first below 15 degrees
    found: Array
    along: Array  # sum of dw . dw_oja
    oja: Array  # sum of dw_oja . dw_oja


def project(w: Array, vector: Array) -> Array:
    """Scalar products of the weights (1, n, K, P) with vectors (n, K, 1 or P)."""
    return jnp.sum(w[0] * vector, axis=0)


def cosine(w: Array, component: Array) -> Array:
    """|cos| between weights and the component; 0 where the weights vanish."""
    square = jnp.sum(w[0] * w[0], axis=0)
    return jnp.abs(project(w, component)) / jnp.sqrt(jnp.maximum(square, 1e-30))


def _start(episode: Episode, state: Synapses) -> Gathered:
    zero = jnp.zeros(state.w.shape[2:], jnp.float32)
    return Gathered(zero, zero, zero, zero, zero)


def _update(gathered: Gathered, episode: Episode, step: Step) -> Gathered:
    now = cosine(step.after.w, episode.target["component"])
    found = jnp.maximum(gathered.found, (now > FOUND).astype(jnp.float32))
    w = step.before.w
    y = project(w, step.drive)
    oja = step.rate[None] * (y * (step.drive - y * w[0]))
    change = step.after.w[0] - w[0]
    return Gathered(
        gathered.cosine + now,
        gathered.searching + 1.0 - found,
        found,
        gathered.along + jnp.sum(change * oja, axis=0),
        gathered.oja + jnp.sum(oja * oja, axis=0),
    )


READING = Reading(_start, _update)


def outcome(
    episode: Episode, trace: Trace, mode: Quality, alpha: float, exponent: float
) -> Outcome:
    """The outcome of all lanes, by one of the qualities of this module's docstring."""
    steps = episode.drive.shape[0]
    w, gathered = trace.state.w, trace.gathered
    end = cosine(w, episode.target["component"])
    off = jnp.abs(jnp.sqrt(jnp.sum(w[0] * w[0], axis=0)) - 1.0)
    qualities: dict[str, Any] = {
        "angle": lambda: (gathered.cosine / steps, jnp.ones_like(end)),
        "final": lambda: (end, jnp.ones_like(end)),
        "variance": lambda: _variance(w, episode),
    }
    quality, ceiling = qualities[mode]()
    metrics = {
        "cos_end": end,
        "norm_error": off,
        "samples_to_15deg": jnp.where(gathered.found > 0, gathered.searching, jnp.inf),
        "gain": gathered.along / jnp.maximum(gathered.oja, 1e-30),
    }
    return Outcome(quality - alpha * off**exponent, ceiling, metrics)


def _variance(w: Array, episode: Episode) -> tuple[Array, Array]:
    """Variance of the output on the held-out samples, and that of the true component."""
    held_out = episode.target["held_out"]  # (sample, n, K, 1 or P)
    y = jnp.sum(held_out * w, axis=1)
    best = jnp.sum(held_out * episode.target["component"], axis=1)
    return jnp.var(y, axis=0), jnp.broadcast_to(jnp.var(best, axis=0), y.shape[1:])
