"""A leaky membrane with its synapses, a linear system that is integrated exactly at any step.

    C du/dt = -(C / tau_m) u + I(t)         u relative to rest

    delta         a spike of weight w adds w to u [mV]
    exponential   tau_s dI/dt = -I,              a spike adds w to I [pA]
    alpha         I = w (t / tau_s) e^(1 - t / tau_s), whose maximum is w [pA]

The state x = (u, ...) has as many variables as the synapse needs, and moves by

    x(t + dt) = exp(A dt) x(t) + entry sum_j w_j s_j(t) + held I_constant

so spikes arrive at the end of the step in which they fall: a current that they start moves u in the next step.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from jax import Array
from scipy.linalg import expm
from scipy.signal import lfilter

from substrate.errors import UserError, chosen

Synapse = Literal["delta", "exponential", "alpha"]
#: Steps of a time constant that a network takes at least: fewer, and spikes on the grid are too coarse.
LEAST_STEPS = 2


class Membrane(NamedTuple):
    """The exact step of a membrane; its state has S variables, the potential first."""

    step: tuple[tuple[float, ...], ...]  # (S, S), exp(A dt)
    entry: tuple[float, ...]  # (S,), what a spike of weight 1 adds
    held: tuple[float, ...]  # (S,), what a constant current of 1 pA adds in a step
    dt: float


@lru_cache
def membrane(
    synapse: Synapse = "exponential",
    tau_m: float = 10.0,
    tau_s: float = 2.0,
    capacitance: float = 250.0,
    dt: float = 0.1,
) -> Membrane:
    """Compute the exact step.

    Raises
    ------
    UserError
        If a time constant is not positive, or the step is too coarse for one.
    """
    taus = {"tau_m": tau_m} if synapse == "delta" else {"tau_m": tau_m, "tau_s": tau_s}
    for name, tau in taus.items():
        if not tau > 0:
            raise UserError(f"{name} = {tau:g} ms: a time constant is positive. Give another.")
        if dt * LEAST_STEPS > tau:
            raise UserError(
                f"dt = {dt:g} ms is too coarse for {name} = {tau:g} ms, which takes at least {LEAST_STEPS} steps. "
                f"Give dt of at most {tau / LEAST_STEPS:g}."
            )
    leak, decay = -1 / tau_m, -1 / tau_s
    systems = {
        "delta": ([[leak]], [1.0]),
        "exponential": ([[leak, 1 / capacitance], [0.0, decay]], [0.0, 1.0]),
        "alpha": (
            [[leak, 1 / capacitance, 0.0], [0.0, decay, 1.0], [0.0, 0.0, decay]],
            [0.0, 0.0, np.e / tau_s],
        ),
    }
    system, entry = chosen("synapse", synapse, systems)
    size = len(entry)
    # One more variable, which stays 1, is the constant current.
    wide = np.zeros((size + 1, size + 1))
    wide[:size, :size] = system
    wide[0, size] = 1 / capacitance
    moved = expm(wide * dt)
    return Membrane(
        tuple(map(tuple, moved[:size, :size].tolist())),
        tuple(map(float, entry)),
        tuple(moved[:size, size].tolist()),
        dt,
    )


def advance(model: Membrane, state: Sequence[Array], arriving: Array) -> tuple[Array, ...]:
    """The state after a step in which spikes of these summed weights arrive; arrays of any one shape."""
    after = []
    for row, entry in zip(model.step, model.entry, strict=True):
        moved = sum(p * x for p, x in zip(row, state, strict=True) if p)
        after.append(moved + entry * arriving if entry else moved)
    return tuple(after)  # type: ignore[arg-type]


def psp(model: Membrane, spikes: np.ndarray) -> np.ndarray:
    """Potential, at every step's beginning, that spikes (step, ...) of weight 1 cause in a membrane without reset."""
    step, entry = np.array(model.step), np.array(model.entry)
    # The potential as an impulse response: the numerator follows from the first S + 1 steps.
    denominator = np.poly(step)
    responses, x = [0.0], entry
    for _ in range(len(entry)):
        responses.append(float(x[0]))
        x = step @ x
    numerator = np.convolve(denominator, responses)[: len(entry) + 1]
    return lfilter(numerator, denominator, spikes, axis=0)
