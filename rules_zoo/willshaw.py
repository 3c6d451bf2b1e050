"""Willshaw: the first coincidence of pre and post switches a synapse on, and it stays on.

    dw = max(pre post - w, 0)

At rate 1 the weights are binary, w = max over patterns of post pre. Recall of `active` ones counts active inputs: a
unit that belongs to the answer gets them all. After P random pairs with a ones of N on each side a share
1 - (1 - a**2 / N**2)**P of synapses is on; an undamaged cue recalls all units of its pattern, and each other unit
is on by mistake with the probability that all its a synapses are. At best this holds ln 2 = 0.69 bits a synapse. No
constants. It holds for activities of 0 and 1, sparse, at rate 1.
"""

import sympy

from substrate import POST, PRE, Rule, W

RULE = Rule(
    name="willshaw",
    summary="switched on by the first coincidence",
    dw=sympy.Max(PRE * POST - W, 0),
    reference="Willshaw, Buneman & Longuet-Higgins 1969, Nature 222:960-962",
    note="Binary weights, at rate 1 and activities of 0 and 1 only.",
)
