"""The loop over steps: chunks, early stop, and readings. No other module runs this loop.

Every `CHUNK` steps the state is checked. In a lane that has diverged (see `alive_lanes`) the state is set to zero
after every chunk, and what is gathered there means nothing. The loop ends when all lanes have diverged. What all
lanes share, such as a clock (1, 1), is kept.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from substrate.compilation.dead_code import needed
from substrate.networks.base import Network
from substrate.plasticity import Plasticity
from substrate.synapses import alive_lanes, settled

CHUNK = 100


class Episode(NamedTuple):
    """One batch of task instances; every array ends in two lane axes, (instances, individuals or 1)."""

    drive: Any  # (step, pre, K, 1), the input of every step, or a tree of arrays that begin with the step
    w0: Any  # (post, pre, K, 1), or a tree of such arrays for several projections
    target: dict[str, Array]  # whatever the task's readings and scores need, each (..., K, 1)
    chip_keys: Any = None  # which chip each instance runs on, see `substrate/hardware`
    shared: Any = None  # arrays (..., K, 1) that every step may read whole, see `whole_drive`


#: (first step, number of steps) -> drive of these steps
Window = Callable[[Array, int], Any]


class Step(NamedTuple):
    """One step, as readings get it."""

    drive: Any  # (pre, K, P or 1), or a tree
    before: Any  # the network's state
    after: Any
    rate: Array  # (K or 1, P)


class Reading(NamedTuple):
    """What is gathered while a network learns."""

    start: Callable[[Episode, Any], Any]  # (episode, state) -> gathered
    update: Callable[[Any, Episode, Step], Any]  # (gathered, episode, step) -> gathered


#: Gathers nothing: for scores that look at the final state alone.
NO_READING = Reading(lambda episode, state: (), lambda gathered, episode, step: ())


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
    chunks: Array | None = None,
    window: Window | None = None,
    use: Callable[[Trace], Any] | None = None,
) -> Trace:
    """Let `individuals` rules learn on an episode.

    Parameters
    ----------
    rate
        Learning rate, broadcastable to (K, P).
    individuals
        Lanes P; a lowered rule has one.
    chunks
        Run only so many times `CHUNK` steps, all if not given. Of a run that is cut short only `alive` is of use.
    window
        Where the drive comes from, if not from the episode; of the episode's drive only the shape is used then.
    use
        What is computed from the trace. What it does not depend on is not gathered, and is zero. By default all is
        gathered.

    >>> import jax.numpy as jnp
    >>> from evolve import RULES, Episode, lower, simulate
    >>> from substrate.networks.feedforward import feedforward
    >>> from substrate.simulate import NO_READING
    >>> episode = Episode(drive=jnp.ones((300, 1, 1, 1)), w0=jnp.full((1, 1, 1, 1), 0.1), target={})
    >>> rate = jnp.full((1, 1), 0.1)
    >>> trace = simulate(feedforward(), lower(RULES["oja"]), episode, rate, NO_READING, individuals=1)
    >>> round(float(trace.state.w[0, 0, 0, 0]), 3), bool(trace.alive[0, 0])
    (1.0, True)
    """
    w0 = jax.tree.map(lambda w: jnp.broadcast_to(w, (*w.shape[:-1], individuals)), episode.w0)
    state = network.init(plasticity, w0)
    steps = length(episode)
    window = window or partial(cut, episode.drive)
    whole_of = whole_drive(network, episode)
    rate = jnp.broadcast_to(rate, (rate.shape[0], individuals))

    gathered, alive = reading.start(episode, state), jnp.ones_like(alive_lanes(state))
    drive = jax.tree.map(lambda a: a[0], window(jnp.int32(0), 1))
    pick, whole = needed(
        gathered,
        lambda g: reading.update(g, episode, Step(drive, state, state, rate)),
        lambda g: use(Trace(settled(state), g, alive)) if use else g,
    )
    gathered = pick(gathered)

    def step(carry: tuple[Any, Any], drive: Any) -> tuple[tuple[Any, Any], None]:
        before, gathered = carry
        after, _ = network.step(plasticity, before, whole_of(drive), rate)
        read = reading.update(whole(gathered), episode, Step(drive, before, after, rate))
        return (after, pick(read)), None

    def learn(carry: tuple[Any, Any, Array], drive: Any) -> tuple[Any, Any, Array]:
        state, gathered, alive = carry
        (state, gathered), _ = lax.scan(step, (state, gathered), drive)
        alive &= alive_lanes(state)

        def kept(a: Array) -> Array:
            shared = a.shape[-2:] != alive.shape
            return a if shared else jnp.where(alive, a, jnp.zeros_like(a))

        return jax.tree.map(kept, state), gathered, alive

    def chunk(carry: tuple[Array, Any, Any, Array]) -> tuple[Array, Any, Any, Array]:
        index, *rest = carry
        return (index + 1, *learn(tuple(rest), window(index * CHUNK, CHUNK)))

    def unfinished(carry: tuple[Array, Any, Any, Array]) -> Array:
        return (carry[0] < last) & jnp.any(carry[3])

    last = steps // CHUNK if chunks is None else jnp.minimum(steps // CHUNK, chunks)
    if steps >= CHUNK:
        carry = (jnp.int32(0), state, gathered, alive)
        _, state, gathered, alive = lax.while_loop(unfinished, chunk, carry)
    if steps % CHUNK:
        rest = window(jnp.int32(steps - steps % CHUNK), steps % CHUNK)
        state, gathered, alive = learn((state, gathered, alive), rest)
    return Trace(settled(state), whole(gathered), alive)


def whole_drive(network: Network, episode: Episode) -> Callable[[Any], Any]:
    """What turns the drive of a step into what the network gets: with what all steps share, if there is any.

    That comes under the name `shared`, in the form that the network's `prepare` gives it, once.
    """
    if episode.shared is None:
        return lambda drive: drive
    prepared = network.prepare(episode.shared)
    return lambda drive: {**drive, "shared": prepared}


def cut(drive: Any, start: Array, steps: int) -> Any:
    """So many steps of a drive."""
    return jax.tree.map(lambda a: lax.dynamic_slice_in_dim(a, start, steps), drive)


def length(episode: Episode) -> int:
    """Number of steps."""
    return int(jax.tree.leaves(episode.drive)[0].shape[0])


def merge_lanes(tree: Any, individuals: int) -> Any:
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
