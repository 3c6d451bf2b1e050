"""What a device does in a call: it runs its blocks, one after another, through every group of every setting."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from evolve.evaluation.arena import INSTANCES_PER_GROUP, can_merge_lanes, learn
from evolve.evaluation.fixed_projections import with_fixed
from evolve.evaluation.layout import BlockSpec, Layout
from substrate.compilation.interpreter import interpret
from substrate.rule import Slow
from substrate.simulate import Episode, merge_lanes
from tasks.base import Setting


@dataclass(frozen=True)
class Blocks:
    """The program of one device.

    Parameters
    ----------
    settings
        Shapes of network and instance.
    layout
        How blocks are laid out in its table.
    groups
        Groups of instances of every setting.
    slow
        Scope and initial value of slow variables that rules may have.
    """

    settings: tuple[Setting, ...]
    layout: Layout
    groups: int
    slow: tuple[Slow, ...]

    def run(self, table: Array, episodes: Any, full: bool) -> tuple[Any, ...]:
        """Of every setting quality, ceiling and, with `full`, metrics, (block, group, GROUP, lane) each.

        The table is (block, word), episodes are (arena, group, ...).
        """
        pairs = zip(self.settings, episodes, strict=True)
        return tuple(self._setting(i, *pair, table, full) for i, pair in enumerate(pairs))

    def _setting(
        self, index: int, setting: Setting, episodes: Episode, table: Array, full: bool
    ) -> Any:
        """Run this device's blocks through the groups of one setting; what is not run is nan."""
        blocks, groups = table.shape[0], self.groups
        units = self.layout.unpack(table[0]).units  # the same in all rows
        begin, end = jnp.clip(units - index * groups, 0, groups)
        merged = can_merge_lanes(episodes, self.layout.width, leading=2)

        def on(tier: int, spec: BlockSpec, group: Array) -> Any:
            mine = jax.tree.map(lambda a: _lanes(a, merged), self.layout.programs(spec.codes, tier))
            length = dict(zip(self.layout.outputs, spec.lengths, strict=True))
            plasticity = with_fixed(
                interpret(mine, length, self.layout.machines[tier], self.slow), setting.fixed_rules
            )
            arenas = spec.arenas if self.layout.mixed else spec.arenas[0]

            def mine_of(array: Array) -> Array:
                """(..., K, 1), or with an arena for every individual (..., K, P)."""
                own = array[arenas, group]
                return jnp.moveaxis(own[..., 0], 0, -1) if self.layout.mixed else own

            def window(start: Array, steps: int) -> Any:
                def one(array: Array) -> Array:
                    part = lax.dynamic_slice_in_dim(array, start, steps, axis=2)
                    return mine_of(part)

                return jax.tree.map(one, episodes.drive)

            rest = jax.tree.map(mine_of, episodes._replace(drive=None))
            shape = jax.tree.map(lambda a: a[0, 0], episodes.drive)
            episode = rest._replace(drive=shape)
            quality, ceiling, metrics = learn(
                setting,
                plasticity,
                episode,
                spec.gains,
                merged,
                chunks=spec.chunks,
                window=window,
                full=full,
            )
            return quality, ceiling, metrics

        def at(block: Array, group: Array) -> Any:
            machines = [partial(on, tier) for tier in range(len(self.layout.machines))]
            spec = self.layout.unpack(table[block])
            return lax.switch(spec.tier, machines, spec, group)

        def one(i: Array, results: Any) -> Any:
            block, group = i // (end - begin), begin + i % (end - begin)
            return jax.tree.map(
                lambda kept, new: kept.at[block, group].set(new), results, at(block, group)
            )

        shapes = jax.eval_shape(at, jnp.int32(0), jnp.int32(0))
        empty = jax.tree.map(lambda s: jnp.full((blocks, groups, *s.shape), jnp.nan), shapes)
        return lax.fori_loop(0, self.layout.used(table) * (end - begin), one, empty)


def _lanes(code: Array, merged: bool) -> Array:
    """Repeat code (segment, SEGMENT, 1, P) for every instance of a group if the lanes are merged."""
    if not merged:
        return code
    *front, _, individuals = code.shape
    return merge_lanes(
        jnp.broadcast_to(code, (*front, INSTANCES_PER_GROUP, individuals)), individuals
    )
