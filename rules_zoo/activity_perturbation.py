"""Activity-based node perturbation: node perturbation that uses the change of activity instead of the noise itself.

    dw = -dloss du pre / du_power

`du` is the net input with all the noise less the net input without it. It includes noise that came up
from the layers below, whose source need not be known. Divided by its mean square over the neurons, it
gives a directional derivative that does not depend on the size of the noise. No constants.
"""

from substrate import PRE, Rule, names

dloss, du, du_power = names("dloss du du_power")

RULE = Rule(
    name="activity_perturbation",
    summary="noise in neurons, and the change that it causes",
    dw=-dloss * du * PRE / du_power,
    reference="Dalm, Offergeld, Ahmad & van Gerven 2023, arXiv:2310.00965",
    note="Non-local: a synapse must know the mean square of the changes of all neurons.",
)
