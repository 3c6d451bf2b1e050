"""Backprop: the gradient of the loss, by which every rule of credit assignment is measured.

    dw = bp_err dphi pre

Errors come down through the forward weights themselves, which no synapse knows (weight transport):
not a local rule, but the upper bound. No constants. With one layer it is the delta rule.
"""

from substrate import PRE, Rule, names

bp_err, dphi = names("bp_err dphi")

RULE = Rule(
    name="backprop",
    summary="the gradient of the loss: the upper bound",
    dw=bp_err * dphi * PRE,
    reference="Rumelhart, Hinton & Williams 1986, Nature 323:533-536",
    note="Non-local: the error comes down through the forward weights.",
)
