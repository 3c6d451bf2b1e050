"""Asymmetric Hebb: the input of one step ago is associated with the activity now.

    asymmetric_hebb: dw = pre_delayed post
    asymmetric_instar: dw = post (pre_delayed - w)
    asymmetric_covariance: dw = (pre_delayed - pre_mean) (post - post_mean)
    asymmetric_delta: dw = pre_delayed (post - u)
    dpre_mean = (pre - pre_mean) / tau
    dpost_mean = (post - post_mean) / tau

The weights of a chain of patterns become sum_t xi(t+1) xi(t)^T, so that each pattern recalls the next. With the
instar the weights tend to the share of post's activity that follows pre's, so units that are often active get no
larger weights for it. Subtracting both means has the same effect. The delta rule also
subtracts what the other units predict, and stores every chain whose patterns are linearly independent.

`tau` [steps] is the memory of the means. It must be long against the chain.
"""

from substrate import POST, PRE, Rule, Slow, W, names

pre_delayed, u, tau, pre_mean, post_mean = names("pre_delayed u tau pre_mean post_mean")

AMARI = "Amari 1972, IEEE Trans. Comput. C-21(11):1197-1206"
MEANS = (
    Slow("pre_mean", rate=(PRE - pre_mean) / tau, scope="pre"),
    Slow("post_mean", rate=(POST - post_mean) / tau, scope="post"),
)

RULE = (
    Rule(
        name="asymmetric_hebb",
        summary="Hebb on what arrived one step ago",
        dw=pre_delayed * POST,
        reference=f"{AMARI}; Sompolinsky & Kanter 1986, Phys. Rev. Lett. 57(22):2861-2864",
    ),
    Rule(
        name="asymmetric_instar",
        summary="weights move to the input of one step ago",
        dw=POST * (pre_delayed - W),
        reference="Grossberg 1976, Biol. Cybern. 23(3):121-134, with a delay",
    ),
    Rule(
        name="asymmetric_covariance",
        summary="delayed Hebb on deviations from the means",
        dw=(pre_delayed - pre_mean) * (POST - post_mean),
        constants={"tau": 100.0},
        slow=MEANS,
        reference="Sejnowski 1977, J. Math. Biol. 4(4):303-321, with a delay",
    ),
    Rule(
        name="asymmetric_delta",
        summary="delayed Hebb less what is predicted already",
        dw=pre_delayed * (POST - u),
        reference="Diederich & Opper 1987, Phys. Rev. Lett. 58(9):949-952, with a delay",
        note="Needs clamped units: where post is computed from a linear u, nothing changes.",
    ),
)
