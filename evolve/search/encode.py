"""Rules become genomes: how a search can start from a rule that somebody wrote."""

import numpy as np

from evolve.search.genome import Genome, Grid, packed, random_genome
from substrate.compilation.graph import Graph, Node, Number, Operand
from substrate.errors import UserError

#: Largest whole factor that is written as a sum of copies, where it is not among the terminals.
LARGEST_FACTOR = 64

ZERO = Number(0.0)


def legalise(graph: Graph, grid: Grid) -> Graph:
    """Rewrite what a grid lacks but can compute: 0 as x - x, 3 x as x + x + x, a + b as a - (0 - b)."""
    nodes: list[Node] = []
    index: dict[Node, int] = {}
    moved: list[Operand] = []

    def add(function: str, a: Operand, b: Operand) -> Operand:
        if function == "add" and "add" not in grid.primitives:
            return add("sub", a, add("sub", zero(b), b))
        node = Node(function, a, b)
        if node not in index:
            index[node] = len(nodes)
            nodes.append(node)
        return index[node]

    def zero(like: Operand) -> Operand:
        return ZERO if ZERO in grid.terminals else add("sub", like, like)

    def times(factor: int, x: Operand) -> Operand:
        if factor == 1:
            return x
        half = times(factor // 2, x)
        double = add("add", half, half)
        return add("add", double, x) if factor % 2 else double

    def whole(operand: Operand) -> bool:
        return (
            isinstance(operand, Number)
            and operand not in grid.terminals
            and operand.value.is_integer()
            and 0 < abs(operand.value) <= LARGEST_FACTOR
        )

    for function, *operands in graph.nodes:
        a, b = (moved[o] if isinstance(o, int) else o for o in operands)
        if whole(b) and function == "mul":
            a, b = b, a
        if a == ZERO:
            a = zero(b)
        if function == "mul" and isinstance(a, Number) and whole(a) and not grid.evolved:
            product = times(int(abs(a.value)), b)
            moved.append(add("sub", zero(b), product) if a.value < 0 else product)
        else:
            moved.append(add(function, a, b))
    first = next(t for t in grid.terminals if isinstance(t, str))
    outputs = {
        name: moved[o] if isinstance(o, int) else zero(first) if o == ZERO else o
        for name, o in graph.outputs.items()
    }
    return Graph(tuple(nodes), outputs)


def encode(grid: Grid, graph: Graph, rng: np.random.Generator) -> Genome:
    """Write a graph into a random genome, so that a search can start from a known rule.

    Raises
    ------
    UserError
        If the grid lacks a function, a terminal, a constant or the room.
    """
    graph = legalise(graph, grid)
    genome = random_genome(grid, rng)
    genes, constants = list(genome.genes), list(genome.constants)
    address: dict[Operand, int] = {t: i for i, t in enumerate(grid.terminals)}
    spare = list(range(grid.evolved))
    columns: dict[int, int] = {}  # node -> column
    reach = grid.columns if grid.levels_back is None else grid.levels_back
    room = [grid.rows] * grid.columns

    def place(operand: Operand) -> int:
        if isinstance(operand, int):
            return grid.leaves + places[operand]
        if isinstance(operand, Number) and operand not in address and spare:
            slot = spare.pop(0)
            constants[slot] = operand.value
            address[operand] = len(grid.terminals) + slot
        if operand not in address:
            known = ", ".join(map(_word, grid.terminals))
            raise UserError(
                f"A rule that reads {_word(operand)} cannot start this search, whose terminals are {known}. "
                "Add it to `terminals` or `constants`, or allow evolved constants."
            )
        return address[operand]

    places: list[int] = []
    for index, node in enumerate(graph.nodes):
        if node.function not in grid.primitives:
            raise UserError(
                f"A rule that uses {node.function} cannot start this search, whose primitives are "
                f"{', '.join(grid.primitives)}. Add it to `primitives`."
            )
        sources = [columns[o] for o in (node.a, node.b) if isinstance(o, int)]
        earliest = max((c + 1 for c in sources), default=0)
        latest = min((c + reach for c in sources), default=grid.columns - 1)
        free = [c for c in range(earliest, min(latest, grid.columns - 1) + 1) if room[c]]
        if not free:
            raise UserError(
                f"A rule of {len(graph.nodes)} operations does not fit a grid of {grid.rows} x "
                f"{grid.columns} with levels back {reach}. Give it more columns."
            )
        column = columns[index] = free[0]
        slot = column * grid.rows + grid.rows - room[column]
        room[column] -= 1
        places.append(slot)
        genes[3 * slot : 3 * slot + 3] = [
            grid.primitives.index(node.function),
            place(node.a),
            place(node.b),
        ]
    genes[3 * grid.nodes :] = [place(graph.outputs[name]) for name in grid.outputs]
    return Genome(packed(genes), tuple(constants))


def _word(operand: str | Number) -> str:
    return operand if isinstance(operand, str) else f"{operand.value:g}"
