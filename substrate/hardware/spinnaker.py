"""SpiNNaker: C code on ARM cores for each pair of spikes, when the presynaptic one arrives.

    w in steps of 2 / 2**16, sign by synapse type        rule in s4.11, products truncated

A change waits for the next presynaptic event: at that event the weight contains all that went before, and what
happens after the last one never reaches it. (Not modelled: of more than 16 postsynaptic spikes between two
presynaptic ones, the oldest are forgotten.)
"""

from substrate.hardware._fixed import Fixed
from substrate.hardware.base import Fact, Profile, Read, Schedule, WeightFormat

SPYNNAKER = "SpiNNakerManchester/sPyNNaker, C sources"

PROFILE = Profile(
    name="spinnaker",
    summary="ARM cores; 16-bit weights and traces in s4.11, written at presynaptic events",
    weights=WeightFormat(bits=16, sign="signed", top=2.0, rounding="truncate"),
    other=Read(bits=16, top=16.0),
    arithmetic=Fixed(bits=16, fraction=11),
    functions=None,
    state=Read(bits=16, top=16.0),
    schedule=Schedule("deferred", 1),
    chips=1,
    facts=(
        Fact("weight", "16 bits, sign by synapse type (a signed weight takes two)", SPYNNAKER),
        Fact("full scale of a weight", "2; a power of two per type", SPYNNAKER),
        Fact("traces", "16 bits, s4.11", SPYNNAKER),
        Fact("arithmetic", "s4.11 in plasticity", SPYNNAKER),
        Fact("rounding", "truncation", SPYNNAKER),
        Fact("write", "at the next presynaptic spike", SPYNNAKER),
    ),
)
