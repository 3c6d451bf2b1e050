"""Hebb with weight decay: every synapse also forgets at a constant rate.

    dw = pre post - decay w

The decay competes with the growth of plain Hebb but cannot balance it: in a linear neuron the
weights die out if the largest eigenvalue of E[pre pre^T] is below `decay` and diverge along its
eigenvector, by about exp(eta (lambda1 - decay)) a step, if it is above. Only a saturating neuron
settles in between. It holds while eta decay and eta times the mean squared length of the input are
well below 1.

`decay` [units of pre**2, since eta multiplies both terms] is the forgetting at unit learning rate;
a synapse left alone forgets in 1 / (eta decay) steps.
"""

from substrate import POST, PRE, Rule, W, names

(decay,) = names("decay")

RULE = Rule(
    name="hebb_decay",
    summary="Hebb, and weights decay at a constant rate",
    dw=PRE * POST - decay * W,
    constants={"decay": 0.1},
    reference="Gerstner & Kistler 2002, Biol. Cybern. 87(5-6):404-415",
    note="No stable non-zero weights in a linear neuron.",
)
