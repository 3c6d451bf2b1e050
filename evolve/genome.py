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


class Phenotype(NamedTuple):
    """What a genome expresses."""

    graph: Graph  # equal values merged
    key: tuple[int, ...]  # fingerprint of every output
    active: frozenset[int]  # positions of the genes that matter; constants follow the genes


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
    def size(self) -> int:
        """Number of genes, constants not counted."""
        return 3 * self.nodes + len(self.outputs)

    def values(self, rank: np.ndarray, position: np.ndarray | slice) -> np.ndarray:
        """The rank-th permissible value of the genes at these positions."""
        _, base, shift = (a[position] for a in self.alleles)
        return np.where(rank < base, rank, rank + shift)

    def ranks(self, value: np.ndarray, position: np.ndarray | slice) -> np.ndarray:
        """Inverse of `values`."""
        _, base, shift = (a[position] for a in self.alleles)
        return np.where(value < base, value, value - shift)


def draw(grid: Grid, rng: np.random.Generator) -> Genome:
    """A random genome; evolved constants start log-uniform in [0.1, 10] with random signs."""
    genes = grid.values(rng.integers(grid.alleles[0]), slice(None))
    size = 10.0 ** rng.uniform(-1, 1, grid.evolved) * rng.choice([-1.0, 1.0], grid.evolved)
    return Genome(genes.tolist(), tuple(size.tolist()))


def _redraw(grid: Grid, rng: np.random.Generator, old: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Other permissible values, uniform, for genes that have any; the old value for those that have none."""
    count = grid.alleles[0][at]
    rank = (rng.random(len(at)) * (count - 1)).astype(int)
    rank += rank >= grid.ranks(old, at)
    return np.where(count > 1, grid.values(rank, at), old)


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
    chosen = rng.random((len(parents), grid.size + grid.evolved)) < rate
    rows, at = np.nonzero(chosen)
    symbolic = at < grid.size
    rows_s, at_s = rows[symbolic].tolist(), at[symbolic]
    old = np.array([parents[r].genes[c] for r, c in zip(rows_s, at_s.tolist(), strict=True)], int)
    children = [list(p.genes) for p in parents]
    constants = [list(p.constants) for p in parents]
    changed: list[set[int]] = [set() for _ in parents]
    for r, c, value in zip(
        rows_s, at_s.tolist(), _redraw(grid, rng, old, at_s).tolist(), strict=True
    ):
        children[r][c] = value
        changed[r].add(c)
    for r, c in zip(rows[~symbolic].tolist(), at[~symbolic].tolist(), strict=True):
        constants[r][c - grid.size] = _drift(rng, constants[r][c - grid.size])
        changed[r].add(c)
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
    count, base, shift = (a.tolist() for a in grid.alleles)
    offspring = []
    for parent, expressed in zip(parents, active, strict=True):
        genes, constants = list(parent.genes), list(parent.constants)
        changed: set[int] = set()
        while not changed & expressed:
            at = int(next(stream) * total)
            if at >= grid.size:
                constants[at - grid.size] = _drift(rng, constants[at - grid.size])
            elif count[at] > 1:
                old = genes[at] if genes[at] < base[at] else genes[at] - shift[at]
                rank = int(next(stream) * (count[at] - 1))
                rank += rank >= old
                genes[at] = rank if rank < base[at] else rank + shift[at]
            else:
                continue
            changed.add(at)
        offspring.append((Genome(genes, tuple(constants)), frozenset(changed)))
    return offspring


def express(grid: Grid, genome: Genome) -> Phenotype:
    """Trace what the outputs reach, merging nodes of equal value.

    Equality is decided by fingerprint, so x - x becomes the number 0 and (x + y) - y becomes x.
    """
    genes, leaves = genome.genes, grid.leaves
    outputs = genes[3 * grid.nodes :]
    needed: set[int] = set()
    stack = [a - leaves for a in outputs if a >= leaves]
    while stack:
        node = stack.pop()
        if node in needed:
            continue
        needed.add(node)
        start = 3 * node
        arity = FUNCTIONS[grid.primitives[genes[start]]].arity
        stack += [a - leaves for a in genes[start + 1 : start + 1 + arity] if a >= leaves]

    terminals: list[str | Number] = [*grid.terminals, *map(Number, genome.constants)]
    prints: dict[int, int] = {}  # address -> field element
    merged: dict[int, Operand] = {0: Number(0.0)}  # field element -> operand
    used: set[int] = set(range(3 * grid.nodes, grid.size))

    def read(address: int) -> int:
        if address not in prints:  # a leaf
            terminal = terminals[address]
            if isinstance(terminal, str):
                value = fingerprint.of_terminal(terminal)
            else:
                value = fingerprint.of_number(terminal.value)
            prints[address] = value
            merged.setdefault(value, terminal)
            if address >= len(grid.terminals):
                used.add(grid.size + address - len(grid.terminals))
        return prints[address]

    nodes: list[Node] = []
    for node in sorted(needed):
        start = 3 * node
        function = grid.primitives[genes[start]]
        unary = FUNCTIONS[function].arity == 1
        used.update((start, start + 1) if unary else (start, start + 1, start + 2))
        a = read(genes[start + 1])
        b = a if unary else read(genes[start + 2])
        value = prints[leaves + node] = fingerprint.apply(function, a, b)
        if value not in merged:
            nodes.append(Node(function, merged[a], merged[b]))
            merged[value] = len(nodes) - 1
    key = tuple(read(address) for address in outputs)
    graph = Graph(tuple(nodes), {n: merged[k] for n, k in zip(grid.outputs, key, strict=True)})
    return Phenotype(prune(graph), key, frozenset(used))
