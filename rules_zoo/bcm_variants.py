"""BCM with its first threshold, and with one that does not depend on scale.

    bcm_original: dw = pre post (post - post_mean**2)
    bcm_law_cooper: dw = pre post (post - theta) / theta
    dpost_mean = (post - post_mean) / tau
    dtheta = (post**2 - theta) / tau

The threshold of the first is the square of the mean, in units of an output of 1, which is superlinear in activity as
stability asks. Shown K independent patterns equally often, a linear neuron then responds with K**2 to one and with 0
to the others. The second divides by the threshold, so that strong inputs do not learn faster than weak ones; its
fixed points are those of `bcm`: a response of K to one pattern.

`tau` [steps] is the memory of the threshold: longer than the patterns take to alternate, and short against the
learning.
"""

from substrate import POST, PRE, Rule, Slow, names

tau, theta, post_mean = names("tau theta post_mean")

CONSTANTS = {"tau": 50.0}

RULE = (
    Rule(
        name="bcm_original",
        summary="BCM, threshold the square of the mean activity",
        dw=PRE * POST * (POST - post_mean**2),
        constants=CONSTANTS,
        slow=(Slow("post_mean", rate=(POST - post_mean) / tau, scope="post", initial=1.0),),
        reference="Bienenstock, Cooper & Munro 1982, J. Neurosci. 2(1):32-48",
    ),
    Rule(
        name="bcm_law_cooper",
        summary="BCM divided by its threshold, free of scale",
        dw=PRE * POST * (POST - theta) / theta,
        constants=CONSTANTS,
        slow=(Slow("theta", rate=(POST**2 - theta) / tau, scope="post", initial=1.0),),
        reference="Law & Cooper 1994, Proc. Natl Acad. Sci. 91(16):7797-7801",
    ),
)
