"""Weight mirror: feedback weights copy the forward weights from the responses to noise.

    dw_forward = fb_err dphi pre
    dw_feedback = speed (noise mirror - w)

To noise xi in a layer the next one responds with W xi (`mirror`), and <xi (W xi)^T> = W^T. With W at rest
the feedback weights settle at W^T up to noise of relative power a (n + 1) / (2 - a), a = eta speed, n
the number of senders; its root is the tangent of the angle between the two. In the publication
phases of noise and of learning alternate; here the mirror receives its noise separately from the signals, which is
equivalent.

`speed` [1] is the learning rate of the feedback over that of the forward weights: as small as the
change of the forward weights allows.
"""

from substrate import PRE, Rule, W, names

fb_err, dphi, noise, mirror, speed = names("fb_err dphi noise mirror speed")

RULE = Rule(
    name="weight_mirror",
    summary="feedback copies forward weights from noise",
    dw={"forward": fb_err * dphi * PRE, "feedback": speed * (noise * mirror - W)},
    constants={"speed": 0.1},
    reference="Akrout, Wilson, Humphreys, Lillicrap & Tweed 2019, NeurIPS 32, arXiv:1904.05391",
)
