"""The dentate gyrus: patterns of seven input lines must get sparse and different codes in 128 granule cells.

    input -> granule cells, with basket cells driven by the input (feedforward inhibition), by the granule cells
    (feedback inhibition), or indirectly by mossy cells, which excite each other

Seven configurations add or remove these elements; their mean weights are those that the publication optimised, and
the rule changes one connection while patterns are presented in random order. Then many patterns are presented without
learning:

    quality = 1 - (active / granule cells + mean cosine of two codes + share of granule cells never active) / 3

A cell is active above 1e-9; a silent pattern counts as the same as all others. The ceiling is one cell a pattern.
"""

from functools import partial
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array
from pydantic import Field

from substrate.errors import UserError
from substrate.networks.microcircuit import (
    EXCITATORY,
    INHIBITORY,
    Circuit,
    Connection,
    Wired,
    microcircuit,
    steady_state,
)
from substrate.simulate import NO_READING, Episode, Trace
from tasks.base import Draw, Family, Instance, Options, Outcome, Setting, View, Views, plain

Place = Literal[
    "input_granule",
    "input_feedforward",
    "feedforward_granule",
    "basket_granule",
    "granule_basket",
    "granule_mossy",
    "mossy_mossy",
    "mossy_basket",
    "mossy_granule",
]


LINES, GRANULES, OTHERS = 7, 128, 7

TAU = {"granule": 50.0, "mossy": 50.0, "feedforward": 20.0, "basket": 20.0}
CONNECTIONS = {
    "input_granule": Connection("input", "granule", EXCITATORY),
    "input_feedforward": Connection("input", "feedforward", EXCITATORY),
    "feedforward_granule": Connection("feedforward", "granule", INHIBITORY, tau_decay=20.0),
    "basket_granule": Connection("basket", "granule", INHIBITORY, tau_decay=20.0),
    "granule_basket": Connection("granule", "basket", EXCITATORY),
    "granule_mossy": Connection("granule", "mossy", EXCITATORY),
    "mossy_mossy": Connection("mossy", "mossy", EXCITATORY),
    "mossy_basket": Connection("mossy", "basket", EXCITATORY),
    "mossy_granule": Connection("mossy", "granule", EXCITATORY),
}

#: Excitatory weights between principal cells are log-normal, all others uniform, as published.
LOGNORMAL = {"input_granule", "granule_mossy", "mossy_mossy", "mossy_granule"}

#: Mean weights of each configuration (stored parameters of the publication's code).
MEANS: tuple[dict[Place, float], ...] = (
    {"input_granule": 0.1135},
    {"input_granule": 0.0681},
    {"input_granule": 0.1905, "input_feedforward": 0.1336, "feedforward_granule": 0.9996},
    {"input_granule": 0.0702, "basket_granule": 0.01004, "granule_basket": 0.9964},
    {
        "input_granule": 0.0775,
        "feedforward_granule": 0.0126,
        "basket_granule": 0.01006,
        "input_feedforward": 0.918,
        "granule_basket": 0.992,
    },
    {
        "input_granule": 0.3891,
        "feedforward_granule": 0.3011,
        "basket_granule": 0.9995,
        "input_feedforward": 0.1640,
        "granule_mossy": 0.01677,
        "mossy_mossy": 0.7892,
        "mossy_basket": 0.8583,
    },
    {
        "input_granule": 0.2090,
        "feedforward_granule": 0.01106,
        "basket_granule": 0.9983,
        "mossy_granule": 0.04237,
        "input_feedforward": 0.4825,
        "granule_mossy": 0.01590,
        "mossy_mossy": 0.9334,
        "mossy_basket": 0.7727,
    },
)


class DentateOptions(Options):
    """What a user may change."""

    configuration: int = Field(
        3,
        ge=0,
        le=6,
        description="0 input only, 1 log-normal, 2 feedforward, 3 feedback, 4 both, 5 indirect, 6 mossy -> granule",
    )
    plastic: Place = Field("input_granule", description="connection that learns")
    probes: int = Field(
        10,
        ge=2,
        le=2**LINES,
        description="patterns that are presented without learning; all 128 in the publication",
    )
    samples: int = Field(3, ge=1, le=10_000, description="patterns shown while learning")
    rate: float = Field(0.5, gt=0, le=10, description="learning rate eta")


def weights(rng: np.random.Generator, configuration: int) -> dict[str, np.ndarray]:
    """Draw the weights (post, pre) of a configuration, each scaled to its mean, without self-connections."""
    size = {
        "input": LINES,
        "granule": GRANULES,
        "mossy": OTHERS,
        "feedforward": OTHERS,
        "basket": OTHERS,
    }
    drawn: dict[str, np.ndarray] = {}
    for name, mean in MEANS[configuration].items():
        c = CONNECTIONS[name]
        shape = size[c.post], size[c.pre]
        w = rng.lognormal(size=shape) if name in LOGNORMAL and configuration else rng.random(shape)
        drawn[name] = w * mean / w.mean()
        if c.pre == c.post:
            np.fill_diagonal(drawn[name], 0.0)
    return drawn


def circuit_of(configuration: int) -> Circuit:
    """The populations and connections that a configuration has."""
    connections: dict[str, Connection] = {n: CONNECTIONS[n] for n in MEANS[configuration]}
    return Circuit({c.post: TAU[c.post] for c in connections.values()}, connections)


def every_pattern() -> np.ndarray:
    """All patterns (pattern, line) of 0 and 1."""
    return (np.arange(2**LINES)[:, None] >> np.arange(LINES) & 1).astype(float)


def sample(draw: Draw, options: DentateOptions) -> Instance:
    """Draw weights, patterns to learn from, and patterns to be scored on."""
    rng, patterns = draw.rng, every_pattern()
    shown = patterns[rng.integers(len(patterns), size=options.samples)]
    probes = patterns[rng.permutation(len(patterns))[: options.probes]]
    return Instance(shown, weights(rng, options.configuration), {"probes": probes})


def codes(a: Array) -> dict[str, Array]:
    """Figures of the codes (pattern, granule cell, K, P), each (K, P)."""
    active = (a > 1e-9).astype(a.dtype)
    length = jnp.sqrt(jnp.sum(a * a, axis=1, keepdims=True))
    heard = (length[:, 0] > 1e-9).astype(a.dtype)
    count, n = jnp.sum(heard, axis=0), a.shape[0]
    sum_of = jnp.sum(a / jnp.maximum(length, 1e-9), axis=0)
    speaking = jnp.sum(sum_of**2, axis=0) - count
    pairs = n * (n - 1)
    return {
        "sparsity": jnp.mean(jnp.sum(active, axis=1), axis=0),
        "similarity": (speaking + pairs - count * (count - 1)) / pairs,
        "selectivity": jnp.mean(jnp.sum(active, axis=0), axis=0),
        "patterns_active": count / n,
        "cells_active": jnp.mean(jnp.max(active, axis=0), axis=0),
    }


def score(episode: Episode, trace: Trace, options: Any, circuit: Circuit) -> Outcome:
    """Quality and metrics, (K, P), as the module's docstring defines them."""
    state: Wired = trace.state
    whole = {**state.fixed, options.plastic: state.plastic.w}
    figures = codes(
        steady_state(circuit, whole, episode.target["probes"], state.speed_factor)["granule"]
    )
    parts = figures["sparsity"] / GRANULES + figures["similarity"] + 1 - figures["cells_active"]
    quality = 1 - parts / 3
    return Outcome(quality, jnp.full_like(quality, 1 - 1 / (3 * GRANULES)), figures)


def show(episode: Episode, trace: Trace, options: Any, circuit: Circuit) -> dict[str, View]:
    """The codes of the probes, those with few active lines first, and the connection that learns."""
    state: Wired = trace.state
    whole = {**state.fixed, options.plastic: state.plastic.w}
    probes = np.asarray(episode.target["probes"])
    order = np.argsort(probes.sum(axis=(1, 2, 3)), kind="stable")
    a = steady_state(circuit, whole, jnp.asarray(probes[order]))["granule"]
    return {
        "similarity": View("similarity", plain(a)),
        "weights": View("weights", plain(state.plastic.w)),
    }


def build(options: DentateOptions) -> tuple[Setting, ...]:
    """One setting."""
    circuit = circuit_of(options.configuration)
    if options.plastic not in circuit.connections:
        raise UserError(
            f"Option plastic = {options.plastic!r}: configuration {options.configuration} has no such connection. "
            f"It has {', '.join(circuit.connections)}."
        )
    draw = partial(sample, options=options)
    value = partial(score, options=options, circuit=circuit)
    network = microcircuit(circuit, options.plastic)
    name = f"configuration {options.configuration}"
    views = Views(partial(show, options=options, circuit=circuit))
    return (Setting(name, network, options.rate, draw, NO_READING, value, views=views),)


FAMILY = Family(
    name="dentate",
    asks="a dentate microcircuit: make codes sparse and different",
    solved="similarity below 0.45 at fewer than 25 active cells in configuration 3, which has no mossy cells",
    reference="Galloni, Samadzelkava, Hiremath, Oumnov & Milstein 2022, Front. Comput. Neurosci. 16:826278",
    options=DentateOptions,
    build=build,
    rival="bcm",
)
