"""Loihi: digital, learning at the end of an epoch by a sum of products of traces.

    dw = sum_i D_i S_i prod_j F_ij        D in {x0, y0, u},  S = m 2**e,  F in {x1, y1, W, D, T, sgn, constants}

`pre` is the trace x1 or its spike x0, `post` the trace y1 or its spike y0; slow variables are D and T. The tag T may
hold an eligibility E, and a reward R comes as a trace of its own.
"""

from substrate.hardware._loihi import EPOCH, FACTS, PRODUCTS, STATE, TRACE, WEIGHTS
from substrate.hardware.base import Fact, Profile

PROFILE = Profile(
    name="loihi1",
    summary="digital; 8-bit weights and a sum of products of 7-bit traces, rounded stochastically",
    weights=WEIGHTS,
    reads={"pre": TRACE, "post": TRACE, "E": STATE, "R": TRACE},
    other=None,
    arithmetic=PRODUCTS,
    functions=("add", "sub", "mul", "sign"),
    state=STATE,
    scopes=("synapse",),
    schedule=EPOCH,
    chips=1,
    facts=(
        *FACTS,
        Fact("reward", "a trace that all synapses may read, 7 bits", "recalled", estimate=True),
        Fact("eligibility", "kept in the tag T", "choice of model", estimate=True),
    ),
)
