"""BrainScaleS-2: analog neurons and synapses, and a processor with a vector unit that changes the weights.

    w = (e - i) / 32        e, i in 0..63, a pair of synapse rows        effective: w (1 + 0.1 N)
    reading of the membrane = clip(round(32 ((1 + 0.05 N) y + 3/32 N' + 2/32 n))) / 32        8 bits
    rule in saturating 16-bit fixed point; changes add up in a register, of which a write takes whole codes

N, N' are drawn once per chip and place, n at every reading. Activity 4 is the end of the reading's range. The chip is
calibrated, as in all published experiments; `bss2:gain=0.2` is one that is not.
"""

from substrate.hardware._fixed import NATIVE, Fixed
from substrate.hardware.base import Fact, Profile, Read, Schedule, WeightFormat

LSB = 4.0 / 128

#: The membrane passes the parallel converter. With equal inputs and weights, ten neurons of a calibrated chip read
#: 55, 60, 59, 56, 60, 63, 57, 58, 56 and 62: 4.6 %, offsets and noise included.
ANALOG = Read(bits=8, top=4.0, gain=0.05, offset=3 * LSB, noise=2 * LSB)
#: What the processor holds or is sent is exact to its 8 bits.
DIGITAL = Read(bits=8, top=4.0)
#: A correlation sensor holds no negative number.
SENSOR = Read(bits=8, top=1.0, signed=False, gain=0.2, offset=3 / 256, noise=2 / 256)
#: What the processor makes of both sensors of a synapse has a sign, and their errors.
BOTH_SENSORS = Read(bits=8, top=4.0, gain=0.2, offset=3 * LSB, noise=2 * LSB)

DEMOS = "electronicvisions/brainscales2-demos"
CALIX = "electronicvisions/calix, limits of its tests"
HXTORCH = "electronicvisions/hxtorch, model of the chip"
MEASURED = "tp_01-properties: ten neurons"

PROFILE = Profile(
    name="bss2",
    summary="analog core with a vector processor; 6-bit weights, 8-bit readings, 1,000 times biology",
    weights=WeightFormat(bits=6, sign="signed", top=2.0, rounding="truncate", gain=0.1),
    reads={
        "pre": DIGITAL,
        "post": ANALOG,
        "u": ANALOG,
        "c_plus": SENSOR,
        "c_minus": SENSOR,
        "nu_post": Read(bits=8, top=256.0, signed=False),
        "R": DIGITAL,
        "Rbar": DIGITAL,
        "Rbar_p": DIGITAL,
        "Rbar_m": DIGITAL,
        "reward": DIGITAL,
        "E": BOTH_SENSORS,
        "E_c": SENSOR,
    },
    other=None,
    arithmetic=Fixed(bits=16, fraction=9),
    functions=NATIVE,
    state=Read(bits=16, top=64.0),
    tau=0.2,
    schedule=Schedule("accumulate", 50, inputs=100, keeps=True),
    fan_in=128,
    memory=16 * 1024,
    speed=1000.0,
    facts=(
        Fact("weight", "6 bits; a pair of rows gives -63..63", DEMOS),
        Fact("full scale of a weight", "2", "choice of scale", estimate=True),
        Fact("effective weight", "spread 0.1 (10-20 %)", "recalled", estimate=True),
        Fact("membrane reading", "8 bits, one sample", f"{DEMOS}; Schreiber 2021"),
        Fact("offset of readings", "3 LSB", CALIX),
        Fact(
            "gain of the membrane reading", "spread 0.05, calibrated", f"{DEMOS}, {MEASURED}", True
        ),
        Fact("gain of the sensors", "spread 0.2 (uncalibrated 10-40 %)", "recalled", estimate=True),
        Fact("noise of readings", "2 LSB (multiply-accumulate: under 5)", f"{HXTORCH}; {CALIX}"),
        Fact(
            "eligibility",
            "both sensors of a synapse, causal less anti-causal",
            f"{DEMOS}, R-STDP; full scale is a choice",
            estimate=True,
        ),
        Fact("presynaptic activity", "8 bits, sent by the host or counted", DEMOS),
        Fact("time constants", "spread 0.2 (tau_syn after calibration)", CALIX, estimate=True),
        Fact("arithmetic", "saturating 16-bit fractions", "electronicvisions/libnux"),
        Fact("binary point", "6.9, rather than 0.15", "choice of scale", estimate=True),
        Fact("rounding", "truncation towards zero; random bytes at hand", "libnux"),
        Fact("write", "2.5 ms for 100 rows, in proportion for fewer", f"{DEMOS}, Pong", True),
        Fact(
            "sample", "50 us, so 50 samples a write for 100 rows", "choice of scale", estimate=True
        ),
        Fact(
            "register", "keeps what a write leaves over", "the kernel that we export", estimate=True
        ),
        Fact("fan-in", "256 rows, 128 pairs", DEMOS),
        Fact("memory", "16 KiB a processor", DEMOS),
        Fact("speed", "1,000 times biology", DEMOS),
    ),
)
