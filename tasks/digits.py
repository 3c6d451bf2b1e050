"""Digits: a layered network learns to name real images from its errors, one image at a time.

    64 - 16 - 10        u = W_l [x, 1]        x = relu(u)        softmax        W <- W + eta dW

scikit-learn's 8 x 8 digits: 1,797 images, divided once into training images and the images that validation and
test are scored on. An instance draws start weights, feedback weights and the order of the images. The hidden layer
is narrow, so that a network whose readout alone learns cannot make up for poor features.
"""

from functools import cache, partial
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from substrate.layered import layered
from tasks._supervised import READING, Samples, classified, instance, one_hot
from tasks.base import Draw, Family, Instance, Options, Setting

#: The division of the images is part of the task, not of a run.
DIVISION_SEED = 1797
#: Images on which each split is scored.
HELD_OUT = {"train": 300, "validation": 300, "test": 300}


class DigitsOptions(Options):
    """What a user may change."""

    hidden: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (16,), min_length=1, max_length=6, description="neurons of the hidden layers"
    )
    samples: int = Field(3000, ge=100, le=1_000_000, description="images shown")
    batch: int = Field(1, ge=1, le=200, description="images of one weight update")
    activation: Literal["relu", "tanh", "sigmoid", "softplus"] = Field(
        "relu", description="nonlinearity of the hidden layers"
    )
    rate: float = Field(0.05, gt=0, le=10, description="learning rate eta")


@cache
def images(split: str) -> tuple[Samples, Samples]:
    """Images to learn from and images to be scored on.

    Searches are scored on images that no network learned from, and neither of them is seen again in a test.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(DIVISION_SEED).permutation(len(data.data))
    x, target = data.data[order] / 16.0, one_hot(data.target[order], 10)
    test, validation, train = (slice(a, a + 300) for a in (0, 300, 600))
    held_out = {"test": test, "validation": validation, "train": train}[split]
    learned = slice(900, None) if split != "test" else slice(300, None)
    return Samples(x[learned], target[learned]), Samples(x[held_out], target[held_out])


def sample(draw: Draw, options: DigitsOptions) -> Instance:
    """Draw start weights and the order of the images, every image once before any comes again."""
    known, held_out = images(draw.split)
    rounds = -(-options.samples // len(known.x))
    order = np.concatenate([draw.rng.permutation(len(known.x)) for _ in range(rounds)])
    order = order[: options.samples]
    stream = Samples(known.x[order], known.target[order])
    seen = Samples(known.x[:300], known.target[:300])
    sizes = (64, *options.hidden, 10)
    return instance(draw.rng, sizes, stream, {"held_out": held_out, "seen": seen}, options.batch)


def build(options: DigitsOptions) -> tuple[Setting, ...]:
    """One setting."""
    network = layered(options.activation, "softmax", options.batch)
    score = partial(classified, activation=options.activation)
    name = "-".join(map(str, (64, *options.hidden, 10)))
    return (Setting(name, network, options.rate, partial(sample, options=options), READING, score),)


FAMILY = Family(
    name="digits",
    asks="a layered network: name images of digits, told only its errors",
    solved="accuracy at least 0.95 on images that were never shown",
    reference="data: Alpaydin & Kaynak 1998 (UCI), as in scikit-learn; task: own",
    options=DigitsOptions,
    build=build,
)
