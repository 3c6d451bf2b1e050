"""Kolen-Pollack: feedback weights learn by the same products as forward weights, and both decay.

    dw_forward = fb_err dphi pre - decay w
    dw_feedback = pre post - decay w

A feedback synapse carries the teaching signal of the layer above (`pre`) to a neuron of the layer
below (`post`): its product is that of the reciprocal forward synapse. So W - B^T only decays,

    W(t) - B(t)^T = (1 - eta decay)^t (W(0) - B(0)^T)

and the rule ends as backprop with weight decay, with nothing carried over but signals.

`decay` [per unit of eta] is the rate of forgetting. It must be small against the errors' products and
large against 1 / (eta steps).
"""

from substrate import POST, PRE, Rule, W, names

fb_err, dphi, decay = names("fb_err dphi decay")

RULE = Rule(
    name="kolen_pollack",
    summary="feedback learns as forward weights do",
    dw={"forward": fb_err * dphi * PRE - decay * W, "feedback": PRE * POST - decay * W},
    constants={"decay": 0.01},
    reference="Kolen & Pollack 1994, IEEE ICNN 3:1375-1380; "
    "Akrout, Wilson, Humphreys, Lillicrap & Tweed 2019, NeurIPS 32, arXiv:1904.05391",
)
