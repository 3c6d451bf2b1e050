"""Storkey: Hopfield's rule less what the stored patterns already contribute.

    h_post = u - w pre
    h_pre = u_pre - w post
    dw = pre post - post h_pre - h_post pre

`h_post` and `h_pre` are the net inputs of the two neurons without the synapse between them. Shown each pattern once
at rate 1/N, on units of +1 and -1, it holds about N / sqrt(2 ln N) random patterns without error, where Hopfield's
rule holds N / (2 ln N), and it holds correlated ones better. The weights stay symmetric. No constants. It holds for
symmetric weights at a rate near 1/N.
"""

from substrate import POST, PRE, Rule, W, names

u, u_pre = names("u u_pre")

RULE = Rule(
    name="storkey",
    summary="Hopfield less what other patterns already do",
    dw=PRE * POST - POST * (u_pre - W * POST) - (u - W * PRE) * PRE,
    reference="Storkey 1997, ICANN, LNCS 1327:451-456; "
    "Storkey & Valabregue 1999, Neural Networks 12(6):869-876",
    note="A synapse must know the net inputs of both its neurons.",
)
