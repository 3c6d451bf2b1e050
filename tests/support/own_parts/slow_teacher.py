"""Slow teacher: a neuron that remembers its inputs must answer as a teacher with the same memory does.

    z <- z + (x - z) / tau        y = w . z        err = v . z - y        w <- w + eta dw

x is Gaussian; the teacher's weights v and the start weights are drawn anew for every instance. The quality is the
share of the way to the teacher, 1 - |w - v| / |w0 - v|, after the last step.
"""

from functools import partial
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from pydantic import Field

from substrate.networks.base import Network
from substrate.simulate import Reading
from substrate.synapses import Synapses, learn, start
from tasks.base import Family, Instance, Options, Outcome, Setting

NOTHING = Reading(lambda episode, state: (), lambda gathered, episode, step: ())


class SlowTeacherOptions(Options):
    inputs: int = Field(5, ge=1, le=100, description="numbers that the neuron sees in a step")
    steps: int = Field(500, ge=1, le=100_000, description="steps, one change of the weights each")
    tau: float = Field(3.0, ge=1, description="memory [steps]")
    rate: float = Field(0.1, gt=0, le=1, description="learning rate eta")


class State(NamedTuple):
    synapses: Synapses
    z: Array  # (input, K, P): what is left of earlier inputs


def network(tau):
    """One linear neuron with a memory (tau, in steps), which is told its error."""

    def init(plasticity, w0):
        return State(start(plasticity, w0), jnp.zeros(w0.shape[1:]))

    def step(plasticity, state, drive, rate):
        w = state.synapses.w
        z = state.z + (drive["x"] - state.z) / tau
        y = jnp.einsum("oikp,ikp->okp", w, z)
        err = jnp.sum(drive["v"] * z, axis=0) - y
        observed = {"pre": z[None], "post": y[:, None], "w": w, "err": err[:, None]}
        return State(learn(state.synapses, plasticity, observed, rate[None, None]), z), y

    return Network({"forward": frozenset({"pre", "post", "w", "err"})}, init, step)


def sample(draw, options):
    x = draw.rng.normal(size=(options.steps, options.inputs))
    v, w0 = draw.rng.normal(size=(2, options.inputs))
    drive = {"x": x, "v": v + 0 * x}  # what a network is shown begins with the step
    return Instance(drive, w0[None], {"v": v})


def score(episode, trace):
    def distance(w):  # (K, P)
        return jnp.sqrt(jnp.sum((w[0] - episode.target["v"]) ** 2, axis=0))

    left = distance(trace.state.synapses.w)
    return Outcome(1 - left / distance(episode.w0), jnp.ones_like(left), {"distance": left})


def build(options):
    draw = partial(sample, options=options)
    return (Setting("one", network(options.tau), options.rate, draw, NOTHING, score, bounded=True),)


FAMILY = Family(
    name="slow_teacher",
    asks="a neuron that remembers its inputs: answer as a teacher does",
    solved="test score at least the delta rule's",
    reference="an example, 2026",
    options=SlowTeacherOptions,
    build=build,
    rival="delta",
    baselines=("frozen", "hebb", "delta"),
    search={"genes": {"terminals": ("pre", "err", "w")}},
)
