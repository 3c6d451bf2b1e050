"""Sign-symmetric feedback: errors come down through weights of the forward weights' signs.

    dw = sign_err dphi pre

Their sizes stay fixed at random. Every path from an error to a neuron just below it has the sign that
it has in the gradient, and the update is mostly less than 90 degrees from it. No constants.
"""

from substrate import PRE, Rule, names

sign_err, dphi = names("sign_err dphi")

RULE = Rule(
    name="sign_symmetric",
    summary="errors come down by the forward weights' signs",
    dw=sign_err * dphi * PRE,
    reference="Liao, Leibo & Poggio 2016, AAAI 30, arXiv:1510.05067",
    note="Non-local: the feedback must know the signs of the forward weights.",
)
