"""Node perturbation: noise in every neuron, and what it does to the loss.

    dw = -dloss noise pre

The only message is one number for the whole network. On average the update is the gradient's, but it
varies: with N neurons its mean square is about N + 2 times the gradient's, so that it is
stable only at learning rates smaller than backprop's by about this factor. No constants.
"""

from substrate import PRE, Rule, names

dloss, noise = names("dloss noise")

RULE = Rule(
    name="node_perturbation",
    summary="noise in neurons, and what it does to the loss",
    dw=-dloss * noise * PRE,
    reference="Fiete & Seung 2006, Phys. Rev. Lett. 97:048104",
)
