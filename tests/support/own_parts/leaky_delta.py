"""Delta rule with a leak: only neurons that know their own error learn, and every synapse forgets.

    dw = err pre - leakage w

`leakage` [units of pre**2, since eta multiplies both terms] is the forgetting at unit learning rate. It holds where
`leakage` is small beside the mean squared input, so that the weights end close to where errors vanish.
"""

from substrate import PRE, Rule, W, names

err, leakage = names("err leakage")

RULE = Rule(
    name="leaky_delta",
    dw=err * PRE - leakage * W,
    constants={"leakage": 0.01},
    summary="the delta rule, with a leak",
    reference="Widrow & Hoff 1960, IRE WESCON Convention Record 4:96-104, with a leak",
)
