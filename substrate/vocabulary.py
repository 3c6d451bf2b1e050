"""What a synapse can observe: the closed list of observables, their shapes and how far each signal travels.

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


def scope_shape(scope: str, post: int, pre: int) -> tuple[int, int]:
    """Axes (post, pre) of a variable of some scope, 1 where it does not differ between synapses."""
    along_post, along_pre = scope in ("synapse", "post"), scope in ("synapse", "pre")
    return (post if along_post else 1, pre if along_pre else 1)


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


_S, _N, _B, _X = Locality

_LIST = (
    Observable("pre", "presynaptic activity x_j", "pre", _S),
    Observable("post", "postsynaptic activity y_i", "post", _S),
    Observable("w", "weight of this synapse w_ij", "synapse", _S),
    Observable(
        "u", "net input u_i before the nonlinearity; of a spiking neuron its potential", "post", _N
    ),
    Observable("dphi", "slope phi'(u_i) of the nonlinearity", "post", _N),
    Observable("leak", "part dt / tau of a neuron's state that one step replaces", "global", _N),
    Observable("eta", "learning rate at which the network applies dw", "global", _B),
    # Errors. At an output neuron all of them are target less answer.
    Observable("err", "error of an output neuron, target less answer; 0 elsewhere", "post", _N),
    Observable("fb_err", "error carried down layer by layer by feedback weights", "post", _N),
    Observable("dfa_err", "output error carried down directly by fixed weights", "post", _N),
    Observable("bp_err", "error carried down by the forward weights themselves", "post", _X),
    Observable("sign_err", "error carried down by weights of the forward signs", "post", _X),
    Observable("pre_err", "teaching signal of the presynaptic neuron, dphi fb_err", "pre", _N),
    Observable("err_power", "sum of the squared errors of all output neurons", "global", _B),
    # Perturbation: the network answers a second time, with noise; noise is in units of its standard deviation.
    Observable("noise", "noise xi_i injected into the neuron", "post", _N),
    Observable("du", "change of u_i that all the noise has caused", "post", _N),
    Observable("du_power", "mean square of du over all neurons", "global", _X),
    Observable("dloss", "change of the loss that the noise has caused", "global", _B),
    Observable("reward", "reward less its running mean", "global", _B),
    Observable("dreward", "reward of the trial that ends, less its running mean", "global", _B),
    Observable("w_noise", "noise injected into this weight", "synapse", _S),
    Observable("dloss_w", "change of the loss that noise in the weights has caused", "global", _B),
    Observable("mirror", "answer of the sending neuron to its target's noise alone", "pre", _N),
    # Time: what is kept of the past.
    Observable("pre_delayed", "presynaptic activity as it arrives, one delay ago", "pre", _N),
    Observable("pre_tr", "trace of the presynaptic activity, low-passed", "pre", _N),
    Observable("rbar", "leaky average of the presynaptic rate", "pre", _N),
    # Other parts of the two neurons.
    Observable("u_pre", "net input of the presynaptic neuron, sum_k w_jk x_k", "pre", _N),
    Observable("phi_u", "rate of the soma, phi(u_i)", "post", _N),
    Observable("phi_v", "rate that the dendrite alone predicts", "post", _N),
    # Sums over other synapses and neurons.
    Observable("eps_w", "projected prediction error, sum_j (x_j - u w_j) w_j", "post", _X),
    Observable("winner", "1 for the most active output, else 0", "post", _X),
    Observable("lat", "sum over all outputs k of y_k w_kj", "pre", _X),
    Observable("lat_ord", "sum over the outputs k <= i of y_k w_kj", "synapse", _X),
    Observable("w_norm", "Euclidean norm of the neuron's incoming weights", "post", _X),
    Observable("pre_norm", "Euclidean norm of the input vector", "global", _X),
    # Spikes; potentials in mV, PSPs in mV/pA.
    Observable("v", "target potential that the soma is told [mV]", "post", _N),
    Observable("sbar", "PSP of this input's spikes at weight 1 [mV/pA]", "pre", _S),
    Observable("post_tr", "trace of the postsynaptic spikes, low-passed", "post", _N),
    Observable("pre_slow", "a second trace of the presynaptic spikes, slower", "pre", _N),
    Observable("post_slow", "a second trace of the postsynaptic spikes, slower", "post", _N),
    Observable("E_c", "trace of the partner at a spike: exp(-|dt| / tau), summed", "synapse", _S),
    # Trials that end with a reward.
    Observable("R", "reward of the trial that ends, 1 or -1", "global", _B),
    Observable("E", "eligibility: low-passed product of surprising spikes and PSPs", "synapse", _S),
    Observable("Rbar", "running mean of R before this trial", "global", _B),
    Observable("Rbar_p", "running mean of R where it is positive, else 0", "global", _B),
    Observable("Rbar_m", "running mean of R where it is negative, else 0", "global", _B),
    # What a chip's sensors read.
    Observable("c_plus", "reading of the sensor of causal correlation", "synapse", _S),
    Observable("nu_post", "spikes of the neuron since the last reading", "post", _N),
)

VOCABULARY: Mapping[str, Observable] = MappingProxyType({o.name: o for o in _LIST})


def names(text: str) -> tuple[Symbol, ...]:
    """Make symbols from words; the one maker of symbols, since SymPy tells `Symbol('w', real=True)` apart.

    >>> from evolve import names
    >>> pre, post = names("pre post")
    >>> pre * post
    post*pre
    """
    return tuple(Symbol(word) for word in text.split())


PRE, POST, W = names("pre post w")


def require_observables(
    wanted: set[str] | frozenset[str], available: frozenset[str], who: str
) -> None:
    """Refuse observables that a network does not have: `who` wants `wanted`, the network has `available`.

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
