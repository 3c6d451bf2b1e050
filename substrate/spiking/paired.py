"""A synapse between two neurons whose spikes are given: what a rule makes of pairs, triplets and bursts.

A step is an event, so times are exact. Its input says how long ago the last one was, and who spikes:

    x <- x exp(-gap / tau)                          for each of four traces
    w <- w + rate (pre dw_on_pre + post dw_on_post + dw)
    x <- x + spike, or x <- 1 at a spike where only the nearest spikes count

So every trace is read as it was before the spike. `dw` acts at every event. Two traces are fast, `pre_tr` and
`post_tr`, two slow, `pre_slow` and `post_slow`; `E_c` is the fast trace of the partner. Weights are in units of the
weight before the protocol.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from substrate.networks.base import Network
from substrate.plasticity import Observed, Plasticity
from substrate.rule import FORWARD, ON_POST, ON_PRE
from substrate.spiking.spikes import trace
from substrate.synapses import Synapses, learn, start

TRACES = ("pre_tr", "post_tr", "pre_slow", "post_slow")
OBSERVABLES = frozenset({*TRACES, "pre", "post", "E_c", "w", "eta"})


class TraceTimes(NamedTuple):
    """Time constants of the traces [ms], in the order of `TRACES`, and which spikes they remember."""

    pre_tr: float = 16.8
    post_tr: float = 33.7
    pre_slow: float = 101.0
    post_slow: float = 125.0
    nearest: bool = False


class Paired(NamedTuple):
    """The synapse and traces of both neurons; K instances, P individuals."""

    synapses: Synapses  # (1, 1, K, P)
    traces: dict[str, Array]  # (K, P) each


@lru_cache
def paired(times: TraceTimes) -> Network:
    """Build the network; its input is a tree of `gap` [ms], `pre` and `post`, (1,) each.

    Parameters
    ----------
    times
        Time constants of the traces.
    """

    def init(plasticity: Plasticity, w0: Array) -> Paired:
        nothing = jnp.zeros(w0.shape[2:], w0.dtype)
        return Paired(start(plasticity, w0), dict.fromkeys(TRACES, nothing))

    def step(
        plasticity: Plasticity, state: Paired, drive: Mapping[str, Array], rate: Array
    ) -> tuple[Paired, Array]:
        pre, post, gap = drive["pre"][0], drive["post"][0], drive["gap"][0]
        faded = {name: state.traces[name] * jnp.exp(-gap / getattr(times, name)) for name in TRACES}
        wide = {name: value[None, None] for name, value in faded.items()}
        observed = {
            **wide,
            "pre": pre[None, None],
            "post": post[None, None],
            "E_c": jnp.where(post[None, None] > 0, wide["pre_tr"], wide["post_tr"]),
            "w": state.synapses.w,
            "eta": rate[None, None],
        }

        def change(observed: Observed) -> Array:
            whole = jnp.zeros_like(state.synapses.w)
            for name, factor in ((ON_PRE, pre), (ON_POST, post), (FORWARD, 1.0)):
                if name in plasticity.dw:
                    whole = whole + factor * plasticity.dw[name](observed)
            return whole

        acting = plasticity._replace(dw={FORWARD: change})
        synapses = learn(state.synapses, acting, observed, rate[None, None])
        spikes = {name: pre if name.startswith("pre") else post for name in TRACES}
        taken_up = {name: trace(faded[name], spikes[name], 1.0, times.nearest) for name in TRACES}
        return Paired(synapses, taken_up), synapses.w[:, 0]

    return Network(dict.fromkeys((FORWARD, ON_PRE, ON_POST), OBSERVABLES), init, step)
