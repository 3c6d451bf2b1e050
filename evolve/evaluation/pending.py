"""What searches wait for: scores that come in stages, between which others may go on."""

from collections.abc import Iterator

import numpy as np

#: Fitness of the rules of several searches when it is there, and None after every stage that leads to another one.
PendingScores = Iterator[list[np.ndarray] | None]


def wait(pending: PendingScores) -> list[np.ndarray]:
    """Wait for all stages."""
    return next(found for found in pending if found is not None)
