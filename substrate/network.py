"""What a network is to everybody else: what it shows, how it starts, how it steps."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array

from substrate.errors import UserError
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD


class Network(NamedTuple):
    """A pair of pure functions and what a rule on this network may read.

    `init(plasticity, w0)` takes weights (post, pre, K, P) and gives the state, everything that the next step needs:
    a tree of `Synapses` and of arrays that end in the lanes (K, P). `step(plasticity, state, drive, rate)` takes the
    input of one step (pre, K, P or 1) and the learning rate (K or 1, P or 1), and returns the next state and the
    output (post, K, P). Weights and inputs are trees where there are several of them. `projections` are those that
    may learn; one that a rule does not name keeps its weights.
    """

    observables: frozenset[str]
    init: Callable[[Plasticity, Any], Any]
    step: Callable[[Plasticity, Any, Any, Array], tuple[Any, Array]]
    projections: frozenset[str] = frozenset({FORWARD})


def projections(wanted: frozenset[str], available: frozenset[str], who: str) -> None:
    """Refuse a rule for a projection that the network does not have, or has but keeps fixed.

    Raises
    ------
    UserError
        Naming the missing projections and those that may learn.
    """
    if missing := sorted(wanted - available):
        raise UserError(
            f"{who} changes the projection {', '.join(missing)}, which this network does not let learn. "
            f"It has {', '.join(sorted(available))}. Choose a rule or a task that agree."
        )
