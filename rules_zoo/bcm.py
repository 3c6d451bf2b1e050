"""BCM: a sliding threshold turns weak activity into depression.

    dw = pre post (post - theta)
    dtheta = (post**2 - theta) / tau

The threshold follows the recent power of the cell, so the synapses of a cell that fires
too much are harder to strengthen. Activity stays bounded where it diverges under plain Hebb, and the
cell becomes selective for one of several patterns. Shown K independent patterns equally often, a
linear cell responds with K to one, with 0 to the others, and theta settles at K.

`tau` [steps] is the memory of the threshold. It must be longer than the patterns take to alternate
and shorter than 1 / (eta |pre|**2): beyond, the threshold lags and the answers oscillate.
"""

from substrate import POST, PRE, Rule, Slow, names

tau, theta = names("tau theta")

RULE = Rule(
    name="bcm",
    summary="Hebb with a threshold that follows activity",
    dw=PRE * POST * (POST - theta),
    constants={"tau": 50.0},
    slow=(Slow("theta", rate=(POST**2 - theta) / tau, scope="post", initial=1.0),),
    reference="Bienenstock, Cooper & Munro 1982, J. Neurosci. 2(1):32-48; "
    "in this form Intrator & Cooper 1992, Neural Networks 5(1):3-17",
)
