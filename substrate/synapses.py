"""One plastic projection at run time: its weights, its slow variables, and how a rule moves them.

Every network changes its weights here and nowhere else, so that hardware (the format of weights, the schedule of
updates) is the same for all networks.
"""

from collections import ChainMap
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from substrate.plasticity import Observed, Plasticity
from substrate.rule import FORWARD

#: A lane whose weights are beyond this has diverged.
LIMIT = 1e3


class Synapses(NamedTuple):
    """The state of a projection. K instances, P individuals."""

    w: Array  # (post, pre, K, P)
    slow: Mapping[str, Array]  # each broadcasts to w, or with batches to (post, pre, batch, K, P)
    chip: Mapping[str, Array] | None = None  # the state of a chip, each (..., K, P)


def start(
    plasticity: Plasticity, w0: Array, batch: int | None = None, projection: str = FORWARD
) -> Synapses:
    """Synapses before learning.

    Parameters
    ----------
    w0
        Weights (post, pre, K, P).
    batch
        Samples of a step, each with its own slow variables; observables then have the shape (post, pre, batch, K, P).
    projection
        Which projection this is; on a chip, each has its own errors.
    """
    model = w0 if batch is None else jnp.broadcast_to(w0[:, :, None], _wide(w0, batch))
    new = Synapses(w0, {name: slow.start(model) for name, slow in plasticity.slow.items()})
    return new if plasticity.chip is None else plasticity.chip.start(new, plasticity, projection)


def speed_factors(plasticity: Plasticity, count: int, name: str) -> Array | None:
    """Factors (count, K, 1 or P) on how fast neurons move, where a chip's time constants differ.

    Parameters
    ----------
    name
        Which population this is; each has its own factors.
    """
    return None if plasticity.chip is None else plasticity.chip.speed_factors(count, name)


def _wide(w: Array, batch: int) -> tuple[int, ...]:
    return (*w.shape[:2], batch, *w.shape[2:])


def learn(
    synapses: Synapses,
    plasticity: Plasticity,
    observed: Observed,
    rate: Array,
    projection: str = FORWARD,
) -> Synapses:
    """Change the weights, w += rate * dw, and move the slow variables, all read before any of them moves.

    Parameters
    ----------
    observed
        What the synapses observe, each broadcasting to the weights; with a batch axis before the lanes, the weights
        move by the mean over the batch.
    rate
        Learning rate, broadcasting to the lanes (K, P).
    """
    if plasticity.chip is not None:
        return plasticity.chip.learn(synapses, plasticity, observed, rate, projection)
    observed = ChainMap(synapses.slow, observed)  # type: ignore[arg-type]
    slow = {
        name: jnp.broadcast_to(
            synapses.slow[name] + update.change(observed), synapses.slow[name].shape
        )
        for name, update in plasticity.slow.items()
    }
    change = plasticity.dw[projection](observed)
    if change.ndim > synapses.w.ndim:
        change = jnp.mean(change, axis=2)
    return Synapses(synapses.w + rate * change, slow)


def alive_lanes(state: object) -> Array:
    """Which lanes (K, P) are finite, weights within `LIMIT`: of any tree of synapses and arrays (..., K, P)."""

    def within(array: Array, limit: float) -> Array:
        return jnp.all(jnp.abs(array) < limit, axis=tuple(range(array.ndim - 2)))

    lanes = []
    for part in jax.tree.leaves(state, is_leaf=lambda part: isinstance(part, Synapses)):
        if isinstance(part, Synapses):
            lanes += [within(part.w, LIMIT), *(within(s, jnp.inf) for s in part.slow.values())]
        else:
            lanes.append(within(part, jnp.inf))
    alive = lanes[0]
    for lane in lanes[1:]:
        alive &= lane
    return alive


def settled(state: Any) -> Any:
    """The state at the end: changes that a chip postponed and never made are not in its weights."""

    def one(part: Any) -> Any:
        postponed = isinstance(part, Synapses) and part.chip is not None and "settled" in part.chip
        return part._replace(w=part.chip["settled"]) if postponed else part

    return jax.tree.map(one, state, is_leaf=lambda part: isinstance(part, Synapses))
