"""The random somatic scaffold of an ELiSe network, grown from its visible neurons."""

import numpy as np


def grow(
    rng: np.random.Generator,
    visible: int,
    latent: int,
    nothing: float = 0.04,
    onward: float = 0.2,
    shared: float = 0.15,
) -> np.ndarray:
    """Draw which neuron pushes which, (post, pre) of 0 and 1; visible neurons come first and are never pushed.

    Sources wait in line, at first the visible neurons, and each connects until it fails; a latent neuron that is
    reached for the first time joins the line.

    Parameters
    ----------
    nothing
        Probability that a source has no target.
    onward
        A source with n targets gets another with the probability onward**n.
    shared
        A candidate with n sources accepts with the probability shared**n.
    """
    n = visible + latent
    pushes = np.zeros((n, n))
    line = list(range(visible))
    while line:
        source = line[0]
        targets = int(pushes[:, source].sum())
        free = [i for i in range(visible, n) if i != source and not pushes[i, source]]
        if not free or rng.random() >= (onward**targets if targets else 1.0 - nothing):
            line.pop(0)
            continue
        while True:
            candidate = free[rng.integers(len(free))]
            sources = int(pushes[candidate].sum())
            if rng.random() < shared**sources:
                break
        if not sources:
            line.append(candidate)
        pushes[candidate, source] = 1.0
    return pushes
