"""Node perturbation on decorrelated inputs: lateral weights remove the correlations of a layer's inputs.

    dw_forward = -dloss noise pre
    dw_lateral = -alpha post (lat - post w)

The lateral weights R transform the activities x of a layer before the weights above, z = R x, and
change by -alpha (z z^T - diag(z z^T)) R, without the loss: `post` is z_i, `lat` is sum_k z_k r_kj. They
settle once no two components of z are correlated, <z_i z_k> = 0.

`alpha` [1] is the learning rate of the lateral weights over that of the forward weights; eta alpha
times the squared length of z must be well below 1.
"""

from substrate import POST, PRE, Rule, W, names

dloss, noise, lat, alpha = names("dloss noise lat alpha")

RULE = Rule(
    name="node_perturbation_decorrelated",
    summary="node perturbation on decorrelated inputs",
    dw={"forward": -dloss * noise * PRE, "lateral": -alpha * POST * (lat - POST * W)},
    constants={"alpha": 0.1},
    reference="Dalm, Offergeld, Ahmad & van Gerven 2023, arXiv:2310.00965; "
    "decorrelation: Ahmad, Schrader & van Gerven 2022, arXiv:2210.07829",
    note="Non-local: decorrelation needs the sum of all outputs of a layer weighted by their weights.",
)
