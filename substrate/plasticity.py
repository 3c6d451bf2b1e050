"""What a rule becomes before it is traced: functions of what the synapses observe.

`lower` (one rule, one program) and `interpret` (a population, one program) both produce a `Plasticity`; a network
calls it without knowing which.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
from jax import Array

from substrate.rule import FORWARD
from substrate.vocabulary import scope_shape

#: What the synapses of one projection observe; every entry broadcasts to (post, pre, instances, individuals).
Observed = Mapping[str, Array]


class LazySignals(Mapping[str, Array]):
    """Signals by name, each computed when it is first read: a signal that no rule reads is not even compiled."""

    def __init__(self, makers: Mapping[str, Callable[[], Array]]) -> None:
        self._makers = makers
        self._made: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


class Arithmetic(Protocol):
    """How numbers are computed where it is not in floating point; see `substrate/hardware/_fixed.py`."""

    def encode(self, value: Any) -> Array:
        """The nearest representation of a number."""

    def apply(self, name: str, *values: Array) -> Array:
        """Compute a function of `FUNCTIONS` on represented numbers."""

    def multiply_add(self, acc: Array, b: Array, codes: tuple[Array, Array, Array]) -> Array:
        """`gamma acc b + alpha acc + beta b` for coefficients (alpha, beta, gamma)."""


class EncodedObserved(dict[str, Array]):
    """What the synapses of a chip observe, its numbers represented in some arithmetic."""

    def __init__(self, values: Mapping[str, Array], arithmetic: Arithmetic | None = None) -> None:
        super().__init__(values)
        self.arithmetic = arithmetic


def arithmetic_of(observed: Observed) -> Arithmetic | None:
    """The arithmetic in which a rule is evaluated on this; floating point if None."""
    return getattr(observed, "arithmetic", None)


class SlowUpdate(NamedTuple):
    """One slow variable at run time."""

    change: Callable[[Observed], Array]
    scope: str
    initial: float

    def start(self, weights: Array) -> Array:
        """Initial value for weights of shape (post, pre, instances, individuals)."""
        post, pre, *lanes = weights.shape
        shape = (*scope_shape(self.scope, post, pre), *lanes)
        return jnp.full(shape, self.initial, weights.dtype)


class Plasticity(NamedTuple):
    """The traced update: a change for each plastic projection, and one for each slow variable.

    `reads` names the observables that it may read, all if not given; `chip` is the hardware that the synapses are on
    (`substrate/hardware`), none if not given.
    """

    dw: Mapping[str, Callable[[Observed], Array]]
    slow: Mapping[str, SlowUpdate]
    reads: frozenset[str] | None = None
    chip: Any = None

    @property
    def forward(self) -> Callable[[Observed], Array]:
        """The change of the feed-forward weights."""
        return self.dw[FORWARD]
