"""Direct feedback alignment: every layer receives the output error by its own fixed random weights.

    dw = dfa_err dphi pre

Errors need no path through the layers, so all of them can learn at once; the forward weights come to
agree with the feedback as in feedback alignment. No constants. With one hidden layer it is feedback
alignment.
"""

from substrate import PRE, Rule, names

dfa_err, dphi = names("dfa_err dphi")

RULE = Rule(
    name="direct_feedback_alignment",
    summary="errors sent to each layer by fixed weights",
    dw=dfa_err * dphi * PRE,
    reference="Nokland 2016, NeurIPS 29, arXiv:1609.01596",
)
