"""The loop over steps: chunks, early stop, and what is read along the way. Owned by nobody else.

Every `CHUNK` steps the state is checked. A lane whose weights are beyond `LIMIT`, or anything not finite, is dead:
its state is set to zero after every chunk, what is gathered on it means nothing, and once all lanes are dead the
loop ends.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from substrate.network import Network
from substrate.plasticity import Plasticity

CHUNK = 100
LIMIT = 1e3


class Episode(NamedTuple):
    """One batch of task instances; every array ends in two lane axes, (instances, individuals or 1)."""

    drive: Array  # (step, pre, K, 1), the input of every step
    w0: Array  # (post, pre, K, 1)
    target: dict[str, Array]  # whatever the task's readings and scores need, each (..., K, 1)


class Step(NamedTuple):
    """One step as a reader sees it."""

    drive: Array  # (pre, K, P or 1)
    before: Any  # the network's state
    after: Any
    rate: Array  # (K or 1, P)


class Reading(NamedTuple):
    """What is gathered while a network learns; what nobody uses afterwards costs nothing."""

    start: Callable[[Episode, Any], Any]  # (episode, state) -> gathered
    update: Callable[[Any, Episode, Step], Any]  # (gathered, episode, step) -> gathered


class Trace(NamedTuple):
    """What is left after learning."""

    state: Any
    gathered: Any
    alive: Array  # (K, P), False where the weights diverged


def simulate(
    network: Network,
    plasticity: Plasticity,
    episode: Episode,
    rate: Array,
    reading: Reading,
    individuals: int,
) -> Trace:
    """Let `individuals` rules learn on an episode.

    Parameters
    ----------
    rate
        Learning rate, broadcastable to (K, P).
    individuals
        Lanes P; a lowered rule has one.
    """
    shape = (*episode.w0.shape[:-1], individuals)
    state = network.init(plasticity, jnp.broadcast_to(episode.w0, shape))
    steps = episode.drive.shape[0]
    rate = jnp.broadcast_to(rate, (rate.shape[0], individuals))

    def step(carry: tuple[Any, Any], drive: Array) -> tuple[tuple[Any, Any], None]:
        before, gathered = carry
        after, _ = network.step(plasticity, before, drive, rate)
        return (after, reading.update(gathered, episode, Step(drive, before, after, rate))), None

    def learn(carry: tuple[Any, Any, Array], drive: Array) -> tuple[Any, Any, Array]:
        state, gathered, alive = carry
        (state, gathered), _ = lax.scan(step, (state, gathered), drive)
        alive &= jnp.all(jnp.abs(state.w) < LIMIT, axis=(0, 1))
        for slow in state.slow.values():
            alive &= jnp.all(jnp.isfinite(slow), axis=(0, 1))
        return jax.tree.map(lambda a: jnp.where(alive, a, 0.0), state), gathered, alive

    def chunk(carry: tuple[Array, Any, Any, Array]) -> tuple[Array, Any, Any, Array]:
        index, *rest = carry
        drive = lax.dynamic_slice_in_dim(episode.drive, index * CHUNK, CHUNK)
        return (index + 1, *learn(tuple(rest), drive))

    def unfinished(carry: tuple[Array, Any, Any, Array]) -> Array:
        return (carry[0] < steps // CHUNK) & jnp.any(carry[3])

    gathered, alive = reading.start(episode, state), jnp.ones(shape[2:], bool)
    if steps >= CHUNK:
        carry = (jnp.int32(0), state, gathered, alive)
        _, state, gathered, alive = lax.while_loop(unfinished, chunk, carry)
    if steps % CHUNK:
        state, gathered, alive = learn((state, gathered, alive), episode.drive[-(steps % CHUNK) :])
    return Trace(state, gathered, alive)


def fold(tree: Any, individuals: int) -> Any:
    """Merge the lane axes (K, 1 or P) of every array into (1, K P): one long lane axis vectorises best."""

    def one(a: Array) -> Array:
        *front, instances, _ = a.shape
        wide = jnp.broadcast_to(a, (*front, instances, individuals))
        return wide.reshape(*front, 1, instances * individuals)

    return jax.tree.map(one, tree)


def trajectory(
    network: Network, plasticity: Plasticity, episode: Episode, rate: Array, every: int = 1
) -> Array:
    """Weights after every `every`-th step, (step, post, pre, K, P), for pictures and for comparing exports."""
    w0 = jnp.broadcast_to(episode.w0, (*episode.w0.shape[:-1], rate.shape[-1]))
    state = network.init(plasticity, w0)

    def step(state: Any, drive: Array) -> tuple[Any, Array]:
        state, _ = network.step(plasticity, state, drive, rate)
        return state, state.w

    _, weights = lax.scan(step, state, episode.drive)
    return jnp.concatenate([w0[None], weights])[::every]
