"""PCA: one linear neuron must turn its weights to the first principal component of its input.

    y = w . x        w <- w + eta dw        x ~ N(mean, C)

Instances differ in dimension, covariance and start weights. Options reach from the published search (n = 2, random
positive definite covariances, start weights uniform and normalised) to what its pitfalls ask for: random rotations
and start weights orthogonal to the component, from which doing nothing gains nothing.
"""

from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from substrate.networks.feedforward import feedforward
from tasks._component import QUALITY, READING, Quality, outcome
from tasks._statistics import STATISTICS
from tasks.base import Draw, Family, Instance, Options, Setting

Statistic = Literal["spread", "spd", "axis", "mixed", "offset", "rotated"]
Dimension = Annotated[int, Field(ge=2, le=200)]


class PcaOptions(Options):
    """What a user may change; the defaults are the search of the README."""

    dimensions: tuple[Dimension, ...] = Field(
        (2, 5, 10), min_length=1, description="numbers of inputs n"
    )
    statistics: tuple[Statistic, ...] = Field(
        ("spread",), min_length=1, description="kinds of input"
    )
    start: Literal["random", "orthogonal", "mixed"] = Field(
        "mixed",
        description="start weights: random direction, orthogonal to the component, or half and half",
    )
    samples: int = Field(
        1000, ge=100, le=100_000, description="training samples, one weight update each"
    )
    held_out: int = Field(
        100, ge=2, le=10_000, description="held-out samples of the variance fitness"
    )
    rate: float = Field(0.01, gt=0, le=1, description="learning rate eta")
    fitness: Quality = QUALITY
    alpha: float | None = Field(
        None, ge=0, description="weight of the norm penalty; n if not given"
    )
    exponent: float = Field(2.0, gt=0, description="exponent of the norm penalty")


def sample(draw: Draw, n: int, options: PcaOptions) -> Instance:
    """Draw inputs, their first component and start weights of unit length."""
    rng = draw.rng
    kinds = options.statistics
    moments = STATISTICS[kinds[draw.place % len(kinds)]](rng, n, draw.number)
    values, vectors = np.linalg.eigh(moments.covariance)
    component = vectors[:, -1]
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    count = options.samples + options.held_out
    x = moments.mean + rng.normal(size=(count, n)) @ root.T
    w0 = rng.uniform(-1.0, 1.0, n)
    turn = draw.place // len(kinds) % 2 == 1  # every second instance of each kind
    if options.start == "orthogonal" or (options.start == "mixed" and turn):
        w0 -= (w0 @ component) * component
    target = {"component": component, "held_out": x[options.samples :]}
    return Instance(x[: options.samples], (w0 / np.linalg.norm(w0))[None], target)


def build(options: PcaOptions) -> tuple[Setting, ...]:
    """One setting per dimension."""

    def setting(n: int) -> Setting:
        alpha = float(n) if options.alpha is None else options.alpha
        score = partial(outcome, mode=options.fitness, alpha=alpha, exponent=options.exponent)
        draw = partial(sample, n=n, options=options)
        bounded = options.fitness != "variance"  # a cosine is at most 1
        network = feedforward()
        return Setting(f"n={n}", network, options.rate, draw, READING, score, bounded=bounded)

    return tuple(setting(n) for n in options.dimensions)


FAMILY = Family(
    name="pca",
    asks="one linear neuron: find the first principal component",
    solved="test score at least Oja's",
    reference="Mettler, Schmidt, Senn, Petrovici & Jordan 2021, GECCO Companion 285-286",
    options=PcaOptions,
    build=build,
    search={"rates": "best"},  # a mean over time rewards speed
)
