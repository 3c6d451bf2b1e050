"""Error-modulated Hebb: hidden layers learn Hebb's products in proportion to the squared error.

    dw_forward = gain err_power post pre
    dw_readout = err pre

The teaching signal of a hidden neuron is its own activity times the error, which is the same for the
whole network; with several outputs their contributions add, sum_c err_c (err_c post). It stops when
the errors do, so it needs no normalisation, but it does not align the layers with the task: only the
readout follows the gradient. It diverges at learning rates at which other rules are stable.

`gain` [1] is the learning rate of the hidden layers over that of the readout.
"""

from substrate import POST, PRE, Rule, names

err, err_power, gain = names("err err_power gain")

RULE = Rule(
    name="error_hebb",
    summary="hidden layers: Hebb times the squared error",
    dw={"forward": gain * err_power * POST * PRE, "readout": err * PRE},
    constants={"gain": 0.01},
    reference="Bordelon & Pehlevan 2023, ICLR, arXiv:2210.02157",
)
