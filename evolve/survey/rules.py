"""Every distinct rule up to a size: a formula for the weight, and one for the rate of every slow variable.

The size of a rule is the number of operations of all its formulas. A slow variable that the weight does not depend on
changes nothing: its rate is 0, which costs no operation and is no formula of the list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

import numpy as np

from evolve.config.survey_config import UpTo
from evolve.search import fingerprint
from evolve.survey import field as modular
from evolve.survey.formulas import Formulas
from substrate.compilation.graph import Graph

#: The rate of a slow variable that is not read.
UNREAD = -1
#: Numerator and denominator of the factors that are known, where rules count up to a factor.
FACTORS = 64


@dataclass(frozen=True)
class Rules:
    """Distinct rules, shortest first, as places (rule, equation) in a list of formulas; `UNREAD` stands for 0."""

    formulas: Formulas
    outputs: tuple[str, ...]
    places: np.ndarray
    sizes: np.ndarray  # operations of every rule

    def __len__(self) -> int:
        return len(self.places)

    @property
    def counts(self) -> list[int]:
        """How many rules have 0, 1, 2, ... operations."""
        return np.bincount(self.sizes, minlength=self.formulas.size + 1).tolist()

    def only(self, kept: np.ndarray) -> "Rules":
        """Those of a mask."""
        return replace(self, places=self.places[kept], sizes=self.sizes[kept])

    def graph(self, rule: int) -> Graph:
        """One rule, ready to be scored."""
        return self.formulas.graphs(
            dict(zip(self.outputs, self.places[rule].tolist(), strict=True))
        )

    def keys(self, rule: int) -> tuple[int, ...]:
        """The fingerprint of a rule, as searches have it."""
        return tuple(_keys(self.formulas, self.places[rule]).tolist())

    @property
    def all_keys(self) -> np.ndarray:
        """The fingerprints of all rules, (rule, equation)."""
        return _keys(self.formulas, self.places)


def rules(found: Formulas, outputs: tuple[str, ...] = ("dw",), up_to: UpTo = "equality") -> Rules:
    """All rules whose equations are formulas of a list; the slow variables are those of the outputs `d_NAME`."""
    slow = [name.removeprefix("d_") for name in outputs[1:]]
    if not slow:
        places = np.arange(len(found), dtype=np.int32)[:, None]
        sizes = np.repeat(np.arange(found.size + 1), found.counts)
    else:
        parts = list(_combinations(found, slow, found.size))
        places = np.concatenate([p for p, _ in parts])
        sizes = np.concatenate([np.full(len(p), s) for p, s in parts])
    if up_to == "factor":
        first = _up_to_factor(found, places)
        places, sizes = places[first], sizes[first]
    return Rules(found, outputs, places, sizes)


def _keys(found: Formulas, places: np.ndarray) -> np.ndarray:
    """Fingerprints of formulas, 0 where there is none."""
    return np.where(places == UNREAD, np.uint64(0), found.keys[places])


def _combinations(
    found: Formulas, slow: Sequence[str], size: int
) -> Iterator[tuple[np.ndarray, int]]:
    """Places of rules by rising size; first those that read no slow variable, last those that read all."""
    reads = np.stack([found.reads(name) for name in slow], axis=1)  # (formula, variable)
    for total in range(size + 1):
        for used in product((False, True), repeat=len(slow)):
            yield from ((p, total) for p in _of(found, reads, np.array(used), total) if len(p))


def _of(found: Formulas, reads: np.ndarray, used: np.ndarray, total: int) -> Iterator[np.ndarray]:
    """Places of the rules of a size whose weight depends on just these slow variables."""
    allowed = np.flatnonzero(~reads[:, ~used].any(axis=1))
    equations = 1 + int(used.sum())
    columns = [0, *(1 + np.flatnonzero(used))]
    for split in product(range(total + 1), repeat=equations):
        if sum(split) != total:
            continue
        own = [
            allowed[(allowed >= r.start) & (allowed < r.stop)] for r in map(found.of_size, split)
        ]
        grids = np.meshgrid(*own, indexing="ij")
        places = np.full((grids[0].size, 1 + len(used)), UNREAD, np.int32)
        places[:, columns] = np.stack([g.ravel() for g in grids], axis=1)
        needed = reads[places[:, 0]]
        for _ in used:  # what is needed may need others
            for i in np.flatnonzero(used):
                needed = needed | (needed[:, [i]] & reads[places[:, i + 1]])
        yield places[needed[:, used].all(axis=1)]


def _up_to_factor(found: Formulas, places: np.ndarray) -> np.ndarray:
    """The first rule of every class of rules whose weight changes differ by a positive factor.

    The quotient of a formula's values at two points does not depend on a factor. Of rules with the same quotient,
    those whose factor is a positive fraction with small numbers are one class.
    """
    leaves = [
        fingerprint.of_terminal(f"{leaf} again")
        if isinstance(leaf, str)
        else fingerprint.of_number(leaf.value)
        for leaf in found.leaves
    ]
    here, there = found.keys[places[:, 0]], found.evaluate(leaves)[places[:, 0]]
    quotients = modular.mul(here, modular.inverse(there))
    rest = [quotients, *(_keys(found, places[:, i]) for i in range(1, places.shape[1]))]
    _, representative, group = np.unique(
        np.stack(rest, axis=1), axis=0, return_index=True, return_inverse=True
    )
    first = representative[group.ravel()]
    factors = modular.mul(here, modular.inverse(here[first]))
    positive = np.isin(factors, _positive_fractions()) | (here == 0)
    kept = np.flatnonzero(~positive | (np.arange(len(places)) == first))
    # Negative multiples form a class of their own: the first of them stands for it.
    negative = ~positive[kept]
    _, once = np.unique(first[kept][negative], return_index=True)
    return np.sort(np.concatenate([kept[~negative], kept[negative][once]]))


def _positive_fractions() -> np.ndarray:
    """All fractions with small numbers as elements of the field."""
    pairs = {Fraction(p, q) for p in range(1, FACTORS + 1) for q in range(1, FACTORS + 1)}
    prime = fingerprint.PRIME
    return np.array([f.numerator * pow(f.denominator, -1, prime) % prime for f in pairs], np.uint64)
