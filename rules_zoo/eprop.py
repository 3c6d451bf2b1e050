"""E-prop for rate neurons: a filtered input, the neuron's slope now, an error sent back at random.

    dp = leak (pre - p)
    dw = fb_err dphi (p + dp)

Bellec's rule without spikes and without adaptation: the pseudo-derivative becomes phi', the filtered spike train the
filtered rate. It differs from `rflo` in that the slope is outside the filter, so there is one trace for each input
and not for each synapse. If the leak acts before the nonlinearity, as in a membrane potential, and the feedback is
the readout's transpose, this is exactly the gradient without the paths through other neurons. No constants.
"""

import sympy

from substrate import PRE, Rule, Slow, names

fb_err, dphi, leak, p = names("fb_err dphi leak p")
dp: sympy.Expr = leak * (PRE - p)

RULE = Rule(
    name="eprop",
    summary="filtered input, slope, error sent at random",
    dw=fb_err * dphi * (p + dp),
    slow=(Slow("p", dp, scope="pre"),),
    reference="Bellec, Scherr, Subramoney, Hajek, Salaj, Legenstein & Maass 2020, Nature Communications 11:3625",
    note="The form without adaptation, for which the published equation has a second trace.",
)
