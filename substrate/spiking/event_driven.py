"""One integrate-and-fire neuron whose rule acts at events: at presynaptic spikes, at its own, and at every step.

    u <- exp(-dt / tau_m) u + gain sum_j w_j s_j;   a spike if u >= threshold, then u = 0
    dw_on_pre     acts on a synapse whose input spikes
    dw_on_post    acts on all synapses when the neuron spikes
    dw            acts on all synapses at every step
    w in [0, 1]

A rule reads `pre_tr`, `post_tr`, exponential traces of the spikes of either neuron, and `E_c`, the trace of the
partner: that of the neuron at a presynaptic spike, that of the input at a postsynaptic one.

Order within a step: traces decay; `dw_on_pre` at the inputs that spike, with the weights of the step before; the
potential takes up the changed weights; on a spike `dw_on_post`; then traces take up the spikes.

A step of this network is a presentation of many such steps. Inputs are sparse: they come as the numbers of those that
spike. So `dw_on_pre` is computed where there is a spike, and `dw_on_post` when there is one.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from substrate.networks.base import Network
from substrate.plasticity import Observed, Plasticity
from substrate.rule import FORWARD, ON_POST, ON_PRE
from substrate.spiking.spikes import Reset, fire, keep
from substrate.synapses import Synapses, learn, start

OBSERVABLES = frozenset({"pre", "post", "pre_tr", "post_tr", "E_c", "w", "eta"})


class EventNeuron(NamedTuple):
    """Model parameters; times in ms, potentials in mV relative to rest."""

    dt: float = 1.0
    tau_m: float = 18.0
    threshold: float = 20.0
    tau_trace: float = 20.0
    gain: float = 1.0  # jump of the potential by a spike of weight 1 [mV]


class EventDriven(NamedTuple):
    """One neuron; K instances, P individuals."""

    synapses: Synapses
    u: Array  # (K, P)
    post_tr: Array  # (K, P)
    spikes: Array  # (K, P), in the last presentation


class _Now(NamedTuple):
    """What changes in a presentation."""

    synapses: Synapses
    u: Array
    post_tr: Array
    pre_tr: Array  # (pre, K, Q), the same for all rules
    fired: Array  # (K, P), spikes of the presentation


@lru_cache
def event_driven(neuron: EventNeuron) -> Network:
    """Build the network of one neuron; its sizes come with the weights.

    Its input is a tree: `spikes` (step, place), the inputs that spike, filled up with a number that is none's, and
    `pre_tr` (pre,), their traces when the presentation begins.

    Parameters
    ----------
    neuron
        The model.
    """
    fading = keep(neuron.tau_trace, neuron.dt)

    def init(plasticity: Plasticity, w0: Array) -> EventDriven:
        nothing = jnp.zeros(w0.shape[2:], w0.dtype)
        return EventDriven(start(plasticity, w0), nothing, nothing, nothing)

    def step(
        plasticity: Plasticity, state: EventDriven, drive: Mapping[str, Array], rate: Array
    ) -> tuple[EventDriven, Array]:
        dense = plasticity.chip is not None or plasticity.slow or FORWARD in plasticity.dw
        act = _everywhere if dense else _at_events

        def one(now: _Now, indices: Array) -> tuple[_Now, None]:
            faded = now._replace(post_tr=fading * now.post_tr, pre_tr=fading * now.pre_tr)
            return act(neuron, plasticity, faded, indices.astype(jnp.int32), rate), None

        nothing = jnp.zeros_like(state.u)
        begin = _Now(state.synapses, state.u, state.post_tr, drive["pre_tr"], nothing)
        end, _ = lax.scan(one, begin, drive["spikes"])
        return EventDriven(end.synapses, end.u, end.post_tr, end.fired), end.fired[None]

    observables = {FORWARD: OBSERVABLES, ON_PRE: OBSERVABLES, ON_POST: OBSERVABLES}
    return Network(observables, init, step)


def _at_events(
    neuron: EventNeuron, plasticity: Plasticity, now: _Now, indices: Array, rate: Array
) -> _Now:
    """A step in which the rule is computed only where there is an event."""
    w = now.synapses.w
    wide = jnp.broadcast_to(indices, (*indices.shape[:-1], w.shape[-1]))
    mine = jnp.take_along_axis(w[0], wide, axis=0, mode="fill", fill_value=0.0)
    if ON_PRE in plasticity.dw:
        traces = jnp.take_along_axis(now.pre_tr, indices, axis=0, mode="fill", fill_value=0.0)
        observed = _observed(mine[None], traces, now.post_tr, rate, ON_PRE)
        moved = jnp.clip(mine + rate * plasticity.dw[ON_PRE](observed)[0], 0.0, 1.0)
        mine = jnp.where(wide < w.shape[1], moved, 0.0)
        lanes = jnp.arange(w.shape[2])[:, None], jnp.arange(w.shape[3])
        w = w.at[0, wide, *lanes].set(mine, mode="drop")
    u, spike = _driven(neuron, now.u, jnp.sum(mine, axis=0))
    if ON_POST in plasticity.dw:

        def potentiate(w: Array) -> Array:
            observed = _observed(w, now.pre_tr, now.post_tr, rate, ON_POST)
            moved = jnp.clip(w + rate * plasticity.dw[ON_POST](observed), 0.0, 1.0)
            return jnp.where(spike > 0, moved, w)

        w = lax.cond(jnp.any(spike > 0), potentiate, lambda w: w, w)
    return _taken_up(now._replace(synapses=now.synapses._replace(w=w)), u, spike, indices)


def _everywhere(
    neuron: EventNeuron, plasticity: Plasticity, now: _Now, indices: Array, rate: Array
) -> _Now:
    """A step in which the rule is computed everywhere, once: for chips, slow variables and `dw`.

    Both events of a step read the weight as it was before either, and so does the potential.
    """
    w = now.synapses.w
    pre = _added(jnp.zeros_like(now.pre_tr), indices)
    u, spike = _driven(neuron, now.u, jnp.sum(w[0] * pre, axis=0))

    def change(observed: Observed) -> Array:
        whole = jnp.zeros_like(w)
        for name, factor in ((ON_PRE, pre[None]), (ON_POST, spike), (FORWARD, 1.0)):
            if name in plasticity.dw:
                whole = whole + factor * plasticity.dw[name](observed)
        return whole

    observed = _observed(w, now.pre_tr, now.post_tr, rate, ON_PRE)
    observed["pre"], observed["post"] = pre[None], spike[None, None]
    observed["E_c"] = jnp.where(spike > 0, now.pre_tr, now.post_tr)[None]
    synapses = learn(now.synapses, plasticity._replace(dw={FORWARD: change}), observed, rate)
    if plasticity.chip is None:
        synapses = synapses._replace(w=jnp.clip(synapses.w, 0.0, 1.0))
    return _taken_up(now._replace(synapses=synapses), u, spike, indices)


def _driven(neuron: EventNeuron, u: Array, arriving: Array) -> tuple[Array, Array]:
    """Potential and spikes after weights have arrived."""
    u = keep(neuron.tau_m, neuron.dt) * u + neuron.gain * arriving
    u, _, spike = fire(u, jnp.zeros_like(u), Reset(neuron.threshold))
    return u, spike


def _added(counts: Array, indices: Array) -> Array:
    """Add the spikes of these inputs to numbers (pre, K, Q)."""
    lanes = jnp.arange(indices.shape[1])[:, None], jnp.arange(indices.shape[2])
    return counts.at[indices, *lanes].add(1.0, mode="drop")


def _observed(w: Array, pre_tr: Array, post_tr: Array, rate: Array, event: str) -> dict[str, Array]:
    """What synapses (1, pre, K, P) observe at an event."""
    at_pre = event == ON_PRE
    one, other = jnp.ones((1, 1, 1, 1), w.dtype), jnp.zeros((1, 1, 1, 1), w.dtype)
    own = {
        "pre": one if at_pre else other,
        "post": other if at_pre else one,
        "pre_tr": pre_tr[None],
        "post_tr": post_tr[None, None],
        "E_c": post_tr[None, None] if at_pre else pre_tr[None],
        "w": w,
        "eta": rate[None, None],
    }
    return own


def _taken_up(now: _Now, u: Array, spike: Array, indices: Array) -> _Now:
    """What is known after a step: traces have taken up its spikes."""
    return now._replace(
        u=u,
        post_tr=now.post_tr + spike,
        pre_tr=_added(now.pre_tr, indices),
        fired=now.fired + spike,
    )
