"""Oja's subspace rule: several outputs share one reconstruction of the input.

    dw = post (pre - lat)

`lat` is the reconstruction of an input by all outputs together, sum_k y_k w_kj; the rule learns from
its error. The rows of the weights become orthonormal and span the first k principal
components, in no order: any rotation within the subspace is as good. No constants. It holds for
linear neurons while eta times the mean squared length of the input is well below 1.
"""

from substrate import POST, PRE, Rule, names

(lat,) = names("lat")

RULE = Rule(
    name="oja_subspace",
    summary="outputs share one reconstruction of the input",
    dw=POST * (PRE - lat),
    reference="Oja 1989, Int. J. Neural Syst. 1(1):61-68; "
    "Oja & Karhunen 1985, J. Math. Anal. Appl. 106(1):69-84",
    note="Non-local: a synapse must know the sum of all outputs weighted by their weights.",
)
