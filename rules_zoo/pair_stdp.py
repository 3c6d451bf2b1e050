"""Spike-timing dependent plasticity of pairs: potentiation if the input spiked before the neuron, else depression.

    pair_stdp: dw_on_post = a_plus pre_tr
    pair_stdp: dw_on_pre = -a_minus post_tr
    pair_stdp_multiplicative: dw_on_post = a_plus (w_max - w) pre_tr
    pair_stdp_multiplicative: dw_on_pre = -a_minus w post_tr
    pair_stdp_mixed: dw_on_post = a_plus pre_tr
    pair_stdp_mixed: dw_on_pre = -a_minus w post_tr
    pair_stdp_symmetric: dw_on_post = a_plus pre_tr
    pair_stdp_symmetric: dw_on_pre = a_plus post_tr
    pair_stdp_anti: dw_on_post = -a_minus pre_tr
    pair_stdp_anti: dw_on_pre = a_plus post_tr

The traces pre_tr and post_tr are of all spikes, or of the nearest, as the network has it. With additive rules one
pair changes the weight by a_plus exp(-dt / tau_plus) for dt > 0, and by -a_minus exp(dt / tau_minus) for dt < 0.
`a_plus` [start weight] is the size of potentiation, `a_minus` [start weight] that of depression, `w_max` [start
weight] the greatest weight.

Additive rules drive weights to their bounds, multiplicative ones to a distribution with one mode at a_plus w_max /
(a_plus + a_minus) for uncorrelated spikes and equal time constants; mixed is in between. The defaults are the sizes
of Bi and Poo's window, 0.777 and -0.273, over its 60 pairs. Weights are in units of the start weight.
"""

from substrate import Rule, W, names
from substrate.rule import ON_POST, ON_PRE

pre_tr, post_tr, a_plus, a_minus, w_max = names("pre_tr post_tr a_plus a_minus w_max")

SIZES = {"a_plus": 0.777 / 60, "a_minus": 0.273 / 60}

RULE = (
    Rule(
        name="pair_stdp",
        summary="pairs of spikes, additive",
        dw={ON_POST: a_plus * pre_tr, ON_PRE: -a_minus * post_tr},
        constants=SIZES,
        reference="Gerstner et al. 1996, Nature 383:76-78; Song, Miller & Abbott 2000, Nat. Neurosci. 3:919-926",
    ),
    Rule(
        name="pair_stdp_multiplicative",
        summary="pairs of spikes, scaled by the weight",
        dw={ON_POST: a_plus * (w_max - W) * pre_tr, ON_PRE: -a_minus * W * post_tr},
        constants={**SIZES, "w_max": 2.0},
        reference="Rubin, Lee & Sompolinsky 2001, Phys. Rev. Lett. 86:364-367",
    ),
    Rule(
        name="pair_stdp_mixed",
        summary="pairs of spikes, depression scaled by the weight",
        dw={ON_POST: a_plus * pre_tr, ON_PRE: -a_minus * W * post_tr},
        constants=SIZES,
        reference="van Rossum, Bi & Turrigiano 2000, J. Neurosci. 20:8812-8821",
    ),
    Rule(
        name="pair_stdp_symmetric",
        summary="pairs: potentiation in either order",
        dw={ON_POST: a_plus * pre_tr, ON_PRE: a_plus * post_tr},
        constants={"a_plus": SIZES["a_plus"]},
        reference="Mishra et al. 2016, Nat. Commun. 7:11552",
    ),
    Rule(
        name="pair_stdp_anti",
        summary="pairs: depression if pre comes before post",
        dw={ON_POST: -a_minus * pre_tr, ON_PRE: a_plus * post_tr},
        constants=SIZES,
        reference="Bell et al. 1997, Nature 387:278-281",
    ),
)
