"""A microcircuit of several populations, coupled by conductances, that settles for each input.

    dg/dt = -g / tau_decay + max(a_pre - g, 0) / tau_rise       one a presynaptic neuron and connection
    tau dV/dt = -V + sum over connections of (W g) (E - V)      a = clip((V - 10) / 50, 0, 1)

Potentials are in mV from rest, times in ms. Every input is shown from rest for `SHOWN` ms, and an activity is its
mean over the last `READ` ms. One connection may be plastic, the projection `forward` of rules; its weights keep
their sign, since what a connection does to its targets is fixed by its reversal potential.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from substrate.networks.base import Network
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD
from substrate.synapses import Synapses, learn, speed_factors, start

OBSERVABLES = frozenset({"pre", "post", "w", "eta"})

SHOWN, READ = 350, 200
TAU_RISE = 1.0
EXCITATORY, INHIBITORY = 60.0, -10.0
THRESHOLD, RANGE = 10.0, 50.0


class Connection(NamedTuple):
    """One projection between two populations; the population `input` is given."""

    pre: str
    post: str
    reversal: float  # mV from rest
    tau_decay: float = 10.0  # ms


class Circuit(NamedTuple):
    """Populations with their membrane time constants [ms], and how they are connected, by name."""

    tau: Mapping[str, float]
    connections: Mapping[str, Connection]


def conductance(g: Array, a: Array, connection: Connection) -> Array:
    """One step of 1 ms, exact while the activity stays: up to a tau_decay / (tau_decay + tau_rise); or decay."""
    decay = 1.0 / connection.tau_decay
    speed = 1.0 / TAU_RISE + decay
    end = a / (TAU_RISE * speed)
    return jnp.where(a > g, end + (g - end) * jnp.exp(-speed), g * jnp.exp(-decay))


def steady_state(
    circuit: Circuit,
    weights: Mapping[str, Array],
    inputs: Array,
    speed_factor: Mapping[str, Array | None] | None = None,
) -> dict[str, Array]:
    """Mean activity of every population, (..., unit, K, P).

    Parameters
    ----------
    weights
        (post, pre, K, P) of each connection.
    inputs
        Activities (..., unit, K, P or 1), each shown from rest.
    speed_factor
        Factors (unit, K, 1 or P) of populations on how fast their potentials move, where a chip has them.
    """
    lanes = jnp.broadcast_shapes(*(w.shape[-2:] for w in weights.values()), inputs.shape[-2:])
    inputs = jnp.broadcast_to(inputs, (*inputs.shape[:-2], *lanes))
    front = inputs.shape[:-3]
    size = {c.post: weights[name].shape[0] for name, c in circuit.connections.items()}
    v = {p: jnp.zeros((*front, n, *lanes), inputs.dtype) for p, n in size.items()}
    sizes = {**size, "input": inputs.shape[-3]}
    g = {
        name: jnp.zeros((*front, sizes[c.pre], *lanes), inputs.dtype)
        for name, c in circuit.connections.items()
    }

    def activity(v: Mapping[str, Array]) -> dict[str, Array]:
        return {p: jnp.clip((x - THRESHOLD) / RANGE, 0.0, 1.0) for p, x in v.items()}

    def step(carry: Any, time: Array) -> tuple[Any, None]:
        v, g, total = carry
        a = {**activity(v), "input": inputs}
        g = {name: conductance(g[name], a[c.pre], c) for name, c in circuit.connections.items()}
        flow = {p: -x for p, x in v.items()}
        for name, c in circuit.connections.items():
            open_ = jnp.einsum("oikp,...ikp->...okp", weights[name], g[name])
            flow[c.post] = flow[c.post] + open_ * (c.reversal - v[c.post])
        v = {p: x + flow[p] / tau[p] for p, x in v.items()}
        late = (time >= SHOWN - READ).astype(inputs.dtype) / READ
        total = {p: total[p] + late * x for p, x in activity(v).items()}
        return (v, g, total), None

    factors = {p: factor for p, factor in (speed_factor or {}).items() if factor is not None}
    tau: dict[str, Any] = {p: t / factors.get(p, 1.0) for p, t in circuit.tau.items()}
    total = {p: jnp.zeros_like(x) for p, x in v.items()}
    return lax.scan(step, (v, g, total), jnp.arange(SHOWN))[0][2]


class Wired(NamedTuple):
    """The plastic connection, and the weights of the others."""

    plastic: Synapses
    fixed: dict[str, Array]
    speed_factor: dict[str, Array | None]  # of each population on a chip


def microcircuit(circuit: Circuit, plastic: str) -> Network:
    """Build the network; its weights are a tree by connection, its input the activity of the input lines.

    Parameters
    ----------
    plastic
        Name of the connection that learns.
    """
    connection = circuit.connections[plastic]

    def init(plasticity: Plasticity, w0: Mapping[str, Array]) -> Wired:
        fixed = {name: w for name, w in w0.items() if name != plastic}
        size = {c.post: w0[name].shape[0] for name, c in circuit.connections.items()}
        speed_factor = {p: speed_factors(plasticity, n, p) for p, n in size.items()}
        return Wired(start(plasticity, w0[plastic]), fixed, speed_factor)

    def step(
        plasticity: Plasticity, state: Wired, drive: Array, rate: Array
    ) -> tuple[Wired, Array]:
        weights = {**state.fixed, plastic: state.plastic.w}
        a = {**steady_state(circuit, weights, drive, state.speed_factor), "input": drive}
        observed = {
            "pre": a[connection.pre][None],
            "post": a[connection.post][:, None],
            "w": state.plastic.w,
            "eta": rate[None, None],
        }
        after = learn(state.plastic, plasticity, observed, rate[None, None])
        after = after._replace(w=jnp.maximum(after.w, 0.0))
        return state._replace(plastic=after), a[connection.post]

    return Network({FORWARD: OBSERVABLES}, init, step)
