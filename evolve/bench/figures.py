"""What a benchmark reports: figures with their spread, ratios of figures that were timed in turns."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, Literal, NamedTuple


class Figure(NamedTuple):
    """One quantity, measured several times."""

    name: str  # for programs; the part comes first, as in `engine.layer_ratio`
    what: str  # for people
    unit: str
    better: Literal["less", "more"]
    values: tuple[float, ...]
    notes: Mapping[
        str, Any
    ] = {}  # what else a reader should know, for instance how many reached a goal

    @property
    def median(self) -> float:
        """The middle value; nan if there is none."""
        return median(self.values) if self.values else float("nan")

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the greatest value."""
        return (min(self.values), max(self.values)) if self.values else (float("nan"),) * 2

    def record(self) -> dict[str, Any]:
        """As JSON shows it."""
        low, high = self.spread
        own = {"what": self.what, "unit": self.unit, "better": self.better}
        numbers = {"median": self.median, "min": low, "max": high, "n": len(self.values)}
        return {**own, **numbers, **self.notes}


#: Tells a person what is being measured now.
Say = Callable[[str], None]


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(work: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time several things `repeats` times each, one after the other in every round, after a round to warm up."""
    for call in work.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(repeats):
        for name, call in work.items():
            seconds[name].append(timed(call))
    return seconds


def ratio(above: Sequence[float], below: Sequence[float]) -> tuple[float, ...]:
    """Ratio of the medians first of all: it is the median of what is returned.

    The least and the greatest are those of the rounds, in which both were timed one after the other.
    """
    rounds = [a / b for a, b in zip(above, below, strict=True)]
    middle = median(above) / median(below)
    return (min(*rounds, middle), middle, max(*rounds, middle))
