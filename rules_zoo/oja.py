"""Oja: Hebb with just enough forgetting.

    dw = post (pre - post w)

The second term is a decay that grows with the output, so the incoming weights reach norm 1 and the
direction of the first principal component of the input. No constants. It holds for a linear neuron
while eta times the mean squared length of the input is well below 1; the residual angle to the
component then shrinks as sqrt(eta).
"""

from substrate import POST, PRE, Rule, W

RULE = Rule(
    name="oja",
    summary="Hebb with just enough forgetting",
    dw=POST * (PRE - POST * W),
    reference="Oja 1982, J. Math. Biol. 15(3):267-273",
)
