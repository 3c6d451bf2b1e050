"""Hopfield: Hebb on units of +1 and -1, for recurrent networks without self-connections.

    dw = pre post

One showing of each of P patterns at rate 1/N stores them: w_ij = (1/N) sum_mu xi_i xi_j, symmetric, so that updates
of one unit after another go downhill in energy and end in a fixed point near the nearest pattern. Up to P = 0.138 N
random patterns come back with few errors; beyond, none does. No constants. It is the equation of `hebb`; what makes
it a memory are the signs, which cancel on average where activities of one sign add up.
"""

from substrate import POST, PRE, Rule

RULE = Rule(
    name="hopfield",
    summary="Hebb on recurrent units of +1 and -1",
    dw=PRE * POST,
    reference="Hopfield 1982, PNAS 79(8):2554-2558; "
    "capacity Amit, Gutfreund & Sompolinsky 1985, Phys. Rev. Lett. 55(14):1530-1533",
    note="Needs clamped units of +1 and -1; elsewhere it is Hebb.",
)
