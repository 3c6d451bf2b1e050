"""What a network is to everybody else: what it shows, how it starts, how it steps."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array

from substrate.plasticity import Plasticity


class State(NamedTuple):
    """Everything the next step needs, and nothing else. K instances, P individuals."""

    w: Array  # (post, pre, K, P)
    slow: dict[str, Array]  # each broadcasts to w


class Network(NamedTuple):
    """A pair of pure functions and what a rule on this network may read.

    `init(plasticity, w0)` takes weights (post, pre, K, P); `step(plasticity, state, drive, rate)` takes the input
    of one step (pre, K, P or 1) and the learning rate (K or 1, P or 1), and returns the next state and the output
    (post, K, P).
    """

    observables: frozenset[str]
    init: Callable[[Plasticity, Array], Any]
    step: Callable[[Plasticity, Any, Array, Array], tuple[Any, Array]]
