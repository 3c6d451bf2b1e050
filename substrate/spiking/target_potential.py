"""A neuron whose soma is told a target potential: its membrane, without reset, is to follow it.

    u = rest + x          C dx/dt = -(C / tau_m) x + I,   tau_s dI/dt = -I,   a spike of input j adds w_j to I
    g_j = dw(v, u, sbar_j)                     the rule, at every step
    tau dG_j/dt = -G_j + g_j                   what the synapse has of it, low-passed
    w_j <- w_j + rate G_j

`sbar_j` is the potential that input j would cause with weight 1. It does not depend on the rule, so it comes with the
input: filtered once, for all rules. Potentials are absolute [mV], weights in pA, `sbar` in mV/pA.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from substrate.hardware.base import Unit
from substrate.networks.base import Network
from substrate.networks.feedforward import forward
from substrate.plasticity import Observed, Plasticity, SlowUpdate
from substrate.rule import FORWARD
from substrate.spiking.membrane import Membrane, advance
from substrate.spiking.spikes import keep
from substrate.synapses import Synapses, learn, start

OBSERVABLES = frozenset({"v", "u", "sbar", "pre", "w", "eta"})
#: On a chip: weights up to 40 pA, potentials from -76 to -44 mV, PSPs up to 0.16 mV/pA.
UNITS = {
    "w": Unit(20.0),
    "u": Unit(4.0, -60.0),
    "v": Unit(4.0, -60.0),
    "sbar": Unit(0.04),
}
#: What a synapse keeps of the rule; no name of a person's slow variable has a space.
LOW_PASSED = "low-passed dw"
REST = -70.0


class TargetPotential(NamedTuple):
    """Synapses and membranes; K instances, P individuals."""

    synapses: Synapses
    membrane: tuple[Array, ...]  # each (post, K, P), the potential first, relative to rest

    @property
    def u(self) -> Array:
        """Absolute potential [mV], (post, K, P)."""
        return REST + self.membrane[0]


def low_passed(plasticity: Plasticity, share: float) -> Plasticity:
    """A plasticity whose weights follow what the rule says, averaged: a step replaces so much of the average."""
    rule = plasticity.dw[FORWARD]

    def moves(observed: Observed) -> Array:
        return share * (rule(observed) - observed[LOW_PASSED])

    average = SlowUpdate(moves, "synapse", 0.0)
    return plasticity._replace(
        dw={FORWARD: lambda observed: observed[LOW_PASSED]},
        slow={**plasticity.slow, LOW_PASSED: average},
    )


@lru_cache
def target_potential(model: Membrane, tau: float = 100.0) -> Network:
    """Build the network; its sizes come with the weights.

    Its input is a tree: `spikes` and `psp` (pre,), and `target` (post,) [mV].

    Parameters
    ----------
    model
        The membrane of the neurons.
    tau
        Time constant of the average that weights follow [ms].
    """
    share = 1.0 - keep(tau, model.dt)

    def init(plasticity: Plasticity, w0: Array) -> TargetPotential:
        still = jnp.zeros((w0.shape[0], *w0.shape[2:]), w0.dtype)
        own = start(low_passed(plasticity, share), w0)
        return TargetPotential(own, (still,) * len(model.entry))

    def step(
        plasticity: Plasticity, state: TargetPotential, drive: Mapping[str, Array], rate: Array
    ) -> tuple[TargetPotential, Array]:
        w = state.synapses.w
        observed = {
            "v": drive["target"][:, None],
            "u": state.u[:, None],
            "sbar": drive["psp"][None],
            "pre": drive["spikes"][None],
            "w": w,
            "eta": rate[None, None],
        }
        synapses = learn(state.synapses, low_passed(plasticity, share), observed, rate[None, None])
        after = TargetPotential(
            synapses, advance(model, state.membrane, forward(w, drive["spikes"]))
        )
        return after, after.u

    return Network({FORWARD: OBSERVABLES}, init, step, units=UNITS)
