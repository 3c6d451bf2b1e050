"""Polynomials in one compiled program: rules of sums and products are all the same formula with other coefficients.

    dw = sum_abc c_abc pre**a post**b w**c        every exponent at most `degree`

A rule that only adds, subtracts and multiplies is expanded, exactly, in integers; its coefficients then run through
Horner's scheme, variable by variable. That costs a fixed number of multiply-adds and no selects, half as much as
following the rule's instructions or less, and rules that are equal as formulas round alike.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
import jax.numpy as jnp
import numpy as np
from jax import Array

from substrate.graph import Graph, Number
from substrate.plasticity import Seen
from substrate.program import TooLong

#: Bits of a coefficient while a rule is expanded.
BITS = 32
HALF = 1 << BITS - 1


#: While a rule is expanded: the polynomial at pre = 2**(BITS i), post = 2**(BITS j), ..., so that its digits are the
#: coefficients (Kronecker); the highest exponent of each terminal, as one coefficient's place; and what the
#: magnitudes of the coefficients add up to, or more.
Term = tuple[int, int, int]


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
    def _shape(self) -> tuple[int, ...]:
        return (self.degree + 1,) * len(self.terminals)

    @cached_property
    def coefficients(self) -> int:
        """How many there are."""
        return int(np.prod(self._shape))

    @cached_property
    def _leaves(self) -> Mapping[str, Term]:
        places = np.ravel_multi_index(tuple(np.eye(len(self.terminals), dtype=int)), self._shape)
        return {
            name: (1 << BITS * place, place, 1)
            for name, place in zip(self.terminals, places.tolist(), strict=True)
        }

    @cached_property
    def _exponents(self) -> np.ndarray:
        """Of every coefficient, (coefficient, terminal)."""
        return np.stack(np.unravel_index(np.arange(self.coefficients), self._shape), axis=1)

    @cached_property
    def _products(self) -> list[list[int]]:
        """The highest exponents of a product by those of its factors, -1 where they are too high."""
        total = self._exponents[:, None] + self._exponents
        places = np.ravel_multi_index(tuple(np.moveaxis(total, -1, 0)), self._shape, mode="clip")
        return np.where(total.max(axis=-1) <= self.degree, places, -1).tolist()  # type: ignore[no-any-return]

    @cached_property
    def _sums(self) -> list[list[int]]:
        """The highest exponents of a sum."""
        largest = np.maximum(self._exponents[:, None], self._exponents)
        return np.ravel_multi_index(tuple(np.moveaxis(largest, -1, 0)), self._shape).tolist()  # type: ignore[no-any-return]

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
        return {name: self._digits(value) for name, (value, _, _) in self._expand(graph).items()}

    def _expand(self, graph: Graph) -> dict[str, Term]:
        products, sums, leaves = self._products, self._sums, self._leaves
        terms: list[Term] = []

        def leaf(operand: str | Number) -> Term:
            if isinstance(operand, str):
                return leaves[operand]
            whole = int(operand.value)
            if whole != operand.value:
                raise TooLong
            return whole, 0, abs(whole)

        for function, a, b in graph.nodes:
            x, high, size = terms[a] if isinstance(a, int) else leaf(a)
            y, high_b, size_b = terms[b] if isinstance(b, int) else leaf(b)
            if function == "mul":
                value, high, size = x * y, products[high][high_b], size * size_b
                if high < 0:
                    raise TooLong
            elif function in ("add", "sub"):
                value, high, size = x + y if function == "add" else x - y, sums[high][high_b], size + size_b
            else:
                raise TooLong
            if size >= HALF:
                raise TooLong
            terms.append((value, high, size))
        return {
            name: terms[operand] if isinstance(operand, int) else leaf(operand)
            for name, operand in graph.outputs.items()
        }

    def _digits(self, value: int) -> np.ndarray:
        raw = (value + self._offset).to_bytes(BITS // 8 * self.coefficients, "little")
        return np.frombuffer(raw, np.uint32).astype(np.float64) - HALF

    @cached_property
    def _degrees(self) -> list[int]:
        """The highest of the highest exponents."""
        return self._exponents.max(axis=1).tolist()  # type: ignore[no-any-return]

    def among(self, boxes: Sequence["Box"], graph: Graph) -> tuple[int, dict[str, np.ndarray]]:
        """Expand a graph here, for the first of some boxes of lower degree that holds it; which, and for that one.

        Raises
        ------
        TooLong
            As `schedule`.
        """
        found = self._expand(graph)
        degree = max(self._degrees[high] for _, high, _ in found.values())
        place, box = next((i, box) for i, box in enumerate(boxes) if box.degree >= degree)
        kept = (slice(0, box.degree + 1),) * len(self.terminals)
        return place, {
            name: self._digits(value).reshape(self._shape)[kept].ravel()
            for name, (value, _, _) in found.items()
        }

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
