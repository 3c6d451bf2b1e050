"""Similarity matching: outputs are as similar as the inputs are, with local rules only.

    dw_forward = post (pre - post w) / power
    dw_lateral = post (pre - post w) / power
    dpower = post**2

Forward weights are Hebbian, lateral ones, which inhibit, anti-Hebbian, and both decay with the output; each neuron
divides by the sum of its squared outputs so far, so its learning rate falls by itself. The outputs, settled, span
the principal subspace of the inputs. No constants; `power` starts at 100 for inputs of variance about 1. It holds
for linear neurons that settle between inputs.
"""

from substrate import POST, PRE, Rule, Slow, W, names

(power,) = names("power")

CHANGE = POST * (PRE - POST * W) / power

RULE = Rule(
    name="similarity_matching",
    summary="outputs are as alike as the inputs are",
    dw={"forward": CHANGE, "lateral": CHANGE},
    slow=(Slow("power", rate=POST**2, scope="post", initial=100.0),),
    reference="Pehlevan, Hu & Chklovskii 2015, Neural Comput. 27(7):1461-1495",
)
