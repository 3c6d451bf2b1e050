"""Scores of the formulas met, of bounded size: those that were not needed for longest are forgotten."""

from collections import OrderedDict
from collections.abc import Mapping

#: Fingerprint of every equation of a rule.
Key = tuple[int, ...]


class ScoreCache:
    """A table of scores, shared by all islands of a search.

    Only what a search really did counts as use: `in` and `peek` leave no trace, so looking ahead does not change what
    is forgotten. A formula that was forgotten and is met again is evaluated again.

    Parameters
    ----------
    capacity
        Formulas it holds at most.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._scores: OrderedDict[Key, float] = OrderedDict()  # least recently used first

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, key: Key) -> bool:
        return key in self._scores

    def peek(self, key: Key) -> float | None:
        """The score of a formula, if it is known."""
        return self._scores.get(key)

    def recall(self, key: Key) -> float:
        """The score of a known formula, which counts as use."""
        self._scores.move_to_end(key)
        return self._scores[key]

    def learn(self, scores: Mapping[Key, float]) -> None:
        """Add formulas that are not known, and forget what no longer fits."""
        self._scores.update(scores)
        while len(self._scores) > self.capacity:
            self._scores.popitem(last=False)
