"""What searches wait for: scores that come in stages, between which other searches may go on."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

import numpy as np

#: Fitness of the rules of several searches once it is known, and None after every stage that leads to another one.
PendingScores = Iterator[list[np.ndarray] | None]


class Running(NamedTuple):
    """Individuals that the devices are working on."""

    raw: list[Future[Any]]  # one a call
    lanes: list[list[int]]  # of the members of each call
    members: np.ndarray  # places in the population, in the order of the lanes


def wait(pending: PendingScores) -> list[np.ndarray]:
    """Wait for all stages."""
    return next(found for found in pending if found is not None)
