"""ELiSe: the dendrite learns to predict its soma, so that the network can continue what it was taught.

    dw = (phi_u - phi_v) rbar

`phi_u` is the rate of the soma and `phi_v` the rate that the dendrite alone would give it. While a teacher or a fixed
scaffold of somatic synapses drives the soma, the dendrite follows. Where it predicts the soma, nothing changes, so
learning need not be switched off. No constants. It holds for conductance-coupled dendrites whose inputs arrive with
delays longer than the membranes' time constants, and learning slow against these.
"""

from substrate import Rule, names

phi_u, phi_v, rbar = names("phi_u phi_v rbar")

RULE = Rule(
    name="elise",
    summary="the dendrite learns to predict its soma",
    dw=(phi_u - phi_v) * rbar,
    reference="Kriener, Jordan, Petrovici & co-workers 2024, arXiv:2402.16763; "
    "Urbanczik & Senn 2014, Neuron 81(3):521-528",
)
