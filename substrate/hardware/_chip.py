"""The synapses of a network on a chip: what they read, compute and store, and when.

    reading    c = clip(round((g x + o + noise) / step)),   g and o drawn once per chip and place
    rule       evaluated in the profile's arithmetic on what was read
    store      w = step * code, effective weight w (1 + spread), code moved by round(eta dw / step)

The state keeps effective weights, which the network's forward pass uses and tasks look at; the rule reads the code.
All randomness is counted, not carried (`_random.py`): fixed patterns by chip, noise and stochastic rounding by chip,
instance and step, so a score does not depend on what else is evaluated at the same time.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from substrate.hardware import _random as random
from substrate.hardware._fixed import Fixed, bounded, shifted, toward_zero, whole
from substrate.hardware.base import PLAIN, Profile, Read, Unit
from substrate.plasticity import EncodedObserved, Observed, Plasticity
from substrate.synapses import Synapses
from substrate.vocabulary import VOCABULARY, scope_shape

#: What a register of accumulated changes holds in fixed point, as bits with the sign.
ACCUMULATOR = 23
#: Bits of the mantissa by which fixed point multiplies the learning rate.
RATE = 8


class ChipKeys(NamedTuple):
    """Seeds of what is random on a chip; arrays (K, 1) of 32-bit keys, or (1, lanes) where lanes are merged."""

    chip: Any  # equal for instances on the same chip: gains, offsets, time constants
    trial: Any  # another for each instance: noise, stochastic rounding


class Chip(NamedTuple):
    """A profile with the chips that instances run on; the `chip` of a `Plasticity`."""

    profile: Profile
    keys: ChipKeys
    units: Mapping[str, Unit] = MappingProxyType({})  # of the observables and weights, where not 1

    @property
    def step(self) -> Any:
        """Weight of one code, in the network's unit."""
        assert self.profile.weights is not None, "the ideal profile has no chip"
        return self.profile.weights.step * self.units.get("w", PLAIN).size

    def start(self, synapses: Synapses, plasticity: Plasticity, projection: str) -> Synapses:
        """Load initial weights, and draw what is fixed on each chip."""
        profile, weights = self.profile, self.profile.weights
        assert weights is not None, "the ideal profile has no chip"
        shape = synapses.w.shape
        key = random.stream(self.keys.chip, projection)
        reads = VOCABULARY.keys() if plasticity.reads is None else plasticity.reads
        memory: dict[str, Array] = {}
        if weights.rounding == "stochastic" or any(_present(profile.read(n).noise) for n in reads):
            draws = random.stream(self.keys.trial, projection)
            memory["draws"] = jnp.broadcast_to(draws, shape[2:])
        if not (isinstance(period := profile.schedule.at(shape[1]), int) and period == 1):
            memory["phase"] = jnp.zeros(shape[2:], jnp.uint32)

        def pattern(name: str, front: tuple[int, ...]) -> Array:
            drawn = random.normal(random.stream(key, name), front)
            return jnp.broadcast_to(drawn, (*front, *shape[2:]))

        for name in sorted(reads & VOCABULARY.keys() - {"w", "eta"}):
            read, front = profile.read(name), scope_shape(VOCABULARY[name].scope, *shape[:2])
            if _present(read.gain):
                memory[f"gain {name}"] = _factor(read.gain, pattern(f"gain {name}", front))
            if _present(read.offset):
                memory[f"offset {name}"] = read.offset * pattern(f"offset {name}", front)
        for name, update in plasticity.slow.items():
            if _present(profile.tau):
                spread = pattern(f"tau {name}", scope_shape(update.scope, *shape[:2]))
                memory[f"speed_factor {name}"] = 1.0 / _factor(profile.tau, spread)
        if _present(weights.gain):
            memory["weight"] = _factor(weights.gain, pattern("weight", shape[:2]))
        if weights.sign == "row":
            row = jnp.where(jnp.sum(synapses.w, axis=0, keepdims=True) < 0, -1.0, 1.0)
            memory["sign"] = row
        if profile.schedule.register(shape[1]):
            memory["sum"] = jnp.zeros(shape, jnp.float32)
        low, high = self._limits(memory)
        code = bounded(jnp.round(synapses.w / self.step), low, high)
        if profile.schedule.kind == "host":
            memory["host"] = synapses.w
        if profile.schedule.kind == "deferred":
            memory["settled"] = code * self.step
        return Synapses(self._effective(code, memory), synapses.slow, memory)

    def speed_factors(self, count: int, name: str) -> Array | None:
        """Factors (count, K, 1) on how fast neurons move, drawn once per chip; None where all are alike."""
        if not _present(self.profile.tau):
            return None
        key = random.stream(random.stream(self.keys.chip, f"neurons {name}"), "tau")
        return 1.0 / _factor(self.profile.tau, random.normal(key, (count,)))

    def learn(
        self,
        synapses: Synapses,
        plasticity: Plasticity,
        observed: Observed,
        rate: Array,
        projection: str,
    ) -> Synapses:
        """Change the weights as the chip does; see `substrate.synapses.learn`."""
        profile, weights = self.profile, self.profile.weights
        assert weights is not None, "the ideal profile has no chip"
        memory = dict(synapses.chip or {})
        key = random.mix(memory.get("draws", self.keys.trial))
        if "draws" in memory:
            memory["draws"] = memory["draws"] + 1  # counts on from the key of this layer
        code = self._code(synapses.w, memory)
        batch = max(jnp.ndim(a) for a in observed.values()) > synapses.w.ndim
        w = memory.get("host", code * self.step)
        observed = self._observed(
            {**observed, "w": w[:, :, None] if batch else w}, synapses, memory, key, batch
        )
        slow = {}
        for name, update in plasticity.slow.items():
            value = synapses.slow[name]
            change = _float(update.change(observed), profile) * _at(
                memory.get(f"speed_factor {name}", 1.0), batch
            )
            moved = jnp.broadcast_to(value + change, value.shape)
            slow[name] = _rounded(moved, profile.state) if profile.state else moved
        change = plasticity.dw[projection](observed)
        if change.ndim > synapses.w.ndim:
            mean = jnp.mean(change, axis=2)
            change = toward_zero(mean) if isinstance(profile.arithmetic, Fixed) else mean
        moved, memory = self._written(code, jnp.broadcast_to(change, code.shape), rate, memory, key)
        if "settled" in memory:
            event = observed["pre"] != 0
            if batch:
                event = jnp.any(event, axis=2)
            memory["settled"] = jnp.where(event, moved * self.step, memory["settled"])
        return Synapses(self._effective(moved, memory), slow, memory)

    def _observed(
        self,
        observed: Observed,
        synapses: Synapses,
        memory: Mapping[str, Array],
        key: Array,
        batch: bool,
    ) -> Observed:
        """The readings of the rule, in the profile's arithmetic; what no rule reads is not compiled."""
        values = {}
        for name, value in observed.items():
            if name in ("w", "eta"):
                values[name] = value
                continue
            read, unit = self.profile.read(name), self.units.get(name, PLAIN)
            if unit != PLAIN:
                value = (value - unit.origin) / unit.size
            value = value * _at(memory.get(f"gain {name}", 1.0), batch)
            value = value + _at(memory.get(f"offset {name}", 0.0), batch)
            if _present(read.noise):
                noise = random.rough_normal(random.stream(key, name), value.shape[:-2])
                value = value + read.noise * noise
            value = _rounded(value, read)
            values[name] = value if unit == PLAIN else unit.origin + unit.size * value
        values.update(synapses.slow)
        fixed = self.profile.arithmetic
        if isinstance(fixed, Fixed):
            return EncodedObserved({n: fixed.encode(v) for n, v in values.items()}, fixed)
        return EncodedObserved(values)

    def _written(
        self,
        code: Array,
        change: Array,
        rate: Array,
        memory: dict[str, Array],
        key: Array,
    ) -> tuple[Array, dict[str, Array]]:
        """Codes after this step."""
        weights, schedule, fixed = (
            self.profile.weights,
            self.profile.schedule,
            self.profile.arithmetic,
        )
        assert weights is not None
        period = schedule.at(code.shape[1])
        now: Array | bool = True
        if "phase" in memory:
            now = memory["phase"] + 1 == jnp.uint32(period)
            memory["phase"] = jnp.where(now, jnp.uint32(0), memory["phase"] + 1)
        if "sum" in memory:
            change = memory["sum"] + change
            if isinstance(fixed, Fixed):
                limit = (1 << (ACCUMULATOR - 1)) - 1
                change = bounded(change, -limit, limit)
        if "host" in memory:
            top = weights.top * self.units.get("w", PLAIN).size * jnp.ones_like(code)
            memory["host"] = bounded(memory["host"] + rate * change, -top, top)
            loaded = _round(memory["host"] / self.step, weights.rounding, key)
            return bounded(loaded, *self._limits(memory)), memory
        scale = rate / self.step * (period if schedule.kind == "epoch" else 1)
        if isinstance(fixed, Fixed):
            scale = scale * 2.0**-fixed.fraction
            move = _scaled(change, scale, weights.rounding, key)
        else:
            move = _round(scale * change, weights.rounding, key)
        if now is not True:
            move = jnp.where(now, move, 0.0)
        if "sum" in memory:
            unit = units(scale) if isinstance(fixed, Fixed) else 1.0 / scale
            left = change - move * unit if schedule.keeps else 0.0
            memory["sum"] = jnp.where(now, left, change)
        return bounded(code + move, *self._limits(memory)), memory

    def _limits(self, memory: Mapping[str, Array]) -> tuple[Array | float, Array | float]:
        """Least and greatest code."""
        weights = self.profile.weights
        assert weights is not None
        top = 2.0**weights.bits - 1
        if weights.sign == "row":
            sign = memory["sign"]
            return jnp.minimum(sign * top, 0.0), jnp.maximum(sign * top, 0.0)
        return (0.0 if weights.sign == "unsigned" else -top), top

    def _effective(self, code: Array, memory: Mapping[str, Array]) -> Array:
        return code * self.step * memory.get("weight", jnp.float32(1.0))

    def _code(self, w: Array, memory: Mapping[str, Array]) -> Array:
        return jnp.round(w / (self.step * memory.get("weight", jnp.float32(1.0))))


def multiplier(scale: Array) -> tuple[Array, Array]:
    """A mantissa of `RATE` bits and a shift: `scale` is at least `mantissa / 2**shift`, and less than 1 % more.

    Both are cut out of the number itself: 23 bits of mantissa without the first, before them the exponent plus 127.
    """
    number = lax.bitcast_convert_type(scale, jnp.int32)
    mantissa = ((number & 0x7FFFFF) | 0x800000) >> (24 - RATE)
    return mantissa, jnp.clip(126 + RATE - (number >> 23), 0, 30)


def units(scale: Array) -> Array:
    """Units of the register that are one code, the nearest whole number but 0, at the rate of `multiplier`."""
    mantissa, shift = multiplier(scale)
    return jnp.maximum(1, ((1 << shift) + (mantissa >> 1)) // mantissa).astype(jnp.float32)


def _scaled(change: Array, scale: Array, rounding: str, key: Array) -> Array:
    """`change * scale` in integers, rounded."""
    mantissa, shift = multiplier(scale)
    product = whole(change) * mantissa
    if rounding == "truncate":
        return shifted(product, shift).astype(jnp.float32)
    if rounding == "nearest":
        return ((product + ((1 << shift) >> 1)) >> shift).astype(jnp.float32)
    word = random.bits(random.stream(key, "round"), change.shape[:-2])
    below = (word & jnp.uint32(0x3FFFFFFF)).astype(jnp.int32) & ((1 << shift) - 1)
    return ((product + below) >> shift).astype(jnp.float32)


def _round(value: Array, rounding: str, key: Array) -> Array:
    if rounding == "truncate":
        return toward_zero(value * (1 + 1e-6))  # a whole number a rounding error below stays whole
    if rounding == "nearest":
        return jnp.floor(value + 0.5)
    return jnp.floor(value + random.uniform(random.stream(key, "round"), value.shape[:-2]))


def _rounded(value: Array, read: Read) -> Array:
    """What a converter makes of a value."""
    if read.bits is None:
        return value
    to_code = toward_zero if read.rounding == "truncate" else jnp.round
    return bounded(to_code(value / read.step), *read.levels) * read.step


def _factor(spread: Array | float, drawn: Array) -> Array:
    """Factors around 1; none is below a tenth, for no circuit reverses its sign."""
    return jnp.maximum(1.0 + spread * drawn, 0.1)


def _present(spread: Array | float) -> bool:
    """Whether an error exists; one that is traced may be 0 at run time."""
    return not (isinstance(spread, int | float) and spread == 0)


def _at(value: Array | float, batch: bool) -> Array | float:
    """A fixed pattern, with a batch axis before the lanes where signals have one."""
    return value[:, :, None] if batch and isinstance(value, Array) else value


def _float(value: Array, profile: Profile) -> Array:
    return profile.arithmetic.decode(value) if isinstance(profile.arithmetic, Fixed) else value
