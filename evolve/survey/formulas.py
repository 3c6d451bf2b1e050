"""Every distinct formula up to a number of operations, each once, shortest form first.

Formulas of s operations are made from two shorter ones that have s - 1 together, or from one by a function of one
argument. Two are the same if they have the same fingerprint: their values at a random point of a finite field, in
which addition, subtraction, multiplication and the protected division are exact
(`evolve/search/fingerprint.py`). So x - x is 0, and (x + y) (x - y) is x x - y y, whichever is met first. Two
different formulas are taken for one with a probability near n**2 / 2**62: one in 10**7 for a million.

Length is counted as in a tree: what is used twice counts twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from evolve.search import fingerprint
from evolve.survey import field as modular
from substrate.compilation.graph import Graph, Node, Number, Operand
from substrate.functions import FUNCTIONS

#: Pairs whose values are computed at a time.
CHUNK = 1 << 20
#: Bytes that a formula takes while formulas are listed: key, function and operands, twice while a size is added, and
#: two sorted copies of the keys.
BYTES = 50


@dataclass
class Formulas:
    """Distinct formulas in the order of their length, as arrays over all of them.

    Parameters
    ----------
    leaves
        Terminals and numbers, which are the formulas without operations.
    primitives
        Names of functions.
    """

    leaves: tuple[str | Number, ...]
    primitives: tuple[str, ...]
    keys: np.ndarray = field(init=False)  # fingerprints, uint64
    functions: np.ndarray = field(init=False)  # place in `primitives`, -1 for leaves
    a: np.ndarray = field(init=False)  # place of the first operand
    b: np.ndarray = field(
        init=False
    )  # of the second, the first again for functions of one argument
    ends: list[int] = field(init=False)  # how many formulas have at most s operations
    _divisors: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        prints = [
            fingerprint.of_terminal(x) if isinstance(x, str) else fingerprint.of_number(x.value)
            for x in self.leaves
        ]
        distinct = list(dict.fromkeys(prints))
        self.leaves = tuple(self.leaves[prints.index(p)] for p in distinct)
        count = len(self.leaves)
        self.keys = np.array(distinct, np.uint64)
        self.functions = np.full(count, -1, np.int8)
        self.a = self.b = np.zeros(count, np.int32)
        self.ends = [count]
        self._divisors = np.empty(0, np.uint64)

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def size(self) -> int:
        """Operations of the longest formulas."""
        return len(self.ends) - 1

    @property
    def counts(self) -> list[int]:
        """How many formulas have 0, 1, 2, ... operations."""
        return np.diff([0, *self.ends]).tolist()

    @cached_property
    def _known(self) -> np.ndarray:
        return np.sort(self.keys)

    def of_size(self, size: int) -> range:
        """The places of the formulas of a length."""
        return range(self.ends[size - 1] if size else 0, self.ends[size])

    def extend(self) -> None:
        """Add the formulas that have one operation more."""
        size = self.size + 1
        found = np.empty(0, np.uint64)
        parts: list[tuple[np.ndarray, ...]] = []
        for function, a, b in self._candidates(size):
            keys = self._apply(function, a, b)
            keys, first = np.unique(keys, return_index=True)
            new = ~_contains(self._known, keys) & ~_contains(found, keys)
            keys, first = keys[new], first[new]
            order = np.argsort(first)  # in the order in which they were met
            code = np.full(len(keys), self.primitives.index(function), np.int8)
            parts.append((keys[order], code, a[first[order]], b[first[order]]))
            found = np.union1d(found, keys)
        columns = [np.concatenate(c) for c in zip(*parts, strict=True)] if parts else []
        if columns:
            self.keys = np.concatenate([self.keys, columns[0]])
            self.functions = np.concatenate([self.functions, columns[1]])
            self.a = np.concatenate([self.a, columns[2].astype(np.int32)])
            self.b = np.concatenate([self.b, columns[3].astype(np.int32)])
        self.ends.append(len(self.keys))
        self.__dict__.pop("_known", None)

    def candidates(self, size: int) -> int:
        """How many ways there are to make formulas of a size from shorter ones, of which all are listed."""
        of = self.counts
        pairs = [of[left] * of[size - 1 - left] for left in range(size)]
        total = 0
        for name in self.primitives:
            if FUNCTIONS[name].arity == 1:
                total += of[size - 1]
            elif FUNCTIONS[name].commutative:
                total += sum(pairs[: size // 2])  # each pair of different lengths once
                if size % 2:
                    total += of[size // 2] * (of[size // 2] + 1) // 2
            else:
                total += sum(pairs)
        return total

    def expected(self, size: int) -> list[int]:
        """How many formulas there are of every size, up to one that is not listed yet.

        Of the candidates of the next size as large a share is new as of the last; from there on the counts grow as
        they did from the last size to that one.
        """
        counts, last = list(self.counts), self.size
        share = counts[last] / max(1, self.candidates(last)) if last else 1.0
        if size > last:
            counts.append(round(share * self.candidates(last + 1)))
        while len(counts) <= size:
            counts.append(round(counts[-1] * counts[-1] / max(1, counts[-2])))
        return counts

    def _candidates(self, size: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Functions with operands that have one operation less than `size` together, a chunk at a time."""
        for name in self.primitives:
            if FUNCTIONS[name].arity == 1:
                places = np.array(self.of_size(size - 1))
                yield name, places, places
                continue
            for left in range(size):
                right = size - 1 - left
                if FUNCTIONS[name].commutative and left > right:
                    continue
                first, second = self.of_size(left), self.of_size(right)
                rows = max(1, CHUNK // max(1, len(second)))
                for start in range(0, len(first), rows):
                    part = np.array(first[start : start + rows])
                    a, b = np.repeat(part, len(second)), np.tile(np.array(second), len(part))
                    if FUNCTIONS[name].commutative and left == right:
                        a, b = a[a <= b], b[a <= b]
                    yield name, a, b

    def _apply(self, name: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        if name == "div":
            return modular.mul(self.keys[a], self._quotients[b])
        return _function(name, self.keys[a], self.keys[b])

    @property
    def _quotients(self) -> np.ndarray:
        """What the protected division by every formula multiplies with."""
        known = self._divisors
        if len(known) < len(self.keys):
            known = np.concatenate([known, _quotient(self.keys[len(known) :])])
            self._divisors = known
        return known

    def evaluate(self, leaves: Sequence[int]) -> np.ndarray:
        """The values of all formulas at another point of the field, given those of the leaves."""
        values = np.zeros(len(self), np.uint64)
        values[: len(self.leaves)] = np.array(leaves, np.uint64)
        for size in range(1, self.size + 1):
            places = np.array(self.of_size(size))
            for code, name in enumerate(self.primitives):
                own = places[self.functions[places] == code]
                x, y = values[self.a[own]], values[self.b[own]]
                values[own] = (
                    modular.mul(x, _quotient(y)) if name == "div" else _function(name, x, y)
                )
        return values

    def up_to(self, size: int) -> "Formulas":
        """The formulas up to a size."""
        part = Formulas(self.leaves, self.primitives)
        last = self.ends[size]
        part.keys, part.functions = self.keys[:last], self.functions[:last]
        part.a, part.b = self.a[:last], self.b[:last]
        part.ends = self.ends[: size + 1]
        return part

    def reads(self, leaf: str) -> np.ndarray:
        """Which formulas read a terminal, (formula,)."""
        found = np.zeros(len(self), bool)
        found[: len(self.leaves)] = [x == leaf for x in self.leaves]
        for size in range(1, self.size + 1):
            own = np.array(self.of_size(size))
            found[own] = found[self.a[own]] | found[self.b[own]]
        return found

    def graph(self, place: int, output: str = "dw") -> Graph:
        """A formula as a graph, in which what is used twice is computed once."""
        return self.graphs({output: place})

    def graphs(self, outputs: dict[str, int]) -> Graph:
        """Several formulas as the equations of one rule; a negative place stands for 0."""
        nodes: list[Node] = []
        operands: dict[int, Operand] = {}
        functions, a, b = self.functions, self.a, self.b

        def operand(place: int) -> Operand:
            known = operands.get(place)
            if known is not None:
                return known
            code = functions[place]
            found: Operand
            if code < 0:
                found = self.leaves[place]
            else:
                x = operand(int(a[place]))
                y = operand(int(b[place]))
                found = len(nodes)
                nodes.append(Node(self.primitives[code], x, y))
            operands[place] = found
            return found

        returned = {n: operand(p) if p >= 0 else Number(0.0) for n, p in outputs.items()}
        return Graph(tuple(nodes), returned)


def _function(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    exact = {"add": modular.add, "sub": modular.sub, "mul": modular.mul}
    if name in exact:
        return exact[name](x, y)
    values = map(fingerprint.OPERATIONS[name], x.tolist(), y.tolist())
    return np.fromiter(values, np.uint64, len(x))


def _quotient(y: np.ndarray) -> np.ndarray:
    """y / (y**2 + epsilon), by which the protected division by y multiplies."""
    epsilon = np.full_like(y, fingerprint.EPSILON_KEY)
    below = modular.add(modular.mul(y, y), epsilon)
    return modular.mul(y, modular.inverse(below))


def formulas(leaves: Sequence[str | Number], primitives: Sequence[str], size: int) -> Formulas:
    """List all formulas up to a number of operations."""
    found = Formulas(tuple(leaves), tuple(primitives))
    while found.size < size:
        found.extend()
    return found


def _contains(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Which values stand in an ordered array."""
    if not len(ordered):
        return np.zeros(len(values), bool)
    at = np.searchsorted(ordered, values)
    return ordered[np.minimum(at, len(ordered) - 1)] == values
