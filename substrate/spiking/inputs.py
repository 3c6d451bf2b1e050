"""Inputs that spike: Poisson trains, patterns that are drawn once and come back, and given times."""

from collections.abc import Sequence

import numpy as np

from substrate.errors import UserError


def poisson(rng: np.random.Generator, rates: np.ndarray, steps: int, dt: float) -> np.ndarray:
    """Numbers of spikes (step, input) of inputs with these rates [Hz]."""
    return rng.poisson(np.asarray(rates) * dt * 1e-3, (steps, len(rates)))


def frozen_patterns(
    rng: np.random.Generator, patterns: int, inputs: int, steps: int, rate: float, dt: float
) -> np.ndarray:
    """Patterns (pattern, step, input) of spikes 0 and 1 at a rate [Hz]."""
    return (rng.random((patterns, steps, inputs)) < rate * dt * 1e-3).astype(float)


def at_times(times: Sequence[Sequence[float]], steps: int, dt: float) -> np.ndarray:
    """Spikes (step, input) at these times of each input [ms].

    Raises
    ------
    UserError
        If a time lies outside.
    """
    spikes = np.zeros((steps, len(times)))
    for column, own in enumerate(times):
        for time in own:
            place = round(time / dt)
            if not 0 <= place < steps:
                raise UserError(
                    f"Input {column} spikes at {time:g} ms, and there are {steps * dt:g} ms. Give a time within."
                )
            spikes[place, column] += 1
    return spikes
