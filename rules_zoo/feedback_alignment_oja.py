"""Feedback alignment with one more term, which keeps the rows of deep layers orthogonal or aligns teaching signals.

    feedback_alignment_oja: dw = fb_err dphi pre + gain post (pre - lat)
    feedback_alignment_hebb: dw = fb_err dphi pre + gain fb_err dphi (-pre_err)

The first adds Oja's subspace rule, `lat` being sum_k y_k w_kj, which makes the rows of every layer
orthonormal; the second an error-Hebbian product of the teaching signals (`pre_err`, that of the
presynaptic neuron). Both were found by learning the coefficients of ten terms; Oja's term
is the one with which a deep network learns online from few examples by random feedback.

`gain` [1] is the weight of the added term against the error's.
"""

from substrate import POST, PRE, Rule, names

fb_err, dphi, lat, pre_err, gain = names("fb_err dphi lat pre_err gain")

REFERENCE = "Shervani-Tabar & Rosenbaum 2023, Nature Communications 14:1805"
CONSTANTS = {"gain": 0.3}

RULE = (
    Rule(
        name="feedback_alignment_oja",
        summary="feedback alignment plus Oja's subspace rule",
        dw=fb_err * dphi * PRE + gain * POST * (PRE - lat),
        constants=CONSTANTS,
        reference=REFERENCE,
        note="Non-local: a synapse must know the sum of all outputs weighted by their weights.",
    ),
    Rule(
        name="feedback_alignment_hebb",
        summary="feedback alignment plus Hebb on the errors",
        dw=fb_err * dphi * PRE - gain * fb_err * dphi * pre_err,
        constants=CONSTANTS,
        reference=REFERENCE,
    ),
)
