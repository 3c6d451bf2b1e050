"""The interface of a network: what its synapses observe, how it starts, how it steps."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from jax import Array

from substrate.errors import UserError
from substrate.hardware.base import Unit
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD, Rule
from substrate.vocabulary import require_observables


class Network(NamedTuple):
    """Two pure functions, and what a rule on this network may read.

    Arrays end in two lane axes, K instances and P individuals.

    `init(plasticity, w0)` takes weights (post, pre, K, P) and gives the state, everything that the next step needs:
    a tree of `Synapses` and of arrays (..., K, P). `step(plasticity, state, drive, rate)` takes the input of one step
    (pre, K, P or 1) and the learning rate (K or 1, P or 1), and returns the next state, of the same structure and
    shapes, and the output (post, K, P). Weights and inputs are trees where there are several of them.

    >>> import jax.numpy as jnp
    >>> from evolve import RULES, lower
    >>> from substrate.networks.feedforward import feedforward
    >>> network, hebb = feedforward(), lower(RULES["hebb"])
    >>> state = network.init(hebb, jnp.ones((1, 2, 1, 1)))
    >>> state, output = network.step(hebb, state, jnp.ones((2, 1, 1)), jnp.full((1, 1), 0.5))
    >>> output.shape, state.w[0, :, 0, 0].tolist()
    ((1, 1, 1), [2.0, 2.0])
    """

    #: What the synapses of each plastic projection observe.
    observables: Mapping[str, frozenset[str]]
    init: Callable[[Plasticity, Any], Any]
    step: Callable[[Plasticity, Any, Any, Array], tuple[Any, Array]]
    #: How often a step evaluates the rule, such as once for every sample of a batch.
    updates: int = 1
    #: The form in which steps get what all of them share (`Episode.shared`).
    prepare: Callable[[Any], Any] = lambda shared: shared
    #: What 1 on a chip is of weights and observables that are not of about 1.
    units: Mapping[str, Unit] = MappingProxyType({})


def require_compatible(rule: Rule, available: Mapping[str, frozenset[str]]) -> None:
    """Refuse a rule that changes a projection that the network lacks, or reads what its synapses do not observe.

    Raises
    ------
    UserError
        Naming what is missing and what there is.
    """
    for projection, reads in rule.reads_by_projection.items():
        if projection not in available:
            raise UserError(
                f"Rule {rule.name!r} changes the projection {projection!r}, which this network does not have. "
                f"Its plastic projections: {', '.join(available)}. Choose a rule or a task that agree."
            )
        where = "" if projection == FORWARD else f" at the projection {projection!r}"
        require_observables(reads, available[projection], f"Rule {rule.name!r}{where}")


def is_compatible(rule: Rule, available: Mapping[str, frozenset[str]]) -> bool:
    """Whether the network has every projection that a rule changes, and its synapses observe what the rule reads."""
    return all(
        projection in available and reads <= available[projection]
        for projection, reads in rule.reads_by_projection.items()
    )
