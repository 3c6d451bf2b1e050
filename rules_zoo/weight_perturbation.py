"""Weight perturbation: noise in every weight, and its effect on the loss.

    dw = -dloss_w w_noise

On average the update is the gradient's; its variance grows with the number of weights, where that of
node perturbation grows with the number of neurons. All samples of a batch get the same noise. No
constants.
"""

from substrate import Rule, names

dloss_w, w_noise = names("dloss_w w_noise")

RULE = Rule(
    name="weight_perturbation",
    summary="noise in weights, and what it does to the loss",
    dw=-dloss_w * w_noise,
    reference="Jabri & Flower 1992, IEEE Trans. Neural Networks 3(1):154-157; "
    "Zuege, Klos & Memmesheimer 2023, Phys. Rev. X 13:021006",
)
