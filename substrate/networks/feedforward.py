"""One layer of rate neurons: y = phi(W x), every weight plastic.

    u_i = sum_j w_ij x_j        y_i = phi(u_i)        w_ij <- w_ij + eta dw_ij

The outputs are computed from the old weights before any synapse changes, and slow variables are read before they
move. For several outputs a rule may read the lateral sums that subspace rules need.
"""

from functools import lru_cache

import jax.numpy as jnp
from jax import Array

from substrate.errors import chosen
from substrate.networks.activations import ACTIVATIONS
from substrate.networks.base import Network
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD
from substrate.synapses import Synapses, learn, start

OBSERVABLES = frozenset({"pre", "post", "w", "u", "eta", "w_norm", "pre_norm"})
LATERAL = frozenset({"lat", "lat_ord"})


def forward(w: Array, x: Array) -> Array:
    """W x, (post, K, P), of weights (post, pre, K, P) and inputs (pre, K, P or 1).

    Written so that XLA computes it once and does not fuse it into the rule. A single lane is a matrix times a vector,
    for which there are fast paths.
    """
    if w.shape[2:] == (1, 1):
        return (w[..., 0, 0] @ x[..., 0, 0])[:, None, None]
    if x.shape[-1] == 1:
        return jnp.einsum("oikp,ik->okp", w, x[..., 0])
    return jnp.einsum("oikp,ikp->okp", w, x)


def backward(w: Array, y: Array) -> Array:
    """W^T y, (pre, K, P), of weights (post, pre, K, P) and outputs (post, K, P)."""
    if w.shape[2:] == (1, 1):
        return (y[:, 0, 0] @ w[..., 0, 0])[:, None, None]
    return jnp.einsum("okp,oikp->ikp", y, w)


@lru_cache
def feedforward(activation: str = "linear", lateral: bool = False) -> Network:
    """Build the network; its sizes come with the weights it is given.

    Parameters
    ----------
    activation
        Name of phi.
    lateral
        Whether the synapses observe the lateral sums, which make sense with several outputs only.

    Raises
    ------
    UserError
        If there is no such activation.
    """
    phi = chosen("activation", activation, ACTIVATIONS).phi

    def step(
        plasticity: Plasticity, state: Synapses, drive: Array, rate: Array
    ) -> tuple[Synapses, Array]:
        w = state.w
        u = forward(w, drive)
        y = phi(u)
        observed = {
            "pre": drive[None],
            "post": y[:, None],
            "w": w,
            "u": u[:, None],
            "eta": rate[None, None],
            "w_norm": jnp.sqrt(jnp.sum(w * w, axis=1, keepdims=True)),
            "pre_norm": jnp.sqrt(jnp.sum(drive * drive, axis=0))[None, None],
        }
        if lateral:
            observed["lat"] = backward(w, y)[None]
            observed["lat_ord"] = jnp.cumsum(y[:, None] * w, axis=0)
        return learn(state, plasticity, observed, rate[None, None]), y

    return Network({FORWARD: OBSERVABLES | LATERAL if lateral else OBSERVABLES}, start, step)
