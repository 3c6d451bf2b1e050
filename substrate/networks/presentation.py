"""A network whose step is a whole presentation: many steps of another network on one entry of the input.

Long episodes take little memory this way: what is presented is kept as notes or times of spikes, and expanded to an
input for each step only when it is needed. The outputs of the last presentation are part of the state, for readings.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from substrate.networks.base import Network
from substrate.plasticity import Plasticity


class Presented(NamedTuple):
    """The state of the network inside, and its outputs."""

    inner: Any
    heard: Array  # (time, output, K, P), in the last presentation


def presented(
    network: Network,
    steps: int,
    show: Callable[[Any, Array], Any],
    outputs: int,
    every: int = 1,
    afresh: Callable[[Any], Any] = lambda state: state,
) -> Network:
    """Build the network; its input is a tree of `rate_factor` (1,), of the learning rate, and what `show` reads.

    Parameters
    ----------
    steps
        Steps of a presentation, a multiple of `every`.
    show
        (input of the presentation, step) -> the input of the step.
    outputs
        Number of outputs.
    every
        Steps between the outputs that are kept.
    afresh
        (state) -> the state in which a presentation begins; it goes on where the last one ended if not given.
    """
    assert steps % every == 0, "a task chooses both"

    def init(plasticity: Plasticity, w0: Any) -> Presented:
        inner = network.init(plasticity, w0)
        first = jax.tree.leaves(w0)[0]
        return Presented(
            inner, jnp.zeros((steps // every, outputs, *first.shape[-2:]), first.dtype)
        )

    def step(
        plasticity: Plasticity, state: Presented, drive: Mapping[str, Any], rate: Array
    ) -> tuple[Presented, Array]:
        scaled = rate * drive["rate_factor"][0]

        def one(time: Array, carry: tuple[Any, Array]) -> tuple[Any, Array]:
            return network.step(plasticity, carry[0], show(drive, time), scaled)

        def some(carry: tuple[Any, Array], first: Array) -> tuple[tuple[Any, Array], Array]:
            carry = lax.fori_loop(first, first + every, one, carry)
            return carry, carry[1]

        begin = (afresh(state.inner), jnp.zeros_like(state.heard[0]))
        (inner, last), heard = lax.scan(some, begin, jnp.arange(0, steps, every))
        return Presented(inner, heard), last

    return Network(network.observables, init, step, updates=steps * network.updates)
