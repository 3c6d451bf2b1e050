"""A tiny chip: weights of four bits, rounded at random, and readings of six bits that differ between chips."""

from substrate.hardware.base import Fact, Profile, Read, WeightFormat

PROFILE = Profile(
    name="tiny_chip",
    summary="four bits a weight, six bits a reading",
    weights=WeightFormat(bits=4, rounding="stochastic"),
    other=Read(bits=6, gain=0.05),
    facts=(
        Fact("weight", "4 bits and a sign", "an example, 2026", estimate=True),
        Fact("readings", "6 bits, gains 5 % apart", "an example, 2026", estimate=True),
    ),
)
