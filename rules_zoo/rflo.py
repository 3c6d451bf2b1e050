"""Random feedback local online learning (RFLO): an eligibility trace meets an error sent back at random.

    dp = leak (dphi pre - p)
    dw = fb_err (p + dp)

p + dp is the eligibility after this step's activity. Of the gradient through time RFLO keeps the effect of a neuron
on itself through its leak, and drops the paths through other neurons. If the leak acts after the nonlinearity, and
the feedback is the readout's transpose, it is exactly that truncated gradient; if the leak acts before it, `eprop`
is. No constants: the trace has the neuron's own leak. With leak = 1 it is feedback alignment, at
a linear readout the delta rule.
"""

import sympy

from substrate import PRE, Rule, Slow, names

fb_err, dphi, leak, p = names("fb_err dphi leak p")
dp: sympy.Expr = leak * (dphi * PRE - p)

RULE = Rule(
    name="rflo",
    summary="an eligibility trace meets a random error",
    dw=fb_err * (p + dp),
    slow=(Slow("p", dp),),
    reference="Murray 2019, eLife 8:e43299",
    note="Fails where the delay is long against the slowest mode of the network.",
)
