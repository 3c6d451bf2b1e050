"""Cartesian genomes: a grid of nodes as a list of integers (Miller & Thomson 2000).

Genes come in threes, one triple a node: function, first and second operand; one gene per output follows. An operand
is an address: the terminals first, then the evolved constants, then the nodes. A node reads terminals always, and
nodes of at most `levels_back` columns before its own. Nodes that no output reaches are silent: they drift.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from evolve import fingerprint
from substrate.functions import FUNCTIONS
from substrate.graph import Graph, Node, Number, Operand, prune

Genes = list[int]


class Genome(NamedTuple):
    """One individual's heritage; never changed in place."""

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
    """

    terminals: tuple[str | Number, ...]
    primitives: tuple[str, ...]
    columns: int
    rows: int = 1
    levels_back: int | None = None
    evolved: int = 0
    outputs: tuple[str, ...] = ("dw",)

    @cached_property
    def nodes(self) -> int:
        """Number of nodes."""
        return self.rows * self.columns

    @cached_property
    def leaves(self) -> int:
        """Number of addresses that are no nodes."""
        return len(self.terminals) + self.evolved

    @cached_property
    def arities(self) -> tuple[int, ...]:
        """Number of arguments of each primitive."""
        return tuple(FUNCTIONS[name].arity for name in self.primitives)

    @cached_property
    def alleles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per gene: how many values it may take, and, from the `second[0]`-th value on, what to add to it."""
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
        return np.array(count), np.array(base), np.array(shift)

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


def draw(grid: Grid, rng: np.random.Generator) -> Genome:
    """A random genome; evolved constants start log-uniform in [0.1, 10] with random signs."""
    genes = grid.values(rng.integers(grid.alleles[0]), slice(None))
    size = 10.0 ** rng.uniform(-1, 1, grid.evolved) * rng.choice([-1.0, 1.0], grid.evolved)
    return Genome(genes.tolist(), tuple(size.tolist()))


def _other(grid: Grid, old: int, at: int, draw: float) -> int:
    """Another permissible value of a gene, uniform for a uniform draw; the old one if there is no other."""
    count, base, shift = (column[at] for column in grid.plain_alleles)
    if count == 1:
        return old
    rank = int(draw * (count - 1))
    rank += rank >= (old if old < base else old - shift)
    return rank if rank < base else rank + shift


def _drift(rng: np.random.Generator, value: float) -> float:
    """Change a constant by a factor near 1, and now and then its sign."""
    return float(value * np.exp(0.4 * rng.normal()) * (-1.0 if rng.random() < 0.05 else 1.0))


def mutate_genes(
    grid: Grid, rng: np.random.Generator, parents: list[Genome], rate: float
) -> list[tuple[Genome, frozenset[int]]]:
    """Redraw every gene with probability `rate`; a chosen gene always changes.

    Returns
    -------
    For every parent the child, and the positions that changed.
    """
    rows, at = np.nonzero(rng.random((len(parents), grid.size + grid.evolved)) < rate)
    draws = rng.random(len(rows)).tolist()
    children = [list(p.genes) for p in parents]
    constants = [list(p.constants) for p in parents]
    changed: list[set[int]] = [set() for _ in parents]
    for row, position, uniform in zip(rows.tolist(), at.tolist(), draws, strict=True):
        changed[row].add(position)
        if position < grid.size:
            genes = children[row]
            genes[position] = _other(grid, genes[position], position, uniform)
        else:
            own = constants[row]
            own[position - grid.size] = _drift(rng, own[position - grid.size])
    return [
        (Genome(g, tuple(c)), frozenset(m))
        for g, c, m in zip(children, constants, changed, strict=True)
    ]


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
        genes, constants = list(parent.genes), list(parent.constants)
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
    """What a genome expresses: its fingerprint at once, its graph and its active genes when they are asked for.

    Most children are known by their fingerprint, and few become parents.
    """

    def __init__(self, grid: Grid, genome: Genome) -> None:
        self._grid, self._genome = grid, genome
        self._needed = _trace(grid, genome.genes)
        self._prints = _evaluate(grid, genome, self._needed)
        #: Fingerprint of every output.
        self.key = tuple(self._prints[address] for address in genome.genes[3 * grid.nodes :])

    @cached_property
    def active(self) -> frozenset[int]:
        """Positions of the genes that matter; constants follow the genes."""
        grid, genes = self._grid, self._genome.genes
        used = set(range(3 * grid.nodes, grid.size))
        for node in self._needed:
            start = 3 * node
            used.update(range(start, start + 1 + grid.arities[genes[start]]))
        first = len(grid.terminals)
        used.update(grid.size + a - first for a in self._prints if first <= a < grid.leaves)
        return frozenset(used)

    @cached_property
    def graph(self) -> Graph:
        """The expressed nodes, equal values merged."""
        grid, genes, prints = self._grid, self._genome.genes, self._prints
        merged: dict[int, Operand] = {0: Number(0.0)}  # field element -> operand
        terminals = [*grid.terminals, *map(Number, self._genome.constants)]
        for address, value in prints.items():
            if address < grid.leaves:
                merged.setdefault(value, terminals[address])
        nodes: list[Node] = []
        for node in self._needed:
            function, a, b = genes[3 * node : 3 * node + 3]
            if grid.arities[function] == 1:
                b = a
            value = prints[grid.leaves + node]
            if value not in merged:
                operands = merged[prints[a]], merged[prints[b]]
                nodes.append(Node(grid.primitives[function], *operands))
                merged[value] = len(nodes) - 1
        outputs = zip(grid.outputs, self.key, strict=True)
        return prune(Graph(tuple(nodes), {name: merged[k] for name, k in outputs}))


def _trace(grid: Grid, genes: Genes) -> list[int]:
    """The nodes that the outputs reach, operands first."""
    leaves, arities = grid.leaves, grid.arities
    needed: set[int] = set()
    stack = [a - leaves for a in genes[3 * grid.nodes :] if a >= leaves]
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            start = 3 * node
            for a in genes[start + 1 : start + 1 + arities[genes[start]]]:
                if a >= leaves:
                    stack.append(a - leaves)
    return sorted(needed)


def _evaluate(grid: Grid, genome: Genome, needed: list[int]) -> dict[int, int]:
    """Field elements by address, of the given nodes and the leaves that they and the outputs read."""
    genes, leaves, arities = genome.genes, grid.leaves, grid.arities
    prints: dict[int, int] = {}

    def leaf(address: int) -> int:
        if address < len(grid.terminals):
            terminal = grid.terminals[address]
            if isinstance(terminal, str):
                return fingerprint.of_terminal(terminal)
            return fingerprint.of_number(terminal.value)
        return fingerprint.of_number(genome.constants[address - len(grid.terminals)])

    for node in needed:
        function, a, b = genes[3 * node : 3 * node + 3]
        if arities[function] == 1:
            b = a
        for address in (a, b):
            if address not in prints:
                prints[address] = leaf(address)
        value = fingerprint.apply(grid.primitives[function], prints[a], prints[b])
        prints[leaves + node] = value
    for address in genes[3 * grid.nodes :]:
        if address not in prints:
            prints[address] = leaf(address)
    return prints


def express(grid: Grid, genome: Genome) -> Phenotype:
    """Trace and fingerprint what the outputs reach.

    Equality is decided by fingerprint, so x - x is the number 0 and (x + y) - y is x.
    """
    return Phenotype(grid, genome)
