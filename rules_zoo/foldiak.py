"""Foldiak: Hebb from the inputs, anti-Hebb between the outputs.

    foldiak1989: dw_forward = post (pre - post w)
    foldiak1989: dw_lateral = pre post
    foldiak1990: dw_forward = beta post (pre - w)
    foldiak1990: dw_lateral = alpha (pre post - p**2)
    foldiak1990: dw_bias = gamma (p - post)

Lateral weights inhibit, so their growth with a correlation is anti-Hebbian. The linear form of 1989 makes the
outputs uncorrelated and lets them span the principal subspace. The form of 1990, for outputs of 0 and 1 that settle,
keeps each unit active with probability `p`, and each pair of units no more often together than by chance: every unit
comes to represent one independent component, such as one bar.

`alpha` [1] is the rate between outputs, `beta` [1] that from the inputs, `gamma` [1] that of the biases, all times
eta; `p` [1] is the wanted probability of being active. It holds for sparse causes, with p near that of a cause.
"""

from substrate import POST, PRE, Rule, W, names

alpha, beta, gamma, p = names("alpha beta gamma p")

RULE = (
    Rule(
        name="foldiak1989",
        summary="Oja from the inputs, anti-Hebb between outputs",
        dw={"forward": POST * (PRE - POST * W), "lateral": PRE * POST},
        reference="Foldiak 1989, IJCNN 1:401-405",
    ),
    Rule(
        name="foldiak1990",
        summary="Hebb and anti-Hebb for outputs of 0 and 1",
        dw={
            "forward": beta * POST * (PRE - W),
            "lateral": alpha * (PRE * POST - p**2),
            "bias": gamma * (p - POST),
        },
        constants={"alpha": 0.1, "beta": 0.02, "gamma": 0.02, "p": 0.125},
        reference="Foldiak 1990, Biol. Cybern. 64(2):165-170",
    ),
)
