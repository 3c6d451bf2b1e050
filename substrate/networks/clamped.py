"""Units whose activity is given while they learn: stores of patterns and of sequences.

    u_i = sum_j w_ij x_j        w_ij <- w_ij + eta dw_ij

A step presents one pair of patterns. Both sides are clamped, so a synapse observes as `post` what the unit should do,
and as `u` what the weights so far make of the input. One population may be both sides (auto-association), or two
(hetero-association). In a chain the pattern of the step before arrives while the next
one is presented.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

import jax.numpy as jnp
from jax import Array

from substrate.networks.base import Network
from substrate.networks.feedforward import forward
from substrate.plasticity import Observed, Plasticity
from substrate.rule import FORWARD
from substrate.synapses import Synapses, learn, start

OBSERVABLES = frozenset({"pre", "post", "w", "u", "eta"})
RECURRENT = frozenset({"u_pre"})
DELAYED = frozenset({"pre_delayed"})


def without_loops(plasticity: Plasticity, projection: str = FORWARD) -> Plasticity:
    """The plasticity without self-connections: the change of the diagonal of a projection is 0."""

    def cut(change: Callable[[Observed], Array]) -> Callable[[Observed], Array]:
        def off_diagonal(observed: Observed) -> Array:
            others = 1.0 - jnp.eye(observed["w"].shape[0], dtype=observed["w"].dtype)
            return jnp.where(others[..., None, None] > 0, change(observed), 0.0)

        return off_diagonal

    return plasticity._replace(
        dw={p: cut(c) if p == projection else c for p, c in plasticity.dw.items()}
    )


@lru_cache
def clamped(recurrent: bool = True, delayed: bool = False) -> Network:
    """Build the network; its input is `{"pre": (n, K, 1), "post": (m, K, 1)}`, with `"delayed"` in a chain.

    Parameters
    ----------
    recurrent
        Whether both sides are one population, which has no synapses onto itself.
    delayed
        Whether what arrives is the input `delayed`, the pattern of the step before.
    """
    observables = (
        OBSERVABLES | (RECURRENT if recurrent else set()) | (DELAYED if delayed else set())
    )

    def step(
        plasticity: Plasticity, state: Synapses, drive: Mapping[str, Array], rate: Array
    ) -> tuple[Synapses, Array]:
        w, pre, post = state.w, drive["pre"], drive["post"]
        arriving = drive["delayed"] if delayed else pre
        u = forward(w, arriving)
        observed = {
            "pre": pre[None],
            "post": post[:, None],
            "w": w,
            "u": u[:, None],
            "eta": rate[None, None],
        }
        if recurrent:
            observed["u_pre"] = u[None]
            plasticity = without_loops(plasticity)
        if delayed:
            observed["pre_delayed"] = arriving[None]
        return learn(state, plasticity, observed, rate[None, None]), u

    return Network({FORWARD: observables}, start, step)
