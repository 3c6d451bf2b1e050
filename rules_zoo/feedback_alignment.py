"""Feedback alignment: errors come down through fixed random weights.

    dw = fb_err dphi pre

The forward weights align with the feedback weights: after a while the error that arrives points in
about the direction of the gradient. No constants. It weakens in deep narrow networks that see few examples.
"""

from substrate import PRE, Rule, names

fb_err, dphi = names("fb_err dphi")

RULE = Rule(
    name="feedback_alignment",
    summary="errors come down by fixed random weights",
    dw=fb_err * dphi * PRE,
    reference="Lillicrap, Cownden, Tweed & Akerman 2016, Nature Communications 7:13276",
)
