"""Episodes that stay on the devices: what is sent once serves all calls on the same instances."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from evolve.evaluation.arena import INSTANCES_PER_GROUP, Arena


class ResidentEpisodes:
    """Sends episodes to every device in parts of one shape, (arena, group, ...), and keeps those of whole arenas.

    Parameters
    ----------
    mesh
        The devices.
    arenas
        The training instances of the searches. A part holds as many arenas as these are, and as many groups as the
        first of them.
    """

    def __init__(self, mesh: Mesh, arenas: Sequence[Arena]) -> None:
        self._sharding = jax.NamedSharding(mesh, PartitionSpec())
        self._searched = arenas
        self.groups = arenas[0].instances // INSTANCES_PER_GROUP
        self._parts: WeakKeyDictionary[Arena, list[Any]] = WeakKeyDictionary()

    @cached_property
    def together(self) -> Any:
        """The episodes of all searches in one part."""
        if len(self._searched) == 1:
            return self.parts(self._searched[0])[0]
        return self._send(self._searched, np.arange(self.groups))

    def parts(self, arena: Arena) -> list[Any]:
        """The episodes of one arena; they are kept as long as the arena is."""
        if arena not in self._parts:
            self._parts[arena] = [self._send([arena], rows) for rows in self._rows(arena)]
        return self._parts[arena]

    def shared(self, arenas: Sequence[Arena]) -> Any:
        """Parts that each hold the same groups of several arenas of one size; they are not kept."""
        return (self._send(arenas, rows) for rows in self._rows(arenas[0]))

    def _rows(self, arena: Arena) -> list[np.ndarray]:
        """The groups of each part; the last group is repeated to fill the last part."""
        total = arena.instances // INSTANCES_PER_GROUP
        firsts = range(0, total, self.groups)
        return [np.minimum(np.arange(f, f + self.groups), total - 1) for f in firsts]

    def _send(self, arenas: Sequence[Arena], rows: np.ndarray) -> Any:
        some = [jax.tree.map(lambda a: a[rows], arena.episodes) for arena in arenas]
        missing = len(self._searched) - len(some)
        stacked = jax.tree.map(lambda *a: np.stack(a + (a[0],) * missing), *some)
        return jax.device_put(stacked, self._sharding)
