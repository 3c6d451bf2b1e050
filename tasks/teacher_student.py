"""Teacher and student: a network learns a function that no readout of random features explains well.

    target = sum_k (|v_k . x| - m) / (s sqrt(K))        x uniform on the sphere |x|^2 = n        20 - 20 - 1, linear

The teacher has 2 K hidden relu neurons in pairs, |a| = relu(a) + relu(-a), along K directions v_k drawn at random; m
and s make its answer of mean 0 and variance 1. It is an even function without linear part, so a student must find the
directions. In spherical harmonics the part of degree q of |v . x| points, for a random v, into any of the M_q
dimensions of that degree with the same power. By Ky Fan's inequality N features that were chosen without knowing v,
and a constant, explain on average at most the N + 1 largest of these powers, however well the readout is trained
(`limit`: 0.09 for 20 inputs and 20 features).
"""

from functools import cache, partial
from math import comb

import numpy as np
from numpy.polynomial.legendre import leggauss
from pydantic import Field
from scipy.special import eval_gegenbauer, gammaln

from tasks._analyses import Net
from tasks._supervised import RIVALS, SEARCH, LayeredOptions, Samples, instance, setting, weights
from tasks.base import Draw, Family, Instance, Setting

HELD_OUT = 500


class TeacherStudentOptions(LayeredOptions):
    """What a user may change."""

    inputs: int = Field(20, ge=3, le=500, description="input dimensions n")
    hidden: int = Field(20, ge=1, le=1000, description="hidden neurons of the student")
    directions: int = Field(2, ge=1, le=100, description="pairs K of hidden neurons of the teacher")
    samples: int = Field(10_000, ge=100, le=10_000_000, description="inputs shown")
    batch: int = Field(1, ge=1, le=200, description="inputs of one weight update")
    rate: float = Field(0.01, gt=0, le=10, description="learning rate eta")


@cache
def moments(inputs: int) -> tuple[float, float]:
    """Mean and standard deviation of |v . x|, with |v| = 1 and x uniform on the sphere |x|^2 = n.

    E |v . x| = sqrt(n) Gamma(n / 2) / (sqrt(pi) Gamma((n + 1) / 2)) and E (v . x)^2 = 1.
    """
    n = inputs
    mean = float(np.sqrt(n / np.pi) * np.exp(gammaln(n / 2) - gammaln((n + 1) / 2)))
    return mean, float(np.sqrt(1 - mean**2))


@cache
def limit(inputs: int, features: int) -> float:
    """The most that so many fixed features and a constant explain of a random teacher's power, on average."""
    return float(np.sort(powers(inputs))[::-1][: features + 1].sum())


@cache
def powers(inputs: int, degrees: int = 6) -> np.ndarray:
    """Power of the teacher along each spherical harmonic of degrees 2, 4, ..., the whole being 1."""
    node, weight = leggauss(200)  # on 0 to 1: the teacher has a kink at 0 and is even
    t, order = (node + 1) / 2, inputs / 2 - 1
    density = weight * (1 - t**2) ** ((inputs - 3) / 2)
    mean, sd = moments(inputs)
    teacher = (np.sqrt(inputs) * np.abs(t) - mean) / sd
    found = []
    for degree in range(2, degrees + 1, 2):
        zonal = eval_gegenbauer(degree, order, t)
        power = (density @ (teacher * zonal)) ** 2 / (density @ zonal**2) / density.sum()
        count = comb(inputs + degree - 1, degree) - comb(inputs + degree - 3, degree - 2)
        found.append(np.full(min(count, 100_000), power / count))
    return np.concatenate(found)


def sphere(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    """Draw directions (count, n) of length 1."""
    x = rng.normal(size=(count, n))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def sample(draw: Draw, options: TeacherStudentOptions) -> Instance:
    """Draw a teacher, inputs with its answers, and the student's weights, its readout small."""
    n, rng = options.inputs, draw.rng
    teacher = sphere(rng, options.directions, n)
    mean, sd = moments(n)

    def taught(count: int) -> Samples:
        x = np.sqrt(n) * sphere(rng, count, n)
        parts = (np.abs(x @ teacher.T) - mean) / sd
        return Samples(x, parts.sum(axis=1, keepdims=True) / np.sqrt(options.directions))

    stream, held_out = taught(options.samples), taught(HELD_OUT)
    sizes = (n, options.hidden, 1)
    student = instance(rng, sizes, stream, held_out, options.batch, weights)
    *below, readout = student.w0.forward
    return student._replace(w0=student.w0._replace(forward=(*below, 0.1 * readout)))


def build(options: TeacherStudentOptions) -> tuple[Setting, ...]:
    """One setting."""
    name = f"{options.inputs}-{options.hidden}-1"
    draw = partial(sample, options=options)
    net = Net("relu", "linear")
    return (setting(name, options, options.rate, draw, net, options.batch),)


FAMILY = Family(
    name="teacher_student",
    asks="a layered network: learn a function of hidden directions",
    solved="explains at least 0.9 of the teacher's power on inputs that were never shown",
    reference="own; limits of random features: Yehudai & Shamir 2019, NeurIPS, arXiv:1904.00687",
    options=TeacherStudentOptions,
    build=build,
    rival="feedback_alignment",
    baselines=RIVALS,
    search={**SEARCH, "options": {"samples": 2000}},
)
