"""Activity-based node perturbation: as node perturbation, but from the change that the noise has caused.

    dw = -dloss du pre / du_power

`du` is the difference of the net input with and without all the noise, so noise that came up from the
layers below counts, and its source need not be known. Divided by its mean square over the neurons it
is a derivative along a direction, whatever the size of the noise. No constants.
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
