"""`interpret`: a population of different rules in one compiled program.

A rule is scheduled as code for an accumulator and a few registers: every instruction combines the accumulator
with one operand (a number, a terminal, the accumulator itself or a register), and may copy the result into a
register. Each lane of the population follows its own instructions, so an instruction costs a handful of selects
rather than a branch. Instructions run in segments of `SEGMENT`; how many segments run is a number, not a shape, so
longer rules never recompile and short ones never pay for long ones.

Sums are one multiply-add, acc' = alpha acc + beta b with coefficients 1 and -1, so they need no selects and round
as the sum itself does. Nothing is switched off by a factor 0, since 0 * inf is NaN: where an instruction ignores the
accumulator or the sum, another value is selected. Products and other functions are selected one by one. So an
instruction gives what its function in `substrate.functions` gives, infinity and NaN included.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from substrate.compilation.graph import Graph, Number, Operand
from substrate.functions import FUNCTIONS
from substrate.plasticity import Arithmetic, Observed, Plasticity, SlowUpdate, arithmetic_of
from substrate.rule import FORWARD, Slow

#: Instructions that run between two looks at the clock; registers are in memory only in between.
SEGMENT = 4
#: Bits of each part of an instruction but its number.
BITS = 8

#: Operations of arithmetic, with their coefficients in gamma acc b + alpha acc + beta b as (alpha, beta, gamma).
ARITHMETIC = {
    "noop": (1, 0, 0),
    "load": (0, 1, 0),
    "add": (1, 1, 0),
    "sub": (1, -1, 0),
    "rsub": (-1, 1, 0),
    "mul": (0, 0, 1),
}
LOAD, MUL = (list(ARITHMETIC).index(name) for name in ("load", "mul"))


class Machine(NamedTuple):
    """What a compiled interpreter can do: shapes and tables, no numbers of any rule."""

    terminals: tuple[str, ...]
    functions: tuple[str, ...]
    registers: int = 3
    segments: int = 64  # capacity; only as many run as the longest rule needs

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the operation codes; an `r` in front swaps the operands."""
        others = [f for f in self.functions if f not in ARITHMETIC]
        swapped = [
            f"r{f}" for f in others if FUNCTIONS[f].arity == 2 and not FUNCTIONS[f].commutative
        ]
        return (*ARITHMETIC, *others, *swapped)

    def schedule(self, graph: Graph) -> dict[str, "Code"]:
        """Order a graph's operations for an accumulator with registers, one code per output.

        A value that is needed again waits in a register if one is free and is computed again if not. Where that
        leaves too few registers for the rest, everything that is needed again is computed again.

        Raises
        ------
        DoesNotFit
            If the registers or the capacity do not suffice.
        """

        def code(operand: Operand) -> Code:
            try:
                return _Scheduler(graph, self, share=True).run(operand)
            except DoesNotFit:
                return _Scheduler(graph, self, share=False).run(operand)

        return {name: code(operand) for name, operand in graph.outputs.items()}

    def assemble(
        self, codes: Sequence["Code"], lanes: Iterable[int], blocks: int, width: int
    ) -> tuple["Programs", np.ndarray]:
        """Lay out codes side by side in blocks of `width` lanes, padded with `noop`.

        Parameters
        ----------
        codes, lanes
            The codes, and for each the lane it goes to, counted through all blocks.

        Returns
        -------
        The arrays, (block, segment, SEGMENT, 1, width), and the number of segments that each block needs.
        """
        shape = (self.segments * SEGMENT, blocks * width)
        words, numbers = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
        lengths = np.zeros(blocks, np.int32)
        for lane, code in zip(lanes, codes, strict=True):
            size = len(code.words)
            words[:size, lane], numbers[:size, lane] = code
            lengths[lane // width] = max(lengths[lane // width], -(-size // SEGMENT))

        def blocked(array: np.ndarray) -> np.ndarray:
            cut = array.reshape(self.segments, SEGMENT, 1, blocks, width)
            return np.ascontiguousarray(np.moveaxis(cut, 3, 0))

        return Programs(blocked(words), blocked(numbers)), lengths

    def runner(self, programs: "Programs", length: Array) -> Callable[[Observed], Array]:
        """Decode the operations once, outside the loop over steps, and return what runs at every step."""
        return _runner(programs, length, self)


class Code(NamedTuple):
    """Instructions of one equation."""

    words: Sequence[int]  # operation, source and target, BITS each
    # Source 0 is the number; then come the terminals, the accumulator, the registers. Target 0 is none.
    numbers: Sequence[float]


class DoesNotFit(Exception):  # noqa: N818 - a finding about a rule, not an error
    """The rule does not fit the machine; whoever evaluates it turns this into a value."""


class _Tables(NamedTuple):
    """What scheduling looks up for a machine."""

    operations: Mapping[str, int]
    sources: Mapping[Operand, int]
    unary: frozenset[str]
    commutative: frozenset[str]


@lru_cache(maxsize=64)
def _tables(machine: Machine) -> _Tables:
    return _Tables(
        {name: i for i, name in enumerate(machine.operations)},
        {name: (1 + i) << BITS for i, name in enumerate(machine.terminals)},
        frozenset(name for name, f in FUNCTIONS.items() if f.arity == 1),
        frozenset(name for name, f in FUNCTIONS.items() if f.commutative),
    )


class _Scheduler:
    def __init__(self, graph: Graph, machine: Machine, share: bool) -> None:
        self.nodes, self.share = graph.nodes, share
        self.limit = machine.segments * SEGMENT
        self.operations, self.sources, self.unary, self.commutative = _tables(machine)
        self.accumulator = 1 + len(machine.terminals)
        self.free = list(range(machine.registers, 0, -1))
        self.held: dict[int, int] = {}  # node -> register
        self.pinned: list[int] = []  # nodes that a half-finished operation waits for
        self.at_hand: Operand | None = None  # node whose value the accumulator holds
        self.words: list[int] = []
        self.numbers: list[float] = []

    def run(self, output: Operand) -> Code:
        if isinstance(output, int):
            self._count(output)
            self.compute(output)
        else:
            self.emit("load", output)
        return Code(self.words, self.numbers)

    def _count(self, output: int) -> None:
        """How often each node is read, and how many registers its subtree needs (Sethi and Ullman)."""
        nodes = self.nodes
        self.uses = uses = [0] * len(nodes)
        uses[output] = 1
        reached = 0
        for index in range(output, -1, -1):  # operands come first
            if uses[index]:
                reached += 1
                _, a, b = nodes[index]
                if isinstance(a, int):
                    uses[a] += 1
                if isinstance(b, int) and a != b:
                    uses[b] += 1
        if reached > self.limit:
            raise DoesNotFit
        uses[output] = 0
        self.need: list[int] = []
        need = self.need
        for _, a, b in nodes:
            x = need[a] if isinstance(a, int) else -1
            y = need[b] if isinstance(b, int) else -1
            both = x == y >= 0 and a != b
            need.append(x + 1 if both else max(x, y, 0))

    def _needed(self, operand: Operand) -> int:
        return self.need[operand] if isinstance(operand, int) else -1

    def emit(self, operation: str, operand: Operand) -> None:
        """Append one instruction on an operand that is at hand."""
        if len(self.words) >= self.limit:
            raise DoesNotFit
        number = 0.0
        if isinstance(operand, int):
            kept = 0 if operand == self.at_hand else self.held[operand]
            source = self.accumulator + kept << BITS
        elif isinstance(operand, str):
            source = self.sources[operand]
        else:
            source, number = 0, operand.value
        self.words.append(self.operations[operation] | source)
        self.numbers.append(number)

    def simple(self, operand: Operand) -> bool:
        """Whether an instruction can read this operand now."""
        return not isinstance(operand, int) or operand in self.held or operand == self.at_hand

    def used(self, operand: Operand) -> None:
        """Count one use and free the register after the last."""
        if isinstance(operand, int):
            self.uses[operand] -= 1
            spent = self.uses[operand] <= 0 and operand in self.held
            if spent and operand not in self.pinned:
                self.free.append(self.held.pop(operand))

    def keep(self, node: int) -> None:
        """Copy the result of the last instruction, the value of `node`, into a register."""
        if not self.free:
            raise DoesNotFit
        register = self.held[node] = self.free.pop()
        self.words[-1] |= register << 2 * BITS

    def fetch(self, operand: Operand) -> None:
        """Bring an operand into the accumulator."""
        if isinstance(operand, int) and operand not in self.held:
            if operand != self.at_hand:
                self.compute(operand)
        else:
            self.emit("load", operand)
            self.at_hand = operand if isinstance(operand, int) else None

    def compute(self, index: int) -> None:
        """Leave the value of a node in the accumulator."""
        function, a, b = self.nodes[index]
        if a == b:
            self.fetch(a)
            if function in self.unary:
                self.emit(function, Number(0.0))
            else:  # the accumulator may hold a copy of a terminal or a number
                self.emit(function, a if self.at_hand is None else self.at_hand)
            self.used(a)
        else:
            swap = self.at_hand == b or (self.at_hand != a and self._needed(b) > self._needed(a))
            first, second = (b, a) if swap else (a, b)
            self.fetch(first)
            if not self.simple(second):
                assert isinstance(first, int), "a terminal never waits for a node"
                if first not in self.held:
                    self.keep(first)
                self.pinned.append(first)
                self.fetch(second)
                self.pinned.pop()
                first, second, swap = second, first, not swap
            self.emit(
                "r" + function if swap and function not in self.commutative else function, second
            )
            self.used(a)
            self.used(b)
        self.at_hand = index
        if self.share and self.uses[index] > 1 and len(self.free) > 1 and index not in self.held:
            self.keep(index)


class Programs(NamedTuple):
    """Code of one equation for a population; every array is (segment, SEGMENT, 1, P)."""

    word: Array | np.ndarray  # operation, source and target, BITS each
    number: Array | np.ndarray

    def field(self, place: int) -> Array:
        """One part of the words."""
        return jnp.asarray(self.word) >> BITS * place & (1 << BITS) - 1


def _runner(programs: Programs, length: Array, machine: Machine) -> Callable[[Observed], Array]:
    table = np.array([ARITHMETIC.get(o, (1, 0, 0)) for o in machine.operations], np.float32)
    operation, source, target = map(programs.field, range(3))
    alpha, beta, gamma = (jnp.asarray(column)[operation] for column in table.T)
    selected = list(enumerate(machine.operations))[len(ARITHMETIC) :]

    def run(observed: Observed) -> Array:
        shape = jnp.broadcast_shapes(*(jnp.shape(observed[name]) for name in machine.terminals))
        inputs = [jnp.broadcast_to(observed[name], shape) for name in machine.terminals]
        fixed = arithmetic_of(observed)
        numbers = fixed.encode(programs.number) if fixed else programs.number

        def segment(s: Array, values: tuple[Array, ...]) -> tuple[Array, ...]:
            accumulator, *registers = values
            for i in range(SEGMENT):
                at = (s, i)
                operand = jnp.broadcast_to(numbers[at], shape)
                for code, value in enumerate([*inputs, accumulator, *registers], start=1):
                    operand = jnp.where(source[at] == code, value, operand)
                if fixed:
                    codes = alpha[at], beta[at], gamma[at]
                    result = fixed.multiply_add(accumulator, operand, codes)
                else:
                    left = jnp.where(operation[at] == LOAD, 0.0, accumulator)
                    result = alpha[at] * left + beta[at] * operand  # `noop` comes with the number 0
                    result = jnp.where(operation[at] == MUL, accumulator * operand, result)
                for code, name in selected:
                    value = _function(name, fixed)(accumulator, operand)
                    result = jnp.where(operation[at] == code, value, result)
                registers = [
                    jnp.where(target[at] == k, result, r) for k, r in enumerate(registers, start=1)
                ]
                accumulator = result
            return (accumulator, *registers)

        start = (jnp.zeros(shape, jnp.float32),) * (1 + machine.registers)
        return lax.fori_loop(0, length, segment, start)[0]

    return run


def _function(name: str, arithmetic: Arithmetic | None = None) -> Callable[[Array, Array], Array]:
    """The effect of an operation that is not a multiply-add on (accumulator, operand)."""
    own = name if name in FUNCTIONS else name[1:]
    function = partial(arithmetic.apply, own) if arithmetic else FUNCTIONS[own].jax
    if name != own:
        return lambda a, b: function(b, a)
    if FUNCTIONS[name].arity == 1:
        return lambda a, b: function(a)
    return function


class Runs(Protocol):
    """A machine at run time; there are several kinds, each for rules of some form."""

    @property
    def terminals(self) -> tuple[str, ...]:
        """What rules may read."""

    def runner(self, programs: Any, length: Array) -> Callable[[Observed], Array]:
        """What runs at every step, for one equation of a population."""


def interpret(
    programs: Mapping[str, Any],
    lengths: Mapping[str, Array],
    machine: Runs,
    slow: Sequence[Slow] = (),
) -> Plasticity:
    """Make the plasticity of a population.

    Parameters
    ----------
    programs
        One entry per equation: `dw` (or `dw_PROJECTION`), and `d_NAME` for every slow variable.
    lengths
        Segments to run, per equation; traced.
    machine
        The tables that the programs were assembled for.
    slow
        Scope and initial value of the slow variables; their rates are in `programs`.
    """

    run = {name: machine.runner(programs[name], lengths[name]) for name in programs}
    changes = {FORWARD if n == "dw" else n[3:]: f for n, f in run.items() if n.startswith("dw")}
    return Plasticity(
        changes,
        {s.name: SlowUpdate(run[f"d_{s.name}"], s.scope, s.initial) for s in slow},
        reads=frozenset(machine.terminals),
    )
