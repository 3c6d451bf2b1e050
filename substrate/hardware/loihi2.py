"""Loihi 2: as Loihi, with a graded third factor for each neuron.

    dw = sum_i D_i S_i prod_j F_ij        F as on Loihi, and a modulator that the neuron's program sets

A reward, an error or the net input can be that modulator, one at a time.
"""

from substrate.hardware._loihi import EPOCH, FACTS, PRODUCTS, STATE, TRACE, WEIGHTS
from substrate.hardware.base import Fact, Profile

#: Signals that a neuron's program can hand to its synapses.
MODULATORS = ("u", "R", "Rbar", "Rbar_p", "Rbar_m", "reward", "error", "delta", "e")

PROFILE = Profile(
    name="loihi2",
    summary="Loihi with a graded third factor for each neuron",
    weights=WEIGHTS,
    reads={"pre": TRACE, "post": TRACE, **dict.fromkeys(MODULATORS, TRACE), "E": STATE},
    other=None,
    arithmetic=PRODUCTS,
    functions=("add", "sub", "mul", "sign"),
    state=STATE,
    scopes=("synapse", "post"),
    schedule=EPOCH,
    chips=1,
    facts=(
        *(Fact(f.what, f.value, f.source, estimate=True) for f in FACTS),
        Fact("eligibility", "kept in the tag T", "choice of model", estimate=True),
        Fact("third factor", "graded, one a neuron, 7 bits", "lava-nc/lava", estimate=True),
    ),
)
