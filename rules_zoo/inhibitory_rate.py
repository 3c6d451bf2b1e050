"""Inhibitory plasticity for rates: inhibition grows where a neuron is more active than it should be.

    dw_lateral = pre (post - target)

The weights inhibit. At rest the mean of pre post is `target` times the mean of pre, so every neuron that gets
inhibition fires at about the target rate whatever excites it: inhibition comes to balance excitation.

`target` [rate] is the wanted activity. It holds for rectified neurons whose uninhibited rates lie above the target.
"""

from substrate import POST, PRE, Rule, names

(target,) = names("target")

RULE = Rule(
    name="inhibitory_rate",
    summary="inhibition grows where activity is too high",
    dw={"lateral": PRE * (POST - target)},
    constants={"target": 0.1},
    reference="Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011, Science 334:1569-1573, for rates",
)
