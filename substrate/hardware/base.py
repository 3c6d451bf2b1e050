"""What a hardware profile is: what a chip can see, compute and store, and when it writes.

A profile is data. `Chip` (in `_chip.py`) applies it to the synapses of any network, `violations` (in `_admission.py`)
says why a rule cannot run there, `cost` (in `_cost.py`) what an update costs.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from substrate.hardware._fixed import Fixed

Rounding = Literal["nearest", "truncate", "stochastic"]
ROUNDINGS: tuple[Rounding, ...] = ("nearest", "truncate", "stochastic")

#: Chip instances that a score is taken over, unless a person asks for more.
CHIPS = 3


@dataclass(frozen=True)
class WeightFormat:
    """How a weight is stored: an integer code times a step of `top / 2**bits`.

    `signed` codes are -(2**bits - 1) .. 2**bits - 1 (`bits` and a sign), `unsigned` ones 0 .. 2**bits - 1, and with
    `row` each input line has one sign for all its synapses, that of its initial weights.
    """

    bits: Any
    sign: Literal["signed", "unsigned", "row"] = "signed"
    top: Any = 2.0  # the weight at full scale
    rounding: Rounding = "nearest"
    gain: Any = 0.0  # spread of the effective weight of a code, relative

    @property
    def step(self) -> Any:
        """Weight of one code."""
        return self.top * 2.0**-self.bits


@dataclass(frozen=True)
class Read:
    """How an observable is read: a converter, and what is wrong with it on each chip.

    The converter has `2**bits` levels over -top .. top, or 0 .. top where it is not signed. Errors are standard
    deviations: `gain` relative and `offset` in the unit of the observable are drawn once per chip and place, `noise`
    in the unit of the observable anew at every reading.
    """

    bits: Any = None  # exact if not given
    top: float = 4.0
    signed: bool = True
    gain: Any = 0.0
    offset: Any = 0.0
    noise: Any = 0.0
    rounding: Literal["nearest", "truncate"] = "nearest"

    @property
    def step(self) -> float:
        """Value of one level."""
        return self.top * 2.0 ** (int(self.signed) - self.bits)

    @property
    def levels(self) -> tuple[float, float]:
        """Least and greatest code."""
        half = 2.0 ** (self.bits - 1)
        return (-half, half - 1) if self.signed else (0.0, 2 * half - 1)


#: A reading without any error.
EXACT = Read()


@dataclass(frozen=True)
class Products:
    """Arithmetic of a sum of products: each a coefficient `mantissa * 2**exponent` times a few factors."""

    mantissa: int = 4  # bits, with the sign
    exponents: tuple[int, int] = (-8, 7)
    products: int = 8  # of one equation
    factors: int = 4  # of one product, without the gate


@dataclass(frozen=True)
class Schedule:
    """When weights are written.

    `step`: at every step. `accumulate`: changes add up in a register and are written every `period` steps. `epoch`:
    the rule is evaluated at the end of an epoch of `period` steps, on what is read then, and its change counts for
    the whole epoch. `deferred`: at every step, but what happens after the last presynaptic event never reaches the
    stored weight. `host`: a host keeps exact weights, on which the rule works, and loads the nearest codes.

    Where a processor goes through the synapses row by row, `period` is that of so many `inputs`, and fewer take their
    share of it. A register that `keeps` holds on to what rounding took from a write, and is empty otherwise.
    """

    kind: Literal["step", "accumulate", "epoch", "deferred", "host"] = "step"
    period: Any = 1
    inputs: int | None = None
    keeps: bool = False

    def at(self, inputs: int) -> Any:
        """The period of a neuron with so many inputs."""
        if self.inputs is None:
            return self.period
        return max(1, math.ceil(self.period * inputs / self.inputs))

    def register(self, inputs: int) -> bool:
        """Whether each of so many inputs needs a register; a period that is traced may be long."""
        period = self.at(inputs)
        longer = not (isinstance(period, int) and period == 1)
        return self.kind == "accumulate" and (longer or self.keeps)


@dataclass(frozen=True)
class Fact:
    """One figure of a profile and where it comes from."""

    what: str
    value: str
    source: str
    estimate: bool = False


@dataclass(frozen=True)
class Unit:
    """What 1 on a chip is of an observable that a network has in its own unit: `value = origin + size * chip value`.

    Full scales of profiles hold for activities and weights of about 1. A network in mV and pA says here what range of
    its own is laid on that scale, as whoever calibrates a chip does.
    """

    size: float = 1.0
    origin: float = 0.0


#: That of whatever is of about 1 already.
PLAIN = Unit()


@dataclass(frozen=True)
class Profile:
    """A chip's limits.

    Parameters
    ----------
    name, summary
        For people; the name is the file's.
    weights
        Format of the weights; floating point if not given.
    reads
        The observables that the chip offers, and how it reads them.
    other
        How it reads all others; if not given, it does not offer them.
    arithmetic
        Fixed point, a sum of products, or floating point if not given.
    functions
        What a rule may compute; everything if not given.
    state
        Format of slow variables; floating point if not given.
    scopes
        Scopes of the slow variables for which there is memory.
    tau
        Relative spread of time constants: each slow variable, and each neuron that leaks, moves faster or slower.
    schedule
        When weights are written.
    fan_in
        Most synapses onto one neuron.
    memory
        Bytes for what is kept per synapse in addition to its weight.
    speed
        Speed relative to biology.
    chips
        Chip instances that a score is taken over, 1 where all are alike.
    facts
        Every figure with its source.
    """

    name: str
    summary: str
    weights: WeightFormat | None = None
    reads: Mapping[str, Read] = field(default_factory=dict, hash=False)
    other: Read | None = EXACT
    arithmetic: Fixed | Products | None = None
    functions: tuple[str, ...] | None = None
    state: Read | None = None
    scopes: tuple[str, ...] = ("synapse", "pre", "post", "global")
    tau: Any = 0.0
    schedule: Schedule = Schedule()
    fan_in: int | None = None
    memory: int | None = None
    speed: float = 1.0
    chips: int = CHIPS
    facts: tuple[Fact, ...] = ()

    @property
    def ideal(self) -> bool:
        """Whether nothing is limited."""
        return self.weights is None

    def read(self, name: str) -> Read:
        """How an observable is read; one that the chip does not offer is read without error."""
        return self.reads.get(name, self.other or EXACT)

    def offers(self, name: str) -> bool:
        """Whether a rule may read this observable."""
        if name == "eta" and isinstance(self.arithmetic, Products):
            return False
        return name in ("w", "eta") or name in self.reads or self.other is not None
