"""What a call of the interpreter is to do: individuals are cut into blocks, and blocks dealt to the devices.

A block holds individuals for one machine, of like lengths, so that none waits long for another. Where several
searches run together and their inputs are small, a block takes individuals of all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from substrate.polynomial import Box
from substrate.program import Code, Machine

#: More chunks than any episode has.
FOREVER = 2**31 - 1


class Codes(NamedTuple):
    """One individual, ready to run."""

    equations: Mapping[str, Code | np.ndarray]
    tier: int  # which of the interpreter's machines it is for

    @property
    def length(self) -> int:
        """Instructions of the longest equation; a polynomial has none."""
        return max(len(c.words) if isinstance(c, Code) else 0 for c in self.equations.values())


class Orders(NamedTuple):
    """What a call is to do; every array begins with the blocks."""

    programs: tuple[dict[str, Any], ...]  # of every machine and equation
    lengths: np.ndarray  # (block, equation), 0 where a block is not in use
    tiers: np.ndarray  # whose machine runs the block
    arenas: np.ndarray  # (block, width), the same in a block where lanes cannot be mixed
    gains: np.ndarray  # (block, width)
    chunks: np.ndarray  # (block,), after so many times CHUNK steps it is enough


class Block(NamedTuple):
    """Individuals that learn together on one arena."""

    members: list[int]  # places in the population
    arenas: list[int]  # of the members
    length: int  # instructions of the longest member
    tier: int


class Layout(NamedTuple):
    """How individuals are laid out."""

    machines: tuple[Box | Machine, ...]
    outputs: tuple[str, ...]  # names of the equations
    width: int  # individuals of a block
    blocks: int  # of a call
    devices: int
    mixed: bool  # whether a block may hold individuals of several searches

    def deal(
        self, population: Sequence[Codes], places: Sequence[int], runs: Sequence[int] | np.ndarray
    ) -> Iterator[list[Block]]:
        """Cut the individuals in these places into blocks, as many as fit into a call."""
        length = [codes.length for codes in population]
        tier = [codes.tier for codes in population]
        arena = [0] * len(population) if self.mixed else runs
        blocks: list[Block] = []
        for i in sorted(places, key=lambda i: (tier[i], arena[i], -length[i])):
            block = blocks[-1] if blocks else Block([], [], 0, -1)
            fits = 0 < len(block.members) < self.width and block.tier == tier[i]
            if fits and (self.mixed or block.arenas[0] == runs[i]):
                block.members.append(i)
                block.arenas.append(int(runs[i]))
            else:
                blocks.append(Block([i], [int(runs[i])], length[i], tier[i]))
        blocks.sort(key=lambda b: (b.tier, b.length), reverse=True)
        for first in range(0, len(blocks), self.blocks):
            yield blocks[first : first + self.blocks]

    def orders(
        self,
        population: Sequence[Codes],
        blocks: Sequence[Block],
        gains: np.ndarray | None = None,
        chunks: int = FOREVER,
    ) -> tuple[Orders, list[int]]:
        """Lay out the blocks of a call, and tell the lane of every member."""
        share = self.blocks // self.devices
        lanes: list[int] = []
        orders = Orders(
            tuple({} for _ in self.machines),
            np.zeros((self.blocks, len(self.outputs)), np.int32),
            np.zeros(self.blocks, np.int32),
            np.zeros((self.blocks, self.width), np.int32),
            np.ones((self.blocks, self.width), np.float32),
            np.full(self.blocks, chunks, np.int32),
        )
        mine: list[list[tuple[int, int]]] = [[] for _ in self.machines]  # members and their lanes
        for rank, block in enumerate(blocks):
            position = (rank % self.devices) * share + rank // self.devices
            orders.tiers[position] = block.tier
            orders.arenas[position, : len(block.arenas)] = block.arenas
            start = position * self.width
            own = range(start, start + len(block.members))
            lanes += own
            mine[block.tier] += zip(block.members, own, strict=True)
            if gains is not None:
                orders.gains.flat[start : start + len(own)] = gains[block.members]
        for machine, programs, some in zip(self.machines, orders.programs, mine, strict=True):
            places = [lane for _, lane in some]
            for column, name in enumerate(self.outputs):
                codes: list[Any] = [population[i].equations[name] for i, _ in some]
                programs[name], lengths = machine.assemble(codes, places, self.blocks, self.width)
                orders.lengths[:, column] += lengths
        return orders, lanes
