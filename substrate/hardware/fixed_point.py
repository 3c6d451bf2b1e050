"""Weights of so many bits and a sign, all else ideal: what the number of bits alone costs.

    w = step * code        step = top / 2**bits        |code| < 2**bits

Its parameters are what people ask about: `fixed_point:bits=4,rounding=stochastic,period=50,gain=0.2`.
"""

from substrate.hardware.base import Fact, Profile, Schedule, WeightFormat

PROFILE = Profile(
    name="fixed_point",
    summary="weights of a few bits, all else in floating point",
    weights=WeightFormat(bits=8, sign="signed", top=2.0, rounding="nearest"),
    schedule=Schedule("accumulate", 1),
    facts=(
        Fact("weights", "8 bits and a sign, full scale 2", "parameters; no chip", estimate=True),
        Fact("write", "at every step, to nearest", "parameters; no chip", estimate=True),
    ),
)
