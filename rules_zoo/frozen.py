"""Frozen: the control that does not learn.

    dw = 0

What a network scores under it is the floor of every task. No constants; it holds always.
"""

from sympy import Integer

from substrate import Rule

RULE = Rule(
    name="frozen", summary="the control that does not learn", dw=Integer(0), reference="control"
)
