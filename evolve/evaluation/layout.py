"""What a call of the interpreter is to do: individuals are cut into blocks, and blocks dealt to the devices.

A block holds individuals for one machine, of like lengths, so that none waits long for another. Where several
searches run together and their inputs are small, a block takes individuals of all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from substrate.compilation.interpreter import Code, Machine
from substrate.compilation.polynomials import Coefficients, Polynomials

#: More chunks than any episode has.
FOREVER = 2**31 - 1


class ScheduledRule(NamedTuple):
    """One individual, ready to run."""

    equations: Mapping[str, Code | Coefficients]
    tier: int  # which of the interpreter's machines it is for

    @property
    def length(self) -> int:
        """Instructions of the longest equation; a polynomial has none."""
        return max(len(c.words) if isinstance(c, Code) else 0 for c in self.equations.values())


class BlockSpec(NamedTuple):
    """What one block is to do."""

    lengths: Array  # of every equation, 0 where the block is not in use
    units: Array  # first group that learns and first after those, through all settings
    tier: Array  # whose machine runs it
    chunks: Array  # after so many times CHUNK steps it is enough
    arenas: Array  # of every lane, the same where lanes cannot be mixed
    gains: Array  # of every lane
    codes: Array  # as its machine lays them out, read by `Layout.programs`


class Block(NamedTuple):
    """Individuals that learn together on one arena."""

    members: list[int]  # places in the population
    arenas: list[int]  # of the members: the search that each belongs to
    length: int  # instructions of the longest member
    tier: int


@dataclass(frozen=True)
class Layout:
    """How individuals are laid out: a call is one table of words, a row a block, so that it is sent in one piece."""

    machines: tuple[Polynomials | Machine, ...]
    outputs: tuple[str, ...]  # names of the equations
    width: int  # individuals of a block
    blocks: int  # of a call
    devices: int
    mixed: bool  # whether a block may hold individuals of several searches

    def deal(
        self,
        population: Sequence[ScheduledRule],
        places: Sequence[int],
        searches: Sequence[int] | np.ndarray,
    ) -> Iterator[list[Block]]:
        """Cut the individuals in these places into blocks, as many as fit into a call."""
        length = [codes.length for codes in population]
        tier = [codes.tier for codes in population]
        search = [0] * len(population) if self.mixed else searches
        blocks: list[Block] = []
        for i in sorted(places, key=lambda i: (tier[i], search[i], -length[i])):
            block = blocks[-1] if blocks else Block([], [], 0, -1)
            fits = 0 < len(block.members) < self.width and block.tier == tier[i]
            if fits and (self.mixed or block.arenas[0] == searches[i]):
                block.members.append(i)
                block.arenas.append(int(searches[i]))
            else:
                blocks.append(Block([i], [int(searches[i])], length[i], tier[i]))
        blocks.sort(key=lambda b: (b.tier, b.length), reverse=True)
        for first in range(0, len(blocks), self.blocks):
            yield blocks[first : first + self.blocks]

    @cached_property
    def _shapes(self) -> list[tuple[list[np.ndarray], Any]]:
        """Of every machine the arrays of a block without code."""
        empty = [m.assemble([], [], 1, self.width)[0] for m in self.machines]
        return [jax.tree.flatten(dict.fromkeys(self.outputs, e)) for e in empty]

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        """Where in a row every part of a block's specification begins, and where the row ends."""
        room = max(sum(a.size for a in arrays) for arrays, _ in self._shapes)
        sizes = (len(self.outputs), 2, 1, 1, self.width, self.width, room)
        return tuple(accumulate(sizes, initial=0))

    def pack(
        self,
        population: Sequence[ScheduledRule],
        blocks: Sequence[Block],
        gains: np.ndarray | None = None,
        chunks: int = FOREVER,
        units: tuple[int, int] = (0, FOREVER),
    ) -> tuple[np.ndarray, list[int]]:
        """Lay out the blocks of a call, (block, word), and tell the lane of every member."""
        share = self.blocks // self.devices
        rows = [rank % self.devices * share + rank // self.devices for rank in range(len(blocks))]
        table = np.zeros((self.blocks, self._starts[-1]), np.int32)
        parts = np.split(table, self._starts[1:-1], axis=1)
        lengths, range_, tiers, limit, arenas, factors, codes = parts
        range_[:], limit[:] = units, chunks
        factors.view(np.float32)[:] = 1
        lanes: list[int] = []
        for row, block in zip(rows, blocks, strict=True):
            count = len(block.members)
            lanes += range(row * self.width, row * self.width + count)
            arenas[row, :count] = block.arenas
            if gains is not None:
                factors.view(np.float32)[row, :count] = gains[block.members]
        for tier, machine in enumerate(self.machines):
            own = [i for i, block in enumerate(blocks) if block.tier == tier]
            if not own:
                continue
            mine = [rows[i] for i in own]
            tiers[mine] = tier
            members = [population[i] for j in own for i in blocks[j].members]
            places = [
                k * self.width + place
                for k, j in enumerate(own)
                for place in range(len(blocks[j].members))
            ]
            found: dict[str, Any] = {}
            for column, name in enumerate(self.outputs):
                some: list[Any] = [m.equations[name] for m in members]
                found[name], used = machine.assemble(some, places, len(own), self.width)
                lengths[mine, column] = used
            words = [a.reshape(len(own), -1).view(np.int32) for a in jax.tree.leaves(found)]
            joined = np.concatenate(words, axis=1)
            codes[mine, : joined.shape[1]] = joined
        return table, lanes

    def used(self, table: Array) -> Array:
        """How many blocks are in use: they come first."""
        return jnp.sum(table[:, 0] > 0)

    def unpack(self, row: Array) -> BlockSpec:
        """Read a row of the table."""
        lengths, units, tier, chunks, arenas, gains, codes = jnp.split(row, self._starts[1:-1])
        factors = lax.bitcast_convert_type(gains, jnp.float32)
        return BlockSpec(lengths, units, tier[0], chunks[0], arenas, factors, codes)

    def programs(self, codes: Array, tier: int) -> dict[str, Any]:
        """The arrays that a machine reads, by equation."""
        arrays, structure = self._shapes[tier]
        ends = list(accumulate(a.size for a in arrays))
        parts = jnp.split(codes[: ends[-1]], ends[:-1])
        found = [
            lax.bitcast_convert_type(part, a.dtype).reshape(a.shape[1:])
            for part, a in zip(parts, arrays, strict=True)
        ]
        return jax.tree.unflatten(structure, found)
