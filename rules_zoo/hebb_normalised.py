"""Normalised Hebb: a Hebbian step, then all weights of the neuron are divided by their norm.

    norm = sqrt(w_norm**2 + 2 eta post u + (eta post pre_norm)**2)
    dw = ((w + eta pre post) / norm - w) / eta

`norm` is the length of w + eta pre post, so that the network's w + eta dw has length 1 after every
step; the first step also rescales the start weights. The direction goes to the first
principal component, as with Oja, which is the limit of this rule for small eta. No constants. It
needs eta > 0 and a weight vector that is not 0.
"""

from sympy import sqrt

from substrate import POST, PRE, Rule, W, names

eta, u, w_norm, pre_norm = names("eta u w_norm pre_norm")

norm = sqrt(w_norm**2 + 2 * eta * POST * u + (eta * POST * pre_norm) ** 2)

RULE = Rule(
    name="hebb_normalised",
    summary="Hebb, then weights divided by their norm",
    dw=((W + eta * PRE * POST) / norm - W) / eta,
    reference="von der Malsburg 1973, Kybernetik 14(2):85-100; "
    "with the Euclidean norm Oja 1982, J. Math. Biol. 15(3):267-273",
    note="Non-local: a synapse must know the norms of all weights and of all inputs of its neuron.",
)
