"""What a rule becomes before it is traced: functions of what the synapses see.

`lower` (one rule, one program) and `interpret` (a population, one program) both produce a `Plasticity`; a network
calls it without knowing which.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from substrate.rule import FORWARD

#: What the synapses of one projection see; every entry broadcasts to (post, pre, instances, individuals).
Seen = Mapping[str, Array]


class SlowUpdate(NamedTuple):
    """One slow variable at run time."""

    change: Callable[[Seen], Array]
    scope: str
    initial: float

    def start(self, weights: Array) -> Array:
        """Initial value for weights of shape (post, pre, instances, individuals)."""
        post, pre, *lanes = weights.shape
        sizes = {"synapse": (post, pre), "pre": (1, pre), "post": (post, 1), "global": (1, 1)}
        return jnp.full((*sizes[self.scope], *lanes), self.initial, weights.dtype)


class Plasticity(NamedTuple):
    """The traced update: a change for each plastic projection, and one for each slow variable."""

    dw: Mapping[str, Callable[[Seen], Array]]
    slow: Mapping[str, SlowUpdate]

    @property
    def forward(self) -> Callable[[Seen], Array]:
        """The change of the feed-forward weights."""
        return self.dw[FORWARD]
