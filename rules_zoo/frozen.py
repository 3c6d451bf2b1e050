"""Frozen: the control that does not learn.

    dw = 0

The score of the network under it is the floor of every task. No constants; it always holds.
"""

from sympy import Integer

from substrate import Rule

RULE = Rule(
    name="frozen", summary="the control that does not learn", dw=Integer(0), reference="control"
)
