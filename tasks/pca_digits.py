"""PCA of real images: one linear neuron sees scikit-learn's 8 x 8 digits and must find their first component.

    y = w . x        w <- w + eta dw        x: a centred digit, drawn at random

The 1,797 images are divided once, at random, into a third each for training, validation and test; an instance draws
its stream of images and its start weights. Pixels are scaled so that the largest variance of one pixel is 1.
"""

from functools import cache, partial
from typing import NamedTuple

import numpy as np
from pydantic import Field

from substrate.networks.feedforward import feedforward
from tasks._component import QUALITY, READING, Quality, outcome
from tasks.base import SPLITS, Draw, Family, Instance, Options, Setting

#: The division of the images is part of the task, not of a run.
DIVISION_SEED = 1797


class PcaDigitsOptions(Options):
    """What a user may change."""

    samples: int = Field(
        4000, ge=100, le=100_000, description="images shown, one weight update each"
    )
    rate: float = Field(0.0025, gt=0, le=1, description="learning rate eta")
    fitness: Quality = QUALITY
    alpha: float = Field(2.0, ge=0, description="weight of the norm penalty")
    exponent: float = Field(2.0, gt=0, description="exponent of the norm penalty")


class Images(NamedTuple):
    """The images of one split."""

    x: np.ndarray  # (image, 64), centred
    component: np.ndarray  # (64,), of unit length


@cache
def images(split: str) -> Images:
    """The images of one split, centred and scaled by its own statistics."""
    from sklearn.datasets import load_digits

    pixels: np.ndarray = load_digits().data
    order = np.random.default_rng(DIVISION_SEED).permutation(len(pixels))
    x = pixels[np.array_split(order, len(SPLITS))[SPLITS.index(split)]]
    x = x - x.mean(axis=0)
    x /= np.sqrt(x.var(axis=0).max())
    return Images(x, np.linalg.eigh(x.T @ x)[1][:, -1])


def sample(draw: Draw, options: PcaDigitsOptions) -> Instance:
    """Draw a stream of images and a start direction."""
    x, component = images(draw.split)
    stream = x[draw.rng.integers(len(x), size=options.samples)]
    w0 = draw.rng.normal(size=(1, x.shape[1]))
    target = {"component": component, "held_out": x[draw.rng.integers(len(x), size=100)]}
    return Instance(stream, w0 / np.linalg.norm(w0), target)


def build(options: PcaDigitsOptions) -> tuple[Setting, ...]:
    """One setting: 64 pixels."""
    score = partial(outcome, mode=options.fitness, alpha=options.alpha, exponent=options.exponent)
    draw = partial(sample, options=options)
    return (Setting("8x8", feedforward(), options.rate, draw, READING, score),)


FAMILY = Family(
    name="pca_digits",
    asks="one linear neuron: find the component of real images",
    solved="test score at least Oja's",
    reference="data: Alpaydin & Kaynak 1998 (UCI), as in scikit-learn; task: own",
    options=PcaDigitsOptions,
    build=build,
    search={"rates": "best"},  # a mean over time rewards speed
)
