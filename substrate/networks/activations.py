"""Nonlinearities of rate neurons, and their derivatives as functions of the output, which a neuron knows."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

#: Steepness of `softplus`: log(1 + exp(10 u)) / 10 is smooth and close to `relu`.
STEEPNESS = 10.0


class Activation(NamedTuple):
    """y = phi(u), and phi'(u) written in y."""

    phi: Callable[[Array], Array]
    slope: Callable[[Array], Array]


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "linear": Activation(lambda u: u, jnp.ones_like),
        "relu": Activation(jax.nn.relu, lambda y: (y > 0).astype(y.dtype)),
        "tanh": Activation(jnp.tanh, lambda y: 1 - y * y),
        "sigmoid": Activation(jax.nn.sigmoid, lambda y: y * (1 - y)),
        "softplus": Activation(
            lambda u: jax.nn.softplus(STEEPNESS * u) / STEEPNESS,
            lambda y: 1 - jnp.exp(-STEEPNESS * y),
        ),
    }
)
