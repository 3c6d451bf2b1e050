"""What a synapse can see: the closed list of observables, their shapes and how far each signal travels.

Arrays end in two lane axes, (instances, individuals). A synapse lies at (post, pre); an observable of scope
`pre` is the same for all synapses of one input line, one of scope `post` for all synapses onto one neuron.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from sympy import Symbol

from substrate.errors import UserError


class Locality(IntEnum):
    """How far a signal travels to reach the synapse; a larger value asks more of a brain or a chip."""

    SYNAPSE = 0  # present at the synapse: its own weight, both activities
    NEURON = 1  # kept by one of the two neurons
    BROADCAST = 2  # one value for the whole network
    NONLOCAL = 3  # a reduction over other synapses or other neurons' weights


#: Shape of a variable before the lane axes: which of the two synapse axes it extends along.
SCOPES = ("synapse", "pre", "post", "global")


@dataclass(frozen=True)
class Observable:
    """One entry of the vocabulary."""

    name: str
    meaning: str
    scope: str
    locality: Locality

    @property
    def symbol(self) -> Symbol:
        """The SymPy symbol that stands for this observable in every rule."""
        return Symbol(self.name)


_LIST = (
    Observable("pre", "presynaptic activity x_j", "pre", Locality.SYNAPSE),
    Observable("post", "postsynaptic activity y_i", "post", Locality.SYNAPSE),
    Observable("w", "weight of this synapse w_ij", "synapse", Locality.SYNAPSE),
    Observable(
        "u", "net input u_i = sum_j w_ij x_j, before the nonlinearity", "post", Locality.NEURON
    ),
    Observable(
        "eta", "learning rate at which the network applies dw", "global", Locality.BROADCAST
    ),
    Observable("lat", "sum over all outputs k of y_k w_kj", "pre", Locality.NONLOCAL),
    Observable("lat_ord", "sum over the outputs k <= i of y_k w_kj", "synapse", Locality.NONLOCAL),
    Observable(
        "w_norm", "Euclidean norm of the neuron's incoming weights", "post", Locality.NONLOCAL
    ),
    Observable(
        "c_plus", "reading of the sensor of causal correlation", "synapse", Locality.SYNAPSE
    ),
    Observable("nu_post", "spikes of the neuron since the last reading", "post", Locality.NEURON),
    Observable("reward", "reward less its running mean", "global", Locality.BROADCAST),
    Observable("pre_norm", "Euclidean norm of the input vector", "global", Locality.NONLOCAL),
)

VOCABULARY: Mapping[str, Observable] = MappingProxyType({o.name: o for o in _LIST})


def names(text: str) -> tuple[Symbol, ...]:
    """Make symbols from words; the one maker of symbols, since SymPy tells `Symbol('w', real=True)` apart."""
    return tuple(Symbol(word) for word in text.split())


PRE, POST, W = names("pre post w")


def observables(wanted: set[str] | frozenset[str], available: frozenset[str], who: str) -> None:
    """Refuse what a network does not show: `who` wants `wanted`, the network has `available`.

    Raises
    ------
    UserError
        Naming the missing observables and the list of what there is.
    """
    missing = sorted(wanted - available)
    if missing:
        raise UserError(
            f"{who} reads {', '.join(missing)}, which this network does not show. "
            f"It shows {', '.join(sorted(available))}. Choose a rule or a task that agree."
        )
