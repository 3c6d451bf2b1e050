"""Rules that evolution found for reward-driven learning with spikes, and the rule by hand that they began from.

    jordan2021_lr0: dw = (R - 1) E
    jordan2021_lr1: dw = (1 + R Rbar) (R - 1) E
    jordan2021_lr2: dw = (R - (Rbar_p - Rbar_m)) E
    jordan2021_lr3: dw = (R - (Rbar_p - Rbar_m)) E / (1 + Rbar_p)
    jordan2021_lr4: dw = (R - 1) E + (R - 1) (R + 2 Rbar_p)
    jordan2021_lr5: dw = 2 q E - q R Rbar_m
    jordan2021_lr5: q = R - (Rbar_p - R Rbar_m)

The first, by hand, learns from errors alone. The second learns more, the more reward it expects; the third has a
baseline that tends to 1; the fourth learns less, the better it goes; the last two have a homeostatic term.
R is 1 or -1, E the eligibility of the synapse at the end of a trial, Rbar_p and Rbar_m running means of the positive
and the negative rewards, so that Rbar_p - Rbar_m is the mean absolute reward, which tends to 1. No constants. Printed
sums of reward over 500 trials are 216.2, 234.2, 242.0, 256.0, 247.2 and 254.8; ours are in `tasks/reward_driven.py`.
They hold where eta times E is small against the weights.
"""

from substrate import Rule, names

R, E, Rbar, Rbar_p, Rbar_m = names("R E Rbar Rbar_p Rbar_m")

REFERENCE = "Jordan, Schmidt, Senn & Petrovici 2021, eLife 10:e66273"
_Q = R - (Rbar_p - R * Rbar_m)

RULE = (
    Rule(
        name="jordan2021_lr0",
        summary="reward-driven, by hand: learn from errors alone",
        dw=(R - 1) * E,
        reference=f"Urbanczik & Senn 2009, Nat. Neurosci. 12:250-252; {REFERENCE}",
    ),
    Rule(
        name="jordan2021_lr1",
        summary="evolved: scales with the expected reward",
        dw=(1 + R * Rbar) * (R - 1) * E,
        reference=REFERENCE,
    ),
    Rule(
        name="jordan2021_lr2",
        summary="evolved: baseline of the mean absolute reward",
        dw=(R - (Rbar_p - Rbar_m)) * E,
        reference=REFERENCE,
    ),
    Rule(
        name="jordan2021_lr3",
        summary="evolved: slows down as success grows",
        dw=(R - (Rbar_p - Rbar_m)) * E / (1 + Rbar_p),
        reference=REFERENCE,
    ),
    Rule(
        name="jordan2021_lr4",
        summary="evolved: errors alone, and homeostasis",
        dw=(R - 1) * E + (R - 1) * (R + 2 * Rbar_p),
        reference=REFERENCE,
    ),
    Rule(
        name="jordan2021_lr5",
        summary="evolved: a baseline of its own, and homeostasis",
        dw=2 * _Q * E - _Q * R * Rbar_m,
        reference=REFERENCE,
    ),
)
