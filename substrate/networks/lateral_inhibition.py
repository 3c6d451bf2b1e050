"""One layer with plastic lateral inhibition, settled for each input.

    dy_i/dt = phi(sum_j w_ij x_j - sum_k l_ik y_k + b_i) - y_i        l_ii = 0

Three projections may learn: `forward` (w), `lateral` (l, which inhibits) and `bias` (b, from an input that is always
1). With `spiking` the settled activity is rounded to 0 or 1. Synapses of the lateral projection see the output of
the other neuron as `pre`.
"""

from collections.abc import Mapping
from functools import lru_cache

import jax.numpy as jnp
from jax import Array, lax

from substrate.errors import chosen
from substrate.networks.activations import ACTIVATIONS
from substrate.networks.base import Network
from substrate.networks.clamped import without_loops
from substrate.networks.feedforward import forward
from substrate.plasticity import Plasticity
from substrate.synapses import Synapses, learn, start

OBSERVABLES = frozenset({"pre", "post", "w", "u", "eta"})
PROJECTIONS = ("forward", "lateral", "bias")


@lru_cache
def lateral(
    activation: str = "linear",
    slope: float = 1.0,
    steps: int = 50,
    dt: float = 0.1,
    spiking: bool = False,
    signed: bool = True,
) -> Network:
    """Build the network; its weights are a tree of `forward` (m, n), `lateral` (m, m) and `bias` (m, 1).

    Parameters
    ----------
    activation
        Name of phi.
    slope
        Factor on the net input before phi.
    steps, dt
        Steps of settling, and their length in units of the neurons' time constant.
    spiking
        Whether outputs are 1 above one half, and else 0.
    signed
        Whether lateral weights may excite too; if not they stay at least 0.
    """
    phi = chosen("activation", activation, ACTIVATIONS).phi

    def init(plasticity: Plasticity, w0: Mapping[str, Array]) -> dict[str, Synapses]:
        return {name: start(plasticity, w, projection=name) for name, w in w0.items()}

    def step(
        plasticity: Plasticity, state: Mapping[str, Synapses], drive: Array, rate: Array
    ) -> tuple[dict[str, Synapses], Array]:
        w = {name: synapses.w for name, synapses in state.items()}
        fed = forward(w["forward"], drive) + w["bias"][:, 0]

        def relax(y: Array, _: None) -> tuple[Array, None]:
            return y + dt * (phi(slope * (fed - forward(w["lateral"], y))) - y), None

        y = lax.scan(relax, jnp.zeros_like(fed), None, steps)[0]
        if spiking:
            y = (y > 0.5).astype(y.dtype)
        u = fed - forward(w["lateral"], y)
        inputs = {"forward": drive, "lateral": y, "bias": jnp.ones_like(y[:1])}
        plasticity = without_loops(plasticity, "lateral")
        after = {}
        for name, synapses in state.items():
            if name not in plasticity.dw:
                after[name] = synapses
                continue
            observed = {
                "pre": inputs[name][None],
                "post": y[:, None],
                "w": synapses.w,
                "u": u[:, None],
                "eta": rate[None, None],
            }
            after[name] = learn(synapses, plasticity, observed, rate[None, None], name)
        if not signed:
            inhibiting = after["lateral"]
            after["lateral"] = inhibiting._replace(w=jnp.maximum(inhibiting.w, 0.0))
        return after, y

    return Network(dict.fromkeys(PROJECTIONS, OBSERVABLES), init, step)
