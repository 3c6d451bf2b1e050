"""Instar: the weights move towards the input whenever the neuron is active.

    dw = post (pre - w)

They settle at E[post pre] / E[post], the mean input weighted by the response: the centre of the
cluster if post marks the winner of a competition. In a linear neuron that is the first eigenvector
v of E[pre pre^T] with length lambda1 / (E[pre] . v). No constants. It holds while post is not
negative (a negative one drives the weights away) and eta post is below 1.
"""

from substrate import POST, PRE, Rule, W

RULE = Rule(
    name="instar",
    summary="an active neuron's weights move to its input",
    dw=POST * (PRE - W),
    reference="Grossberg 1976, Biol. Cybern. 23(3):121-134",
    note="Needs post >= 0: non-negative inputs and weights, or a rectified neuron.",
)
