"""Competitive learning: the winner moves towards its input, the others stay.

    dw = winner (pre - w)

`winner` is 1 for the most active neuron and 0 for the others. Each neuron ends at the mean of the inputs that it
wins: the centre of its cluster, if every cluster has a neuron that began nearest to it. No constants. It holds at
rates well below 1; a neuron that never wins learns nothing.
"""

from substrate import PRE, Rule, W, names

(winner,) = names("winner")

RULE = Rule(
    name="competitive",
    summary="the most active neuron moves to its input",
    dw=winner * (PRE - W),
    reference="Rumelhart & Zipser 1985, Cogn. Sci. 9(1):75-112; Grossberg 1976, Biol. Cybern. 23(3):121-134",
    note="Non-local: a neuron must know whether it is the most active of all.",
)
