"""Rules for a spiking neuron that finds a pattern that comes back: by hand, and evolved.

    masquelier2018: dw_on_post = E_c - decay
    jordan2021_correlation_lr1: dw_on_pre = w + E_c - w E_c
    jordan2021_correlation_lr1: dw_on_post = E_c - w

`decay` [trace] is what a synapse loses at a spike of its neuron, 0.15, at a learning rate of 0.01. E_c is the trace
of the partner: of the input when the neuron spikes, of the neuron when an input does. Weights lie
in [0, 1]. The first, by hand, strengthens what came just before a spike and weakens all synapses alike, which keeps
the neuron's rate. In the second the decay is that of the weight, and inputs strengthen at their own spikes. The
article subtracts what acts at presynaptic spikes; here signs are those of the change. Its SNR is 18.4 and 14.9 on new
experiments of 200 s; ours is in `tasks/correlation_driven.py`, also that of its LR2, which is not here: its
(w E_c)^w - 1 has a weight as exponent, and a rule cannot have that.
"""

from substrate import Rule, W, names
from substrate.rule import ON_POST, ON_PRE

E_c, decay = names("E_c decay")

REFERENCE = "Jordan, Schmidt, Senn & Petrovici 2021, eLife 10:e66273"

RULE = (
    Rule(
        name="masquelier2018",
        summary="pairs potentiate, own spikes depress",
        dw={ON_POST: E_c - decay},
        constants={"decay": 0.15},
        reference="Masquelier 2018, Neuroscience 389:133-140, as in Jordan et al. 2021",
    ),
    Rule(
        name="jordan2021_correlation_lr1",
        summary="evolved: pairs, and decay with the weight",
        dw={ON_PRE: W + E_c - W * E_c, ON_POST: E_c - W},
        reference=REFERENCE,
    ),
)
