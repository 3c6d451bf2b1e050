"""Every distinct rule up to a size: a formula for the weight, and one for the rate of every slow variable.

The size of a rule is the number of operations of all its formulas. A slow variable that the weight does not depend on
changes nothing, so rules that have one are left out: they are those without it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np

from evolve.config.survey_config import UpTo
from evolve.search import fingerprint
from evolve.survey import field as modular
from evolve.survey.formulas import Formulas
from substrate.compilation.graph import Graph

#: Numerator and denominator of the factors that are known, where rules count up to a factor.
FACTORS = 64


@dataclass(frozen=True)
class Rules:
    """Distinct rules, shortest first, as places (rule, equation) in a list of formulas."""

    formulas: Formulas
    outputs: tuple[str, ...]
    places: np.ndarray
    sizes: np.ndarray  # operations of every rule

    def __len__(self) -> int:
        return len(self.places)

    @property
    def counts(self) -> list[int]:
        """How many rules have 0, 1, 2, ... operations."""
        return np.bincount(self.sizes).tolist()

    def graph(self, rule: int) -> Graph:
        """One rule, ready to be scored."""
        return self.formulas.graphs(
            dict(zip(self.outputs, self.places[rule].tolist(), strict=True))
        )

    def keys(self, rule: int) -> tuple[int, ...]:
        """The fingerprint of a rule, as searches have it."""
        return tuple(self.formulas.keys[self.places[rule]].tolist())


def rules(found: Formulas, outputs: tuple[str, ...] = ("dw",), up_to: UpTo = "equality") -> Rules:
    """All rules whose equations are formulas of a list; the slow variables are those of the outputs `d_NAME`."""
    size = found.size
    slow = [name.removeprefix("d_") for name in outputs[1:]]
    if not slow:
        places = np.arange(len(found), dtype=np.int32)[:, None]
        sizes = np.repeat(np.arange(found.size + 1), found.counts)
    else:
        parts = list(_combinations(found, slow, size))
        places = np.concatenate([p for p, _ in parts])
        sizes = np.concatenate([np.full(len(p), s) for p, s in parts])
    if up_to == "factor":
        first = _up_to_factor(found, places)
        places, sizes = places[first], sizes[first]
    return Rules(found, outputs, places, sizes)


def _combinations(
    found: Formulas, slow: Sequence[str], size: int
) -> Iterator[tuple[np.ndarray, int]]:
    """Places of rules whose slow variables all matter to the weight, by rising size."""
    reads = np.stack([found.reads(name) for name in slow], axis=1)  # (formula, variable)
    for total in range(size + 1):
        for split in product(range(total + 1), repeat=len(slow) + 1):
            if sum(split) != total:
                continue
            grids = np.meshgrid(*(np.array(found.of_size(s)) for s in split), indexing="ij")
            places = np.stack([g.ravel() for g in grids], axis=1).astype(np.int32)
            needed = reads[places[:, 0]]
            for _ in slow:  # what is needed may need others
                for i in range(len(slow)):
                    needed = needed | (needed[:, [i]] & reads[places[:, i + 1]])
            kept = places[needed.all(axis=1)]
            if len(kept):
                yield kept, total


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
    rest = [quotients, *(found.keys[places[:, i]] for i in range(1, places.shape[1]))]
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
