"""Outstar: the weights from an active neuron move towards the pattern that it should recall.

    dw = pre (post - w)

With the outputs clamped the weights settle at E[pre post] / E[pre], the mean output while the input is active: one
cell learns to recall a pattern. No constants. It holds for inputs that are not negative and eta pre below 1.
"""

from substrate import POST, PRE, Rule, W

RULE = Rule(
    name="outstar",
    summary="an active input's weights move to the outputs",
    dw=PRE * (POST - W),
    reference="Grossberg 1968, Proc. Natl Acad. Sci. 59(2):368-372",
    note="Needs clamped outputs and pre >= 0.",
)
