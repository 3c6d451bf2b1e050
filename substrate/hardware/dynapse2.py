"""DYNAP-SE2: analog neurons whose weights are sums of four switched currents; learning on the host.

    w = code / 8        |code| < 16        effective: w (1 + 0.1 N)

The host keeps weights in floating point and loads the nearest code after every change.
"""

from substrate.hardware.base import EXACT, Fact, Profile, Schedule, WeightFormat

ROCKPOOL = "synsense/rockpool"

PROFILE = Profile(
    name="dynapse2",
    summary="analog neurons, 4-bit weights, learning on the host",
    weights=WeightFormat(bits=4, sign="signed", top=2.0, rounding="nearest", gain=0.1),
    other=EXACT,
    tau=0.1,
    schedule=Schedule("host", 1),
    fan_in=64,
    facts=(
        Fact("weight", "4 bits, sign by the type of receptor", ROCKPOOL),
        Fact("full scale of a weight", "2", "choice of scale", estimate=True),
        Fact("mismatch", "30 % at three sigma (0.1) on every parameter", ROCKPOOL),
        Fact("readings", "exact: the host knows the spikes", "choice of model", estimate=True),
        Fact("fan-in", "64 a neuron", "open-neuromorphic"),
    ),
)
