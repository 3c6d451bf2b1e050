"""Feedback alignment: errors come down through fixed random weights.

    dw = fb_err dphi pre

The forward weights come to agree with the feedback: after a while the error that arrives points
the way the gradient would. No constants. It weakens in deep narrow networks that see few examples.
"""

from substrate import PRE, Rule, names

fb_err, dphi = names("fb_err dphi")

RULE = Rule(
    name="feedback_alignment",
    summary="errors come down by fixed random weights",
    dw=fb_err * dphi * PRE,
    reference="Lillicrap, Cownden, Tweed & Akerman 2016, Nature Communications 7:13276",
)
