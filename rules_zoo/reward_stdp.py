"""Reward-modulated spike-timing-dependent plasticity: causal synapses become stronger if a reward followed.

    dw = c_plus reward

`c_plus` is the reading of the causal correlation sensor, `reward` the reward less its running mean, so a synapse that
contributed to a better action than expected grows. No constants; the gain is the learning rate. It holds where gain
times reward stays within the format of the modulator: too small a gain is truncated to nothing, too large a one
saturates.
"""

from substrate import Rule, names

c_plus, reward = names("c_plus reward")

RULE = Rule(
    name="reward_stdp",
    summary="what was causal grows if it was rewarded",
    dw=c_plus * reward,
    reference="Wunderlich et al. 2019, Front. Neurosci. 13:260; Fremaux & Gerstner 2016, Front. Neural Circuits 9:85",
)
