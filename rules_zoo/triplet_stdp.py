"""Triplet STDP: pairs, and what a third spike adds to them.

    triplet_stdp: dw_on_post = a3_plus pre_tr post_slow
    triplet_stdp: dw_on_pre = -a2_minus post_tr
    triplet_stdp_full: dw_on_post = pre_tr (a2_plus + a3_plus post_slow)
    triplet_stdp_full: dw_on_pre = -post_tr (a2_minus + a3_minus pre_slow)
    triplet_stdp_hippocampus: dw_on_post = pre_tr (a2_plus + a3_plus post_slow)
    triplet_stdp_hippocampus: dw_on_pre = -a2_minus post_tr
    triplet_stdp_hippocampus_full: dw_on_post = pre_tr (a2_plus + a3_plus post_slow)
    triplet_stdp_hippocampus_full: dw_on_pre = -post_tr (a2_minus + a3_minus pre_slow)
    triplet_stdp_nearest: dw_on_post = a3_plus pre_tr post_slow
    triplet_stdp_nearest: dw_on_pre = -a2_minus post_tr

`a2_plus` [start weight] and `a3_plus` [start weight] are the sizes of potentiation by pairs and by triplets,
`a2_minus` [start weight] and `a3_minus` [start weight] those of depression. The slow traces remember the spikes
before, read before the spike itself counts. So potentiation grows with the postsynaptic rate, which is what pairs at
40 Hz show, and a post-pre-post triplet does more than a pre-post-pre one. Fast traces have 16.8 (pre) and 33.7 ms
(post). The slow one of the neuron has 114 or 125 ms in triplet_stdp and 125 ms in triplet_stdp_full, both for visual
cortex, 40 ms in triplet_stdp_nearest, 40 ms in triplet_stdp_hippocampus and 27 ms in its full form; that of the
input has 101 ms in visual cortex and 946 ms in hippocampus. The sets of the hippocampus are recalled, not read.
Weights are in units of the start weight.
"""

from substrate import Rule, names
from substrate.rule import ON_POST, ON_PRE

pre_tr, post_tr, pre_slow, post_slow = names("pre_tr post_tr pre_slow post_slow")
a2_plus, a3_plus, a2_minus, a3_minus = names("a2_plus a3_plus a2_minus a3_minus")

REFERENCE = "Pfister & Gerstner 2006, J. Neurosci. 26:9673-9682"
RECALLED = "Constants recalled from the publication, unverified."


def _rule(
    name: str, summary: str, sizes: tuple[float, float, float, float], note: str = ""
) -> Rule:
    """The rule with constants (a2_plus, a3_plus, a2_minus, a3_minus); those that are 0 are left out."""
    keys = ("a2_plus", "a3_plus", "a2_minus", "a3_minus")
    constants = {key: size for key, size in zip(keys, sizes, strict=True) if size}
    kept = {s: s if str(s) in constants else 0 for s in (a2_plus, a3_plus, a2_minus, a3_minus)}
    return Rule(
        name=name,
        summary=summary,
        dw={
            ON_POST: pre_tr * (kept[a2_plus] + kept[a3_plus] * post_slow),
            ON_PRE: -post_tr * (kept[a2_minus] + kept[a3_minus] * pre_slow),
        },
        constants=constants,
        reference=REFERENCE,
        note=note,
    )


RULE = (
    _rule("triplet_stdp", "triplets of spikes, visual cortex", (0, 6.5e-3, 7.1e-3, 0)),
    _rule(
        "triplet_stdp_full",
        "triplets, visual cortex, all terms",
        (5e-10, 6.2e-3, 7e-3, 2.3e-4),
    ),
    _rule(
        "triplet_stdp_hippocampus",
        "triplets of spikes, hippocampus",
        (5.3e-3, 8.0e-3, 3.5e-3, 0),
        RECALLED,
    ),
    _rule(
        "triplet_stdp_hippocampus_full",
        "triplets, hippocampus, all terms",
        (6.1e-3, 6.7e-3, 1.6e-3, 1.4e-3),
        RECALLED,
    ),
    _rule("triplet_stdp_nearest", "triplets of nearest spikes", (0, 5.2e-2, 8.0e-3, 0)),
)
