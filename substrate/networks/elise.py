"""ELiSe: visible and latent neurons of two compartments, with delays, a fixed somatic scaffold and a teacher.

    dv/dt = -g_l (v - E_l) + sum_j w_ij r_j(t - d_j)
    du/dt = -g_l (u - E_l) + g_den (v - u) + I_scaffold + I_teacher
    r = phi(u) = 1 / (1 + exp(a (b - u)))
    drbar/dt = -g_l rbar + g_l g_den / (g_l + g_den) r(t - d)

Dendritic weights w are plastic, except those of a neuron onto itself. Over the scaffold an active neuron excites its
targets, and inhibits them strongly later, so that activity is passed on in packets; the delays are the memory. A
teacher pulls the visible neurons, which come first, to a target potential; a pull of 0 is no teacher. Potentials in
mV, times in ms, conductances in 1/ms (capacitances are 1).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from substrate.networks.base import Network
from substrate.networks.feedforward import forward
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD
from substrate.synapses import Synapses, learn, speed_factors, start

OBSERVABLES = frozenset({"pre", "post", "w", "u", "eta", "phi_u", "phi_v", "rbar"})

LEAK, DENDRITE = 0.1, 2.0
REST, EXCITATION, INHIBITION = -70.0, 0.0, -75.0
SLOPE, CENTRE = 0.3, -58.0
PUSH, BRAKE = 0.3, 6.0
#: Delays [ms]: the longest of any neuron, and of the inhibition over the scaffold behind the excitation.
LONGEST, LATER = 15.0, 25.0


class EliseNeurons(NamedTuple):
    """N neurons, the visible ones first; K instances, P individuals."""

    synapses: Synapses  # dendritic, (N, N, K, P)
    u: Array  # (N, K, P)
    v: Array
    rbar: Array
    past: Array  # (steps, N, K, P), rates of the last steps, a ring buffer
    pushed: Array  # (steps, N, K, P), input over the scaffold in the last steps, a ring buffer
    now: Array  # (1, 1), steps so far, which index the ring buffers
    scaffold: Array  # (N, N, K, P) of 0 and 1
    delays: Array  # (2, N, K, P), dendritic and somatic [ms]
    speed_factor: tuple[Array | None, Array | None]  # (N, K, 1 or P) of u and of v, on a chip


def phi(u: Array) -> Array:
    """Rate of a potential [mV]."""
    return jax.nn.sigmoid(SLOPE * (u - CENTRE))


def predicted(v: Array) -> Array:
    """Potential that the dendrite alone would give the soma [mV]."""
    return (LEAK * REST + DENDRITE * v) / (LEAK + DENDRITE)


@lru_cache
def elise(visible: int, dt: float = 0.2, among_visible: float = 0.01) -> Network:
    """Build the network.

    Its weights are a tree: `dendritic` and `scaffold` (post, pre), `delays` (2, neuron). Its input is a tree:
    `target` (visible,) [mV] and `pull` (1,), the strength lam / (1 - lam) of the teacher.

    Parameters
    ----------
    visible
        Neurons that the teacher reaches.
    dt
        Length of a step [ms]; inhibition makes more than 0.2 unstable.
    among_visible
        Learning rate between visible neurons, as a share of the others', so that a visible neuron learns from the
        latent ones what the teacher makes it do.
    """
    ring, later = round(LONGEST / dt) + 1, round(LATER / dt)

    def init(plasticity: Plasticity, w0: Mapping[str, Array]) -> EliseNeurons:
        w = w0["dendritic"]
        rest = jnp.full((w.shape[0], *w.shape[2:]), REST, w.dtype)
        past = jnp.broadcast_to(phi(rest), (ring, *rest.shape))
        scaffold = w0["scaffold"]
        pushed = forward(scaffold, phi(rest))
        return EliseNeurons(
            start(plasticity, w),
            u=rest,
            v=rest,
            rbar=jnp.zeros_like(rest),
            past=past,
            pushed=jnp.broadcast_to(pushed, (later, *rest.shape)),
            now=jnp.zeros((1, 1), jnp.int32),
            scaffold=scaffold,
            delays=w0["delays"],
            speed_factor=(
                speed_factors(plasticity, len(w), "soma"),
                speed_factors(plasticity, len(w), "dendrite"),
            ),
        )

    def arriving(state: EliseNeurons, delay: Array) -> Array:
        """Rates (N, K, P) that left `delay` [ms] ago."""
        place = (state.now - jnp.round(delay / dt).astype(jnp.int32)) % ring
        return jnp.take_along_axis(state.past, place[None], axis=0)[0]

    def step(
        plasticity: Plasticity, state: EliseNeurons, drive: Mapping[str, Array], rate: Array
    ) -> tuple[EliseNeurons, Array]:
        u, v, w = state.u, state.v, state.synapses.w
        dendritic, somatic = state.delays
        pre = arriving(state, dendritic)
        floor = phi(jnp.asarray(REST, u.dtype))
        pushed = forward(state.scaffold, jnp.maximum(arriving(state, somatic), floor))
        place = state.now[0, 0] % later  # what was pushed LATER ago is where this will be kept
        push, brake = PUSH * pushed, BRAKE * state.pushed[place]
        pull = drive["pull"] * (LEAK + DENDRITE)

        phi_u, phi_v = phi(u), phi(predicted(v))
        observed = {
            "pre": pre[None],
            "post": phi_u[:, None],
            "w": w,
            "u": u[:, None],
            "eta": rate[None, None],
            "phi_u": phi_u[:, None],
            "phi_v": phi_v[:, None],
            "rbar": state.rbar[None],
        }
        fast_u, fast_v = (dt if p is None else dt * p for p in state.speed_factor)
        new_v = v + fast_v * (-LEAK * (v - REST) + forward(w, pre))
        # The soma is fast and its conductances large, so it is integrated exactly while they stay.
        open_ = (LEAK + DENDRITE + push + brake).at[:visible].add(pull)
        driven = LEAK * REST + DENDRITE * v + push * EXCITATION + brake * INHIBITION
        end = driven.at[:visible].add(pull * drive["target"]) / open_
        new_u = end + (u - end) * jnp.exp(-fast_u * open_)
        gain = LEAK * DENDRITE / (LEAK + DENDRITE)
        new_rbar = state.rbar + dt * (-LEAK * state.rbar + gain * pre)
        now, rates = state.now + 1, phi(new_u)
        after = state._replace(
            synapses=learn(state.synapses, plasticity, observed, rate[None, None] * _share(w)),
            u=new_u,
            v=new_v,
            rbar=new_rbar,
            past=state.past.at[now[0, 0] % ring].set(rates),
            pushed=state.pushed.at[place].set(pushed),
            now=now,
        )
        return after, rates[:visible]

    def _share(w: Array) -> Array:
        """Factors (N, N, 1, 1) on the learning rate: less among visible neurons, none from a neuron onto itself."""
        n = w.shape[0]
        is_visible = jnp.arange(n) < visible
        both = jnp.where(is_visible[:, None] & is_visible[None], among_visible, 1.0)
        return (both * (1 - jnp.eye(n)))[..., None, None].astype(w.dtype)

    return Network({FORWARD: OBSERVABLES}, init, step)
