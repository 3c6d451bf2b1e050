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
    """Draw which neuron excites which, (post, pre) of 0 and 1; visible neurons come first and are never targets.

    Sources wait in a queue, at first the visible neurons, and each draws targets until a draw fails. A latent neuron
    that becomes a target for the first time joins the queue.

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
    edges = np.zeros((n, n))
    queue = list(range(visible))
    while queue:
        source = queue[0]
        targets = int(edges[:, source].sum())
        free = [i for i in range(visible, n) if i != source and not edges[i, source]]
        if not free or rng.random() >= (onward**targets if targets else 1.0 - nothing):
            queue.pop(0)
            continue
        while True:
            candidate = free[rng.integers(len(free))]
            sources = int(edges[candidate].sum())
            if rng.random() < shared**sources:
                break
        if not sources:
            queue.append(candidate)
        edges[candidate, source] = 1.0
    return edges
