"""How large is what the synapses of an arena observe? Decides whether rules may run as polynomials there."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from evolve.evaluation.arena import INSTANCES_PER_GROUP, Arena
from evolve.evaluation.fixed_projections import with_fixed
from substrate.compilation.interpreter import Machine
from substrate.compilation.lowering import lower
from substrate.compilation.polynomials import LARGEST_SIGNAL, Polynomials
from substrate.rule import Rule, Slow
from substrate.simulate import NO_READING, Episode, simulate
from substrate.synapses import Synapses
from substrate.vocabulary import VOCABULARY, names
from tasks.base import Setting


def exact_machines(
    machines: Iterable[Polynomials | Machine], arenas: Sequence[Arena]
) -> tuple[Polynomials | Machine, ...]:
    """The machines without polynomials, if on these data multiplying a rule out may lose digits."""
    kept = tuple(machines)
    polynomials = [m for m in kept if isinstance(m, Polynomials)]
    if not polynomials:
        return kept
    observed = [name for name in polynomials[-1].terminals if name in VOCABULARY]
    if all(_data_within(arena) or _signals_within(arena, observed) for arena in arenas):
        return kept
    return tuple(m for m in kept if not isinstance(m, Polynomials))


def _data_within(arena: Arena) -> bool:
    """Whether all numbers that the networks are given are small, keys and indices among them."""
    given = [(episode.drive, episode.w0) for episode in arena.episodes]
    return all(np.abs(array).max() <= LARGEST_SIGNAL for array in jax.tree.leaves(given))


def _signals_within(arena: Arena, observed: Sequence[str]) -> bool:
    """The same of what the synapses observe in networks that do not learn."""
    pairs = zip(arena.settings, arena.episodes, strict=True)
    # Written so that NaN is not small.
    return all(
        _largest(setting, episodes, observed) <= LARGEST_SIGNAL for setting, episodes in pairs
    )


def _largest(setting: Setting, episodes: Episode, observed: Sequence[str]) -> float:
    """The largest magnitude of the observables: slow variables remember it, and no weight changes."""
    slow = []
    for name in observed:
        signal, largest = names(f"{name} largest_{name}")
        rate = sympy.Max(sympy.Abs(signal), largest, evaluate=False) - largest
        slow.append(Slow(largest.name, rate))
    plasticity = with_fixed(lower(Rule("signal_range", 0, slow=tuple(slow))), setting.fixed_rules)
    rate = jnp.zeros((INSTANCES_PER_GROUP, 1))

    def one(episode: Any) -> jax.Array:
        state = simulate(setting.network, plasticity, episode, rate, NO_READING, 1).state
        parts = jax.tree.leaves(state, is_leaf=lambda part: isinstance(part, Synapses))
        kept = [v for p in parts if isinstance(p, Synapses) for v in p.slow.values()]
        return jnp.max(jnp.stack([jnp.max(v) for v in kept]))

    return float(jnp.max(jax.jit(lambda some: jax.lax.map(one, some))(episodes)))
