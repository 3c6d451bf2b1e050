"""One rule, compiled on its own: for rules that the interpreter does not cover and runs that are long."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from evolve.evaluate import Arena, Bounds, Scores, foldable, large, learn
from substrate.lowering import lower
from substrate.network import refuse
from substrate.rule import Rule


def measure(rule: Rule, arena: Arena, bounds: Bounds, gains: Sequence[float] = (1.0,)) -> Scores:
    """Score one rule at several learning rates.

    Parameters
    ----------
    gains
        Factors on the learning rate of each setting; each is an individual of the result.

    Raises
    ------
    UserError
        If the rule reads what the task's network does not show.
    """
    refuse(rule, arena.shows)
    constants = {name: jnp.float32(value) for name, value in rule.constants.items()}
    factors = jnp.asarray(gains, jnp.float32)
    raw = [
        _setting(rule, setting, episodes)(constants, factors, episodes)
        for setting, episodes in zip(arena.settings, arena.episodes, strict=True)
    ]

    def ordered(array: Array) -> np.ndarray:
        """(group, GROUP, P) of one setting -> (individual, instance)."""
        return np.moveaxis(np.asarray(array), -1, 0).reshape(len(gains), -1)

    quality = np.stack([ordered(q) for q, _ in raw], axis=1)
    metrics = {k: np.stack([ordered(m[k]) for _, m in raw], axis=1) for k in raw[0][1]}
    return Scores(bounds.normalise(quality), quality, metrics)


def _setting(rule: Rule, setting: Any, episodes: Any) -> Any:
    """The program of one rule on one setting; constants, rates and instances are arguments."""

    @jax.jit
    def run(constants: dict[str, Array], gains: Array, episodes: Any) -> Any:
        plasticity = lower(rule, constants)

        def group(episode: Any) -> Any:
            folded = foldable(episode, gains.shape[0])
            quality, _, metrics = learn(setting, plasticity, episode, gains, folded, large(episode))
            return quality, metrics

        return lax.map(group, episodes)

    return run
