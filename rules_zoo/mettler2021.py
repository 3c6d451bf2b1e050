"""Two evolved rules for the first principal component: Oja's rule at twice the speed, with further terms.

    mettler2021_lr1: dw = (2 post + 1 + w) (pre - post w)
    mettler2021_lr2: dw = 2 post (pre - w (post + pre post))

On inputs of zero mean and symmetric distribution the further terms average out, so that the drift of
both is twice Oja's and they add only noise. On other inputs their mean effect is not zero. No constants. The
first holds where Oja at twice its learning rate does. In the second the fluctuation w pre post**2
can make the weights diverge: of random Gaussian data sets with variances up to 1, shown 1,800 samples,
none diverges at eta 0.002, but one in eight at eta 0.01 with two inputs and half with ten.
"""

from substrate import POST, PRE, Rule, W

REFERENCE = "Mettler, Schmidt, Senn, Petrovici & Jordan 2021, GECCO Companion, arXiv:2102.04312"
RECALLED = "Recalled from the publication, form unverified."

RULE = (
    Rule(
        name="mettler2021_lr1",
        summary="evolved: Oja twice as fast, with extras",
        dw=(2 * POST + 1 + W) * (PRE - POST * W),
        reference=REFERENCE,
        note=f"{RECALLED} Twice Oja's drift for zero-mean inputs.",
    ),
    Rule(
        name="mettler2021_lr2",
        summary="evolved: Oja twice as fast, less stable",
        dw=2 * POST * (PRE - W * (POST + PRE * POST)),
        reference=REFERENCE,
        note=f"{RECALLED} Stable for eta <= 0.002; diverges on many data sets at 0.01.",
    ),
)
