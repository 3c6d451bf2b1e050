"""Yin-yang: a small layered network learns to name the three regions of a disc.

    4 - 30 - 3        u = W_l [x, 1]        x = relu(u)        softmax        W <- W + eta dW

Inputs (x, y, 1 - x, 1 - y), with (x, y) uniform in the parts of a disc of radius 1/2: yin, yang, and their dots of
radius 1/10, each a third of the samples. Every point is drawn anew and shown once. No line separates the classes, and
readouts of random features stay below a network that learns its features. Published, for 300 passes over 5,000 points
with Adam: 0.976 +- 0.015, with the lower weights frozen 0.855 +- 0.058, without hidden layer 0.638 +- 0.010.
"""

from functools import partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tasks._analyses import Net
from tasks._supervised import RIVALS, SEARCH, LayeredOptions, Samples, instance, one_hot, setting
from tasks.base import Draw, Family, Instance, Setting

RADIUS, DOT = 0.5, 0.1
HELD_OUT = 500


class YinyangOptions(LayeredOptions):
    """What a user may change."""

    hidden: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (30,), min_length=1, max_length=6, description="neurons of the hidden layers"
    )
    samples: int = Field(20_000, ge=100, le=10_000_000, description="points shown")
    batch: int = Field(4, ge=1, le=200, description="points of one weight update")
    activation: Literal["relu", "tanh", "sigmoid", "softplus"] = Field(
        "relu", description="nonlinearity of the hidden layers"
    )
    rate: float = Field(0.2, gt=0, le=10, description="learning rate eta")


def region(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Class of points of the disc around (1/2, 1/2): 0 yang, 1 yin, 2 a dot."""
    right = np.hypot(x - 1.5 * RADIUS, y - RADIUS)
    left = np.hypot(x - 0.5 * RADIUS, y - RADIUS)
    yin = (left <= 0.5 * RADIUS) | ((y > RADIUS) & (right > 0.5 * RADIUS))
    return np.where((left < DOT) | (right < DOT), 2, yin.astype(int))


def points(rng: np.random.Generator, count: int) -> Samples:
    """Draw so many points: first the class, then a point uniform in its region."""
    label = rng.integers(3, size=count)
    x, y, open_ = np.zeros(count), np.zeros(count), np.arange(count)
    while len(open_):
        candidate = rng.uniform(0, 2 * RADIUS, (2, len(open_)))
        inside = np.hypot(*(candidate - RADIUS)) <= RADIUS
        fits = inside & (region(*candidate) == label[open_])
        x[open_[fits]], y[open_[fits]] = candidate[:, fits]
        open_ = open_[~fits]
    return Samples(np.stack([x, y, 1 - x, 1 - y], axis=1), one_hot(label, 3))


def sample(draw: Draw, options: YinyangOptions) -> Instance:
    """Draw start weights, the points to learn from, and others to be scored on."""
    stream, held_out = points(draw.rng, options.samples), points(draw.rng, HELD_OUT)
    return instance(draw.rng, (4, *options.hidden, 3), stream, held_out, options.batch)


def build(options: YinyangOptions) -> tuple[Setting, ...]:
    """One setting."""
    name = "-".join(map(str, (4, *options.hidden, 3)))
    draw = partial(sample, options=options)
    net = Net(options.activation, "softmax")
    return (setting(name, options, options.rate, draw, net, options.batch),)


FAMILY = Family(
    name="yinyang",
    asks="a layered network: name the regions of a disc",
    solved="accuracy at least 0.85 on points that were never shown, from 20,000 shown once",
    reference="Kriener, Goltz & Petrovici 2022, NICE, arXiv:2102.08211",
    options=YinyangOptions,
    build=build,
    rival="feedback_alignment",
    baselines=RIVALS,
    search={**SEARCH, "options": {"samples": 5000}},
)
