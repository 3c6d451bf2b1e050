"""Delta rule: only neurons that know their own error learn.

    dw = err pre

In a layered network these are the output neurons, so the hidden layers keep their random
start weights: this is the readout-only baseline of credit assignment. No constants. For a linear neuron it
converges in the mean while eta is below 2 / lambda_max of the inputs' correlation matrix.
"""

from substrate import PRE, Rule, names

(err,) = names("err")

RULE = Rule(
    name="delta",
    summary="only neurons that know their error learn",
    dw=err * PRE,
    reference="Widrow & Hoff 1960, IRE WESCON Convention Record 4:96-104",
)
