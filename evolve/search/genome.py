"""Cartesian genomes: a grid of nodes as a list of integers (Miller & Thomson 2000).

Genes come in threes, one triple a node: function, first and second operand; one gene per output follows. An operand
is an address: the terminals first, then the evolved constants, then the nodes. A node reads terminals always, and
nodes of at most `levels_back` columns before its own. Nodes that no output reaches are silent: they drift.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from evolve.search import fingerprint
from substrate.compilation.graph import Graph, Node, Number, Operand
from substrate.functions import FUNCTIONS

#: Integers in one block of memory, which Python reads one by one like a list and NumPy all at once.
Genes = array
KIND = np.int32

#: Fewer changes than this are made one by one in Python, which is then faster than NumPy.
FEW = 64


def packed(genes: Iterable[int]) -> Genes:
    """Integers as genes."""
    return array("i", genes)


class Genome(NamedTuple):
    """The genes and evolved constants of one individual; never changed in place."""

    genes: Genes
    constants: tuple[float, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Shape and alphabet of genomes.

    Parameters
    ----------
    terminals
        Names of observables and slow variables, and fixed numbers.
    evolved
        How many constants each genome carries and mutates.
    primitives
        Names from `substrate.functions.PRIMITIVES`.
    outputs
        Names of the equations, `dw` first.
    levels_back
        How many columns back a node may read; all if not given.
    cost
        What a rule costs on a chip, where that is an objective.
    """

    terminals: tuple[str | Number, ...]
    primitives: tuple[str, ...]
    columns: int
    rows: int = 1
    levels_back: int | None = None
    evolved: int = 0
    outputs: tuple[str, ...] = ("dw",)
    cost: Callable[["Phenotype"], float] | None = field(default=None, compare=False)

    @cached_property
    def nodes(self) -> int:
        """Number of nodes."""
        return self.rows * self.columns

    @cached_property
    def leaves(self) -> int:
        """Number of addresses that are not nodes."""
        return len(self.terminals) + self.evolved

    @cached_property
    def rates(self) -> dict[int, int]:
        """Address of every slow variable, and the output that is its rate."""
        places = {name.removeprefix("d_"): i for i, name in enumerate(self.outputs) if i}
        return {a: places[t] for a, t in enumerate(self.terminals) if t in places}

    @cached_property
    def arities(self) -> tuple[int, ...]:
        """Number of arguments of each primitive."""
        return tuple(FUNCTIONS[name].arity for name in self.primitives)

    @cached_property
    def operations(self) -> tuple[Callable[[int, int], int], ...]:
        """Each primitive as a function of fingerprints."""
        return tuple(fingerprint.OPERATIONS[name] for name in self.primitives)

    @cached_property
    def prints(self) -> dict[int, int]:
        """Fingerprints of the terminals, by address."""
        return {
            address: fingerprint.of_terminal(t)
            if isinstance(t, str)
            else fingerprint.of_number(t.value)
            for address, t in enumerate(self.terminals)
        }

    @cached_property
    def alleles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every gene (count, base, shift): it has `count` values; the i-th is i, or i + shift from i = base on."""
        count, base, shift = [], [], []
        reach = self.columns if self.levels_back is None else self.levels_back
        for node in range(self.nodes):
            column = node // self.rows
            first = max(0, column - reach)
            count += [len(self.primitives)] + [self.leaves + (column - first) * self.rows] * 2
            base += [len(self.primitives), self.leaves, self.leaves]
            shift += [0, first * self.rows, first * self.rows]
        count += [self.leaves + self.nodes] * len(self.outputs)
        base += [self.leaves] * len(self.outputs)
        shift += [0] * len(self.outputs)
        return np.array(count, KIND), np.array(base, KIND), np.array(shift, KIND)

    @cached_property
    def plain_alleles(self) -> tuple[list[int], list[int], list[int]]:
        """The alleles as lists, which single look-ups read faster."""
        count, base, shift = (column.tolist() for column in self.alleles)
        return count, base, shift

    @cached_property
    def size(self) -> int:
        """Number of genes, constants not counted."""
        return 3 * self.nodes + len(self.outputs)

    def values(self, rank: np.ndarray, position: np.ndarray | slice) -> np.ndarray:
        """The rank-th permissible value of the genes at these positions."""
        _, base, shift = (a[position] for a in self.alleles)
        return np.where(rank < base, rank, rank + shift)


def random_genome(grid: Grid, rng: np.random.Generator) -> Genome:
    """A random genome; evolved constants start log-uniform in [0.1, 10] with random signs."""
    genes = grid.values(rng.integers(grid.alleles[0]), slice(None))
    size = 10.0 ** rng.uniform(-1, 1, grid.evolved) * rng.choice([-1.0, 1.0], grid.evolved)
    return Genome(packed(genes.tolist()), tuple(size.tolist()))


def _other(grid: Grid, old: int, at: int, draw: float) -> int:
    """Another permissible value of a gene, uniform for a uniform draw; the old one if there is no other."""
    counts, bases, shifts = grid.plain_alleles
    count, base = counts[at], bases[at]
    if count == 1:
        return old
    rank = int(draw * (count - 1))
    if rank >= (old if old < base else old - shifts[at]):
        rank += 1
    return rank if rank < base else rank + shifts[at]


def _drift(rng: np.random.Generator, value: float) -> float:
    """Multiply a constant by a factor near 1, and change its sign in one of twenty cases."""
    return float(value * np.exp(0.4 * rng.normal()) * (-1.0 if rng.random() < 0.05 else 1.0))


def mutate_genes(
    grid: Grid, rng: np.random.Generator, parents: list[Genome], rate: float
) -> list[tuple[Genome, list[int]]]:
    """Redraw every gene with probability `rate`; a chosen gene always changes.

    Returns
    -------
    For every parent the child, and the positions that changed.
    """
    width = grid.size + grid.evolved
    (chosen,) = (rng.random(len(parents) * width) < rate).nonzero()
    draws = rng.random(len(chosen))
    constants = [p.constants for p in parents]
    if grid.evolved:
        for row, place in [divmod(c, width) for c in chosen.tolist() if c % width >= grid.size]:
            own, which = constants[row], place - grid.size
            constants[row] = (*own[:which], _drift(rng, own[which]), *own[which + 1 :])
    if len(chosen) < FEW:
        genes, changed = _change_few(grid, parents, chosen.tolist(), draws.tolist())
    else:
        genes, changed = _change_many(grid, parents, chosen, draws)
    return list(zip(map(Genome, genes, constants), changed, strict=True))


def _change_few(
    grid: Grid, parents: list[Genome], chosen: list[int], draws: list[float]
) -> tuple[list[Genes], list[list[int]]]:
    """Change genes one by one. Returns the genes and, of every parent, the positions that changed, with constants."""
    width, size = grid.size + grid.evolved, grid.size
    counts, bases, shifts = grid.plain_alleles
    genes = [p.genes[:] for p in parents]
    changed: list[list[int]] = [[] for _ in parents]
    for place, draw in zip(chosen, draws, strict=True):
        row, at = divmod(place, width)
        changed[row].append(at)
        if at < size and (count := counts[at]) > 1:  # as `_other`, without a call for each
            own, base, shift = genes[row], bases[at], shifts[at]
            old, rank = own[at], int(draw * (count - 1))
            if rank >= (old if old < base else old - shift):
                rank += 1
            own[at] = rank if rank < base else rank + shift
    return genes, changed


def _change_many(
    grid: Grid, parents: list[Genome], chosen: np.ndarray, draws: np.ndarray
) -> tuple[list[Genes], list[list[int]]]:
    """As `_change_few`, all at once."""
    rows, at = np.divmod(chosen, grid.size + grid.evolved)
    ends = rows.searchsorted(np.arange(1, len(parents))).tolist()
    places = at.tolist()
    changed = [places[a:b] for a, b in pairwise([0, *ends, len(places)])]
    if grid.evolved:
        plain = at < grid.size
        rows, at, draws = rows[plain], at[plain], draws[plain]
    table = (
        np.frombuffer(b"".join([p.genes for p in parents]), KIND).reshape(len(parents), -1).copy()
    )
    table[rows, at] = _others(grid, table, rows, at, draws)
    return [array("i", row.tobytes()) for row in table], changed


def _others(
    grid: Grid, genes: np.ndarray, rows: np.ndarray, at: np.ndarray, draws: np.ndarray
) -> np.ndarray:
    """As `_other`, for many genes."""
    count, base, shift = (column[at] for column in grid.alleles)
    old = genes[rows, at]
    rank = (draws * (count - 1)).astype(KIND)
    rank += rank >= np.where(old < base, old, old - shift)
    return np.where(count == 1, old, np.where(rank < base, rank, rank + shift))


def _uniform(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(256).tolist()


def mutate_active(
    grid: Grid, rng: np.random.Generator, parents: list[Genome], active: Iterable[frozenset[int]]
) -> list[tuple[Genome, frozenset[int]]]:
    """Redraw single genes until one that is expressed has changed (Goldman & Punch 2013)."""
    stream = _uniform(rng)
    total = grid.size + grid.evolved
    offspring = []
    for parent, expressed in zip(parents, active, strict=True):
        genes, constants = parent.genes[:], list(parent.constants)
        changed: set[int] = set()
        while not changed & expressed:
            at = int(next(stream) * total)
            if at >= grid.size:
                constants[at - grid.size] = _drift(rng, constants[at - grid.size])
            elif grid.plain_alleles[0][at] > 1:
                genes[at] = _other(grid, genes[at], at, next(stream))
            else:
                continue
            changed.add(at)
        offspring.append((Genome(genes, tuple(constants)), frozenset(changed)))
    return offspring


class Phenotype:
    """What a genome expresses. Its fingerprint is computed at once, its graph and its active genes when first used.

    For most children the fingerprint is enough: their score is known, and few become parents.
    """

    __slots__ = ("__dict__", "_genome", "_grid", "_needed", "_prints", "key")

    def __init__(self, grid: Grid, genome: Genome) -> None:
        self._grid, self._genome = grid, genome
        outputs = genome.genes[3 * grid.nodes :]
        if len(outputs) == 1:
            self._read = [True]
            self._needed = _trace(grid, genome.genes, outputs)
        else:
            self._read, self._needed = _trace_read(grid, genome.genes, outputs)
        self._prints = _evaluate(grid, genome, self._needed)
        #: Fingerprint of every output; 0 for the rate of a slow variable that the weight does not depend on.
        self.key = tuple(
            [self._prints[a] if read else 0 for a, read in zip(outputs, self._read, strict=True)]
        )

    @cached_property
    def active(self) -> frozenset[int]:
        """Positions of the genes that matter; constants follow the genes."""
        grid, genes = self._grid, self._genome.genes
        used = [3 * grid.nodes + i for i, read in enumerate(self._read) if read]
        for node in self._needed:
            start = 3 * node
            used += range(start, start + 1 + grid.arities[genes[start]])
        if grid.evolved:
            first = len(grid.terminals)
            read = {genes[i] for i in used if i % 3 or i >= 3 * grid.nodes}
            used += [grid.size + a - first for a in read if first <= a < grid.leaves]
        return frozenset(used)

    @cached_property
    def graph(self) -> Graph:
        """The expressed nodes. Of nodes of equal value the first is kept; nodes that are then unused are dropped."""
        grid, genes, prints = self._grid, self._genome.genes, self._prints
        leaves, arities = grid.leaves, grid.arities
        operand: dict[int, Operand] = {0: Number(0.0)}  # of a field element
        for address, terminal in enumerate([*grid.terminals, *map(Number, self._genome.constants)]):
            operand.setdefault(prints[address], terminal)
        nodes: list[Node] = []
        for node in self._distinct(operand.keys()):
            function, a, b = genes[3 * node : 3 * node + 3]
            x = operand[prints[a]]
            y = operand[prints[b]] if arities[function] > 1 else x
            operand[prints[leaves + node]] = len(nodes)
            nodes.append(Node(grid.primitives[function], x, y))
        outputs = zip(grid.outputs, self.key, strict=True)
        return Graph(tuple(nodes), {name: operand[k] for name, k in outputs})

    @property
    def cost(self) -> float:
        """What the rule costs on a chip."""
        assert self._grid.cost is not None, "cost is no objective of this search"
        return self._grid.cost(self)

    def _distinct(self, leaves: Set[int]) -> list[int]:
        """The needed nodes, operands first, without those that repeat a value or are then unused."""
        grid, genes, prints = self._grid, self._genome.genes, self._prints
        values = {prints[grid.leaves + node] for node in self._needed}
        if len(values) == len(self._needed) and values.isdisjoint(leaves):
            return self._needed
        first: dict[int, int] = {}  # field element -> node
        for node in self._needed:
            first.setdefault(prints[grid.leaves + node], node)
        reached = set()
        stack = list(self.key)
        while stack:
            value = stack.pop()
            if value not in leaves and value not in reached:
                reached.add(value)
                start = 3 * first[value]
                operands = genes[start + 1 : start + 1 + grid.arities[genes[start]]]
                stack += [prints[a] for a in operands]
        return sorted([first[value] for value in reached])


def _trace_read(grid: Grid, genes: Genes, outputs: Genes) -> tuple[list[bool], list[int]]:
    """Which outputs matter, and the nodes that they reach: the weight's, and the rates of slow variables it needs."""
    reached: dict[int, list[int]] = {}
    waiting = [i for i in range(len(outputs)) if i not in grid.rates.values()]
    while waiting:
        output = waiting.pop()
        reached[output] = nodes = _trace(grid, genes, outputs[output : output + 1])
        leaves = {outputs[output]}
        for node in nodes:
            function, a, b = genes[3 * node : 3 * node + 3]
            leaves.add(a)
            if grid.arities[function] > 1:
                leaves.add(b)
        waiting += [
            i for leaf, i in grid.rates.items() if leaf in leaves and i not in (*reached, *waiting)
        ]
    read = [i in reached for i in range(len(outputs))]
    return read, sorted({node for nodes in reached.values() for node in nodes})


def _trace(grid: Grid, genes: Genes, outputs: Genes) -> list[int]:
    """The nodes that outputs reach, operands first."""
    leaves, arities = grid.leaves, grid.arities
    needed: set[int] = set()
    stack = [a for a in outputs if a >= leaves]
    while stack:
        node = stack.pop() - leaves
        if node not in needed:
            needed.add(node)
            function, a, b = genes[3 * node : 3 * node + 3]
            if a >= leaves:
                stack.append(a)
            if b >= leaves and arities[function] > 1:
                stack.append(b)
    return sorted(needed)


def _evaluate(grid: Grid, genome: Genome, needed: list[int]) -> dict[int, int]:
    """Field elements by address, of the leaves and the given nodes."""
    genes, leaves, arities, operations = genome.genes, grid.leaves, grid.arities, grid.operations
    prints = grid.prints.copy()
    for constant in genome.constants:
        prints[len(prints)] = fingerprint.of_number(constant)
    for node in needed:
        function, a, b = genes[3 * node : 3 * node + 3]
        x = prints[a]
        y = prints[b] if arities[function] > 1 else x
        prints[leaves + node] = operations[function](x, y)
    return prints


def express(grid: Grid, genome: Genome) -> Phenotype:
    """The phenotype of a genome: the nodes that the outputs reach, and their fingerprints.

    Equality is decided by fingerprint, so x - x is the number 0 and (x + y) - y is x.
    """
    return Phenotype(grid, genome)
