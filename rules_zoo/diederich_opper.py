"""Diederich and Opper: learn the difference between the given activity and the net input.

    dw = pre (post - u)

The delta rule of Widrow and Hoff for clamped units: the weights change until the net input from the other units
equals the activity that the unit is clamped to. Shown N linearly independent patterns or fewer, again and again, the
weights tend to the projector on their span, so that every pattern reproduces itself: u = post. No constants. It
converges while eta times the largest eigenvalue of sum over patterns of pre pre^T stays below 2.
"""

from substrate import POST, PRE, Rule, names

(u,) = names("u")

RULE = Rule(
    name="diederich_opper",
    summary="learns what the net input misses of the pattern",
    dw=PRE * (POST - u),
    reference="Diederich & Opper 1987, Phys. Rev. Lett. 58(9):949-952; Widrow & Hoff 1960, IRE WESCON 4:96-104",
    note="Needs clamped units: where post is computed from a linear u, nothing changes.",
)
