"""R-max: reward times eligibility, with or without the expected reward taken off.

    r_max: dw = R E
    r_max_baseline: dw = (R - Rbar) E

E is a synapse's eligibility at the end of a trial, R its reward and Rbar the running mean of R. Both follow the
gradient of the expected reward on average, if E is the derivative of the log probability of the spikes; the baseline
leaves the mean as it is and takes off variance. No constants. Where E comes from a wider escape function than that by
which the neuron spikes, as in the reward-driven task, they are far from the gradient and learn little.
"""

from substrate import Rule, names

R, E, Rbar = names("R E Rbar")

REFERENCE = "Xie & Seung 2004, Phys. Rev. E 69:041909; Fremaux, Sprekeler & Gerstner 2010, J. Neurosci. 30:13326"

RULE = (
    Rule(
        name="r_max",
        summary="reward times eligibility",
        dw=R * E,
        reference=REFERENCE,
    ),
    Rule(
        name="r_max_baseline",
        summary="reward less its mean, times eligibility",
        dw=(R - Rbar) * E,
        reference=REFERENCE,
    ),
)
