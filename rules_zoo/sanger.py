"""Sanger's generalised Hebbian algorithm: each output learns from what the earlier ones do not explain.

    dw = post (pre - lat_ord)

`lat_ord` is the reconstruction of an input by outputs 1 to i, sum_{k<=i} y_k w_kj; the first output
follows Oja's rule, every later one Oja's rule on the remainder. The rows of the weights become the
principal components in order, each of norm 1. No constants. It holds for linear neurons with
distinct eigenvalues while eta times the mean squared length of the input is well below 1; a
component needs about 1 / (eta gap) steps, gap being the distance to the next eigenvalue.
"""

from substrate import POST, PRE, Rule, names

(lat_ord,) = names("lat_ord")

RULE = Rule(
    name="sanger",
    summary="each output learns what earlier ones leave",
    dw=POST * (PRE - lat_ord),
    reference="Sanger 1989, Neural Networks 2(6):459-473",
    note="Non-local: a synapse must know the earlier outputs, in order, and their weights.",
)
