"""Covariance: Hebb on deviations from the mean, so that a constant background changes no weight.

    covariance: dw = (pre - pre_mean) (post - post_mean)
    covariance_pre: dw = (pre - pre_mean) post
    covariance_post: dw = pre (post - post_mean)
    dpre_mean = (pre - pre_mean) / tau
    dpost_mean = (post - post_mean) / tau

One centred factor is enough: in a linear neuron all three drift along C w with C the covariance of
the input, where Hebb drifts along (C + m m^T) w. Like Hebb they are unbounded.

`tau` [steps] is the memory of the means. It must be long against the correlation time of the input
and short against 1 / (eta lambda1); two centred factors share the noise of the estimates and so
drift faster, by a factor 1 + 1 / (2 tau - 1).
"""

from sympy import Expr

from substrate import POST, PRE, Rule, Slow, names

tau, pre_mean, post_mean = names("tau pre_mean post_mean")

MEAN_PRE = Slow("pre_mean", rate=(PRE - pre_mean) / tau, scope="pre")
MEAN_POST = Slow("post_mean", rate=(POST - post_mean) / tau, scope="post")
REFERENCE = "Sejnowski 1977, J. Math. Biol. 4(4):303-321"
NOTE = "Unbounded: the weights diverge on every stationary input."

x, y = PRE - pre_mean, POST - post_mean


def _rule(name: str, dw: Expr, slow: tuple[Slow, ...], summary: str) -> Rule:
    return Rule(name, dw, {"tau": 100.0}, slow, REFERENCE, NOTE, summary)


RULE = (
    _rule("covariance", x * y, (MEAN_PRE, MEAN_POST), "Hebb on deviations from both means"),
    _rule("covariance_pre", x * POST, (MEAN_PRE,), "Hebb on deviations from the mean input"),
    _rule("covariance_post", PRE * y, (MEAN_POST,), "Hebb on deviations from the mean output"),
)
