"""Hebb: cells that fire together wire together.

    dw = pre post

The direction of the weights goes to the first eigenvector of E[pre pre^T] (the first principal
component if the mean input is 0) and their norm grows without bound, by a factor of about
exp(eta lambda1) a step. No constants. It holds until the weights overflow: stop early or normalise.
"""

from substrate import POST, PRE, Rule

RULE = Rule(
    name="hebb",
    summary="cells that fire together wire together",
    dw=PRE * POST,
    reference="Hebb 1949, The Organization of Behavior, Wiley",
    note="Unbounded: the weights diverge on every stationary input.",
)
