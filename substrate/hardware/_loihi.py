"""What both Loihi profiles share: traces of 7 bits, learning as a sum of products."""

from substrate.hardware.base import Fact, Products, Read, Schedule, WeightFormat

LAVA = "lava-nc/lava"

#: A trace has 7 bits; a signed activity is the difference of two of them.
TRACE = Read(bits=8, top=4.0)
WEIGHTS = WeightFormat(bits=8, sign="signed", top=2.0, rounding="stochastic")
STATE = Read(bits=8, top=4.0)
PRODUCTS = Products(mantissa=4, exponents=(-8, 7), products=8, factors=4)
EPOCH = Schedule("epoch", 1)

FACTS = (
    Fact("weight", "8 bits, 9 with the sign", LAVA),
    Fact("full scale of a weight", "2", "choice of scale", estimate=True),
    Fact("traces", "7 bits, 2 presynaptic and 3 postsynaptic", LAVA),
    Fact("signed activity", "two traces", "choice of code", estimate=True),
    Fact("state of a synapse", "weight, delay D and tag T, 8 bits and a sign", LAVA),
    Fact("rule", "sum of products S F1 F2 ..., gated by x0, y0 or the epoch", LAVA),
    Fact("coefficient S", "4-bit mantissa and exponent", LAVA),
    Fact("exponents", "-8..7", "4 bits assumed", estimate=True),
    Fact("products and factors", "at most 8 of at most 4", "assumed", estimate=True),
    Fact("rounding", "stochastic", LAVA),
    Fact("write", "at the end of an epoch of 1..63 steps (here 1)", LAVA),
)
