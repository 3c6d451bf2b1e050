"""Digits: a layered network learns to name real images from its errors, one image at a time.

    64 - 20 - 10        u = W_l [x, 1]        x = relu(u)        softmax        W <- W + eta dW

scikit-learn's 8 x 8 digits: 1,797 images, divided once into those for training, validation and test. An instance
draws start weights, feedback weights, the order of the images that it learns from, and 300 others that it is scored
on. The hidden layer is narrow, so that a good readout cannot compensate for poor features.
"""

from functools import cache, partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from tasks._analyses import Net
from tasks._supervised import RIVALS, SEARCH, LayeredOptions, Samples, instance, one_hot, setting
from tasks.base import Draw, Family, Instance, Setting

#: The division of the images is part of the task, not of a run.
DIVISION_SEED = 1797
#: Images that an instance is scored on.
HELD_OUT = 300


class DigitsOptions(LayeredOptions):
    """What a user may change."""

    hidden: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (20,), min_length=1, max_length=6, description="neurons of the hidden layers"
    )
    samples: int = Field(10_000, ge=100, le=1_000_000, description="images shown")
    batch: int = Field(1, ge=1, le=200, description="images of one weight update")
    activation: Literal["relu", "tanh", "sigmoid", "softplus"] = Field(
        "relu", description="nonlinearity of the hidden layers"
    )
    rate: float = Field(0.04, gt=0, le=10, description="learning rate eta")


@cache
def images() -> dict[str, Samples]:
    """All images, divided: 897 for training, 300 for validation, 600 for test."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(DIVISION_SEED).permutation(len(data.data))
    x, target = data.data[order] / 16.0, one_hot(data.target[order], 10)
    parts = {"train": slice(0, 897), "validation": slice(897, 1197), "test": slice(1197, None)}
    return {name: Samples(x[part], target[part]) for name, part in parts.items()}


def divided(draw: Draw) -> tuple[Samples, Samples]:
    """Images to learn from and images to be scored on; those of test instances were in no search."""
    parts = images()
    order = draw.rng.permutation(len(parts[draw.split].x))
    held_out = parts[draw.split].at(order[:HELD_OUT])
    if draw.split == "train":
        return parts["train"].at(order[HELD_OUT:]), held_out
    if draw.split == "validation":
        return parts["train"], held_out
    both = zip(parts["train"], parts["validation"], strict=True)
    return Samples(*(np.concatenate(pair) for pair in both)), held_out


def sample(draw: Draw, options: DigitsOptions) -> Instance:
    """Draw start weights and the order of the images, every image once before any comes again."""
    known, held_out = divided(draw)
    rounds = -(-options.samples // len(known.x))
    order = np.concatenate([draw.rng.permutation(len(known.x)) for _ in range(rounds)])
    stream = known.at(order[: options.samples])
    return instance(draw.rng, (64, *options.hidden, 10), stream, held_out, options.batch)


def build(options: DigitsOptions) -> tuple[Setting, ...]:
    """One setting."""
    name = "-".join(map(str, (64, *options.hidden, 10)))
    draw = partial(sample, options=options)
    net = Net(options.activation, "softmax")
    return (setting(name, options, options.rate, draw, net, options.batch),)


FAMILY = Family(
    name="digits",
    asks="a layered network: name images of digits",
    solved="accuracy at least 0.95 on images that were never shown",
    reference="data: Alpaydin & Kaynak 1998 (UCI), as in scikit-learn; task: own",
    options=DigitsOptions,
    build=build,
    rival="feedback_alignment",
    baselines=RIVALS,
    search={**SEARCH, "options": {"samples": 1000}},
)
