"""Reward-modulated node perturbation: noise that was followed by a good reward is made permanent.

    dp = noise pre
    dw_forward = gain dreward (p + dp)
    dw_readout = err pre

Averaged over the noise it follows the gradient through time, without any error sent back, but its variance grows
with the number of neurons and steps. The readout, which has its error, follows the delta rule.

`gain` [1] is the hidden layer's learning rate over the readout's, on noise in units of its standard deviation: the
published 0.3 on noise of 0.05.
"""

import sympy

from substrate import PRE, Rule, Slow, names

noise, dreward, err, p, gain = names("noise dreward err p gain")
dp: sympy.Expr = noise * PRE

RULE = Rule(
    name="three_factor",
    summary="noise before a good reward is made permanent",
    dw={"forward": gain * dreward * (p + dp), "readout": err * PRE},
    constants={"gain": 0.015},
    slow=(Slow("p", dp),),
    reference="Fiete & Seung 2006, Physical Review Letters 97:048104",
)
