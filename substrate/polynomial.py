"""Polynomials in one compiled program: rules of sums and products are all the same formula with other coefficients.

    dw = sum_abc c_abc pre**a post**b w**c        every exponent at most `degree`

A rule that only adds, subtracts and multiplies is expanded, exactly, in integers; its coefficients then run through
Horner's scheme, variable by variable. That costs a fixed number of multiply-adds and no selects, half as much as
following the rule's instructions or less, and rules that are equal as formulas round alike.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from substrate.graph import Graph, Node, Operand
from substrate.plasticity import Seen
from substrate.program import TooLong

#: Bits of a coefficient while a rule is expanded.
BITS = 32
HALF = 1 << BITS - 1


class _Term(NamedTuple):
    """A polynomial with integer coefficients, packed into one integer."""

    value: int  # at pre = 2**(BITS i), post = 2**(BITS j), ...: its digits are the coefficients (Kronecker)
    degrees: tuple[int, ...]  # at most these, of each terminal
    size: int  # at most so large is the sum of its coefficients' magnitudes


@dataclass(frozen=True)
class Box:
    """A machine for polynomials in these terminals, each of at most this degree."""

    terminals: tuple[str, ...]
    degree: int

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the functions that rules may use."""
        return ("add", "sub", "mul")

    @cached_property
    def _leaves(self) -> Mapping[str, _Term]:
        base, count = self.degree + 1, len(self.terminals)
        return {
            name: _Term(
                1 << BITS * base ** (count - 1 - i), tuple(int(i == j) for j in range(count)), 1
            )
            for i, name in enumerate(self.terminals)
        }

    @cached_property
    def coefficients(self) -> int:
        """How many there are."""
        return int((self.degree + 1) ** len(self.terminals))

    @cached_property
    def _offset(self) -> int:
        """Makes every digit positive."""
        return sum(HALF << BITS * i for i in range(self.coefficients))

    def schedule(self, graph: Graph) -> dict[str, np.ndarray]:
        """Expand a graph; the coefficients of every output, the last terminal's exponent running fastest.

        Raises
        ------
        TooLong
            If the rule is no polynomial with integer coefficients, or its degree is too high.
        """
        terms: list[_Term] = []

        def term(operand: Operand) -> _Term:
            if isinstance(operand, int):
                return terms[operand]
            if isinstance(operand, str):
                return self._leaves[operand]
            whole = int(operand.value)
            if whole != operand.value:
                raise TooLong
            return _Term(whole, (0,) * len(self.terminals), abs(whole))

        for node in graph.nodes:
            terms.append(self._apply(node, term(node.a), term(node.b)))
        return {name: self._digits(term(operand)) for name, operand in graph.outputs.items()}

    def _apply(self, node: Node, a: _Term, b: _Term) -> _Term:
        if node.function == "mul":
            degrees = tuple([x + y for x, y in zip(a.degrees, b.degrees, strict=True)])
            if max(degrees) > self.degree or a.size * b.size >= HALF:
                raise TooLong
            return _Term(a.value * b.value, degrees, a.size * b.size)
        if node.function not in ("add", "sub") or a.size + b.size >= HALF:
            raise TooLong
        value = a.value + b.value if node.function == "add" else a.value - b.value
        degrees = tuple([max(x, y) for x, y in zip(a.degrees, b.degrees, strict=True)])
        return _Term(value, degrees, a.size + b.size)

    def _digits(self, term: _Term) -> np.ndarray:
        if term.size >= HALF:
            raise TooLong
        raw = (term.value + self._offset).to_bytes(BITS // 8 * self.coefficients, "little")
        return np.frombuffer(raw, np.uint32).astype(np.float64) - HALF

    def assemble(
        self, codes: Sequence[np.ndarray], lanes: Iterable[int], blocks: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lay coefficients out in blocks of `width` lanes: (block, coefficient, 1, width); and which are used."""
        places = np.fromiter(lanes, int)
        table = np.zeros((blocks * width, self.coefficients), np.float32)
        if codes:
            table[places] = codes
        used = np.zeros(blocks, np.int32)
        used[places // width] = 1
        cut = table.reshape(blocks, width, self.coefficients)
        return np.ascontiguousarray(np.moveaxis(cut, 2, 1))[:, :, None], used

    def runner(self, coefficients: Array, length: Array) -> Callable[[Seen], Array]:
        """What runs at every step: Horner's scheme, innermost in what has the fewest numbers."""
        base, count = self.degree + 1, len(self.terminals)
        table = jnp.reshape(coefficients, (base,) * count + coefficients.shape[1:])

        def run(seen: Seen) -> Array:
            values = [jnp.asarray(seen[name]) for name in self.terminals]
            order = sorted(range(count), key=lambda i: -values[i].size)
            turned = jnp.transpose(table, (*order, *range(count, table.ndim)))
            return _horner(turned, [values[i] for i in order])

        return run


def _horner(table: Array, variables: Sequence[Array]) -> Array:
    if not variables:
        return table
    *lower, value = (_horner(part, variables[1:]) for part in table)
    for part in reversed(lower):
        value = value * variables[0] + part
    return value
