"""Diederich and Opper: learn what the net input misses of the given activity.

    dw = pre (post - u)

The delta rule of Widrow and Hoff for clamped units: a weight moves until the others would make the unit do by itself
what it is made to do. Shown N linearly independent patterns or fewer, again and again, the weights tend to the
projector on their span, so that every pattern reproduces itself: u = post. No constants. It converges while eta
times the largest eigenvalue of sum over patterns of pre pre^T stays below 2.
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
