"""Input statistics of the PCA family: covariance matrices whose largest entry is 1, and means."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Mean (n,) and covariance (n, n) of Gaussian inputs."""

    mean: np.ndarray
    covariance: np.ndarray


def rotation(rng: np.random.Generator, n: int) -> np.ndarray:
    """A random rotation, uniform over the orthogonal group."""
    q, r = np.linalg.qr(rng.normal(size=(n, n)))
    return q * np.sign(np.diag(r))


def _centred(covariance: np.ndarray) -> Moments:
    return Moments(np.zeros(len(covariance)), covariance / covariance.max())


def _spread(rng: np.random.Generator, n: int, number: int) -> Moments:
    """Randomly rotated; the first eigenvalue is 1, the others uniform in [0.1, 0.6]."""
    q = rotation(rng, n)
    return _centred((q * np.append(1.0, rng.uniform(0.1, 0.6, n - 1))) @ q.T)


def _spd(rng: np.random.Generator, n: int, number: int) -> Moments:
    """F1, as published: scikit-learn's random symmetric positive definite matrix of this number.

    It is U (J + D) V with J all ones, so its first eigenvalue stands out by about n.
    """
    from sklearn.datasets import make_spd_matrix

    matrix = make_spd_matrix(n, random_state=number)
    return Moments(np.zeros(n), matrix / matrix.max())


def _axis(rng: np.random.Generator, n: int, number: int) -> Moments:
    """F2: the component lies along one axis; variance 1 there, 0.1 elsewhere."""
    variances = np.full(n, 0.1)
    variances[rng.integers(n)] = 1.0
    return Moments(np.zeros(n), np.diag(variances))


def _mixed(rng: np.random.Generator, n: int, number: int) -> Moments:
    """F3: the component mixes all inputs equally."""
    return Moments(np.zeros(n), 0.3 * np.eye(n) + 0.7)


def _offset(rng: np.random.Generator, n: int, number: int) -> Moments:
    """F4: the covariance of F1 around a mean uniform in [0, 1]; the component is the covariance's."""
    return _spd(rng, n, number)._replace(mean=rng.uniform(0.0, 1.0, n))


def _rotated(rng: np.random.Generator, n: int, number: int) -> Moments:
    """F5: randomly rotated copies of F2."""
    q = rotation(rng, n)
    return _centred((q * np.append(1.0, np.full(n - 1, 0.1))) @ q.T)


STATISTICS: Mapping[str, Callable[[np.random.Generator, int, int], Moments]] = {
    "spread": _spread,
    "spd": _spd,
    "axis": _axis,
    "mixed": _mixed,
    "offset": _offset,
    "rotated": _rotated,
}
