"""Polynomials in one compiled program: rules of sums and products are all the same formula with other coefficients.

    dw = sum_abc c_abc pre**a post**b w**c        a + b + c at most `degree`

A rule that only adds, subtracts and multiplies is expanded, exactly, in integers; its coefficients then run through
Horner's scheme, variable by variable. That costs a fixed number of multiply-adds and no selects, half as much as
following the rule's instructions or less, and rules that are equal as formulas round alike.

What is multiplied out may cancel. With u = 2**-24 and degree d, Horner's scheme gives the value of a polynomial whose
coefficients are off by at most 2 d u (1 + u), relative to each (Higham 2002, section 5.1; once for each variable, and
once more for the rounding of a large coefficient), so

    |error| <= (2 d + 3) u sum_abc |c_abc| |pre|**a |post|**b |w|**c

The rule's own instructions obey the same bound, but keep more where they subtract before they multiply:
(pre - post)**4 at (100.1, 100) is 1e-4, and the bound of its polynomial is (100.1 + 100)**4 11 u = 1e3. Where all
signals are at most 1 the bound is (2 d + 3) u times the sum of the coefficients, single precision at the scale of
the rule; it grows with the d-th power of the signals. So a search may use polynomials only where what the synapses
observe is within `LARGEST_SIGNAL` before learning: data about 0 with a spread of about 1, whose largest values are
rare, as in `pca`, or activities in [0, 1]. Rates in Hz, counts and keys follow the instructions;
`evolve.evaluation.signal_range` decides. Weights have no such limit: a rule that keeps them near the scale of its
data keeps the bound, and one that does not diverges at `substrate.synapses.LIMIT`, multiplied out or not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from substrate.compilation.graph import Graph, Number
from substrate.compilation.interpreter import DoesNotFit
from substrate.plasticity import Observed

#: Largest magnitude of what synapses observe for which rules are multiplied out; see above.
LARGEST_SIGNAL = 8.0
#: Coefficients are smaller than this.
LARGEST = 2**31
#: Bits of an exponent in a monomial.
BITS = 8
#: Where a variable has so many times fewer numbers than another, what depends on it alone is computed once.
SHARED = 4

#: Monomials, all exponents in one integer, with their coefficients: to multiply monomials is to add these integers.
Terms = dict[int, int]


class Coefficients(NamedTuple):
    """A polynomial, ready to run."""

    places: list[int]
    values: list[int]


@dataclass(frozen=True)
class Polynomials:
    """A machine for polynomials in these terminals, of at most this total degree."""

    terminals: tuple[str, ...]
    degree: int

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the functions that rules may use."""
        return ("add", "sub", "mul")

    @cached_property
    def exponents(self) -> tuple[tuple[int, ...], ...]:
        """Of every coefficient the exponents of the terminals."""
        each = product(range(self.degree + 1), repeat=len(self.terminals))
        return tuple(e for e in each if sum(e) <= self.degree)

    @cached_property
    def _places(self) -> Mapping[int, int]:
        """Of every monomial the place of its coefficient."""
        return {_monomial(e): place for place, e in enumerate(self.exponents)}

    @cached_property
    def _leaves(self) -> Mapping[str, Terms]:
        return {name: {1 << BITS * i: 1} for i, name in enumerate(self.terminals)}

    def schedule(self, graph: Graph) -> dict[str, Coefficients]:
        """The coefficients of every output.

        Raises
        ------
        DoesNotFit
            If the rule is no polynomial with integer coefficients, or its degree is too high.
        """
        return self.ready(self.expand(graph))

    def ready(self, expanded: Mapping[str, Terms]) -> dict[str, Coefficients]:
        """Put coefficients in their places; raises `DoesNotFit` if there is none for a monomial."""
        places = self._places
        try:
            return {
                name: Coefficients([places[m] for m in terms], list(terms.values()))
                for name, terms in expanded.items()
            }
        except KeyError:
            raise DoesNotFit from None

    def expand(self, graph: Graph) -> dict[str, Terms]:
        """Multiply a graph out; raises as `schedule`, also where what has too high a degree cancels later."""
        leaves, highest = self._leaves, self.degree
        known: list[Terms] = []
        degrees: list[int] = []  # or more, where the highest terms cancel

        def leaf(operand: str | Number) -> Terms:
            if isinstance(operand, str):
                return leaves[operand]
            whole = int(operand.value)
            if whole != operand.value:
                raise DoesNotFit
            return {0: whole}

        for function, a, b in graph.nodes:
            x, high = (
                (known[a], degrees[a]) if isinstance(a, int) else (leaf(a), isinstance(a, str))
            )
            y, other = (
                (known[b], degrees[b]) if isinstance(b, int) else (leaf(b), isinstance(b, str))
            )
            if function == "mul":
                if high + other > highest:
                    raise DoesNotFit
                terms: Terms = {}
                for m, c in x.items():
                    for n, d in y.items():
                        terms[m + n] = terms.get(m + n, 0) + c * d
                degrees.append(high + other)
            elif function == "add" or function == "sub":
                sign = 1 if function == "add" else -1
                terms = x.copy()
                for n, d in y.items():
                    terms[n] = terms.get(n, 0) + sign * d
                degrees.append(max(high, other))
            else:
                raise DoesNotFit
            known.append(terms)
        found = {
            name: known[o] if isinstance(o, int) else leaf(o) for name, o in graph.outputs.items()
        }
        kept = {name: {m: c for m, c in terms.items() if c} for name, terms in found.items()}
        if any(abs(c) >= LARGEST for terms in kept.values() for c in terms.values()):
            raise DoesNotFit
        return kept

    def assemble(
        self, codes: Sequence[Coefficients], lanes: Iterable[int], blocks: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lay coefficients out in blocks of `width` lanes: (block, coefficient, 1, width); and which are used."""
        table = np.zeros((blocks, len(self.exponents), 1, width), np.float32)
        used = np.zeros(blocks, np.int32)
        for (places, values), lane in zip(codes, lanes, strict=True):
            block, column = divmod(lane, width)
            table[block, places, 0, column] = values
            used[block] = 1
        return table, used

    def runner(self, coefficients: Array, length: Array) -> Callable[[Observed], Array]:
        """What runs at every step: Horner's scheme, innermost in what has the fewest numbers."""

        def run(observed: Observed) -> Array:
            values = [jnp.asarray(observed[name]) for name in self.terminals]
            order = sorted(range(len(values)), key=lambda i: -values[i].size)
            table = {
                tuple(e[i] for i in order): c
                for e, c in zip(self.exponents, coefficients, strict=True)
            }
            ordered = [values[i] for i in order]
            if ordered[0].size >= SHARED * ordered[-1].size:
                table = _put_in(table, ordered.pop())
            return _horner(table, ordered)

        return run


def _monomial(exponents: Iterable[int]) -> int:
    return sum(e << BITS * i for i, e in enumerate(exponents))


def _put_in(table: Mapping[tuple[int, ...], Array], value: Array) -> dict[tuple[int, ...], Array]:
    """Give the last variable its value, for all monomials of the others at once.

    Left to `_horner`, XLA would do this anew for every number of the others.
    """
    others = sorted(
        {e[:-1] for e in table}, key=sum
    )  # lowest first: they go with the highest powers
    total = None
    for power in range(max(e[-1] for e in table), -1, -1):
        part = jnp.stack([table[(*e, power)] for e in others if (*e, power) in table])
        part = part.reshape(len(part), *(1,) * (value.ndim + 1 - part.ndim), *part.shape[1:])
        if total is not None:
            grown = total * value
            new = jnp.zeros((len(part) - len(grown), *grown.shape[1:]), grown.dtype)
            part = part + jnp.concatenate([grown, new])
        total = part
    assert total is not None
    return {e: total[i] for i, e in enumerate(others)}


def _horner(table: Mapping[tuple[int, ...], Array], variables: Sequence[Array]) -> Array:
    """The value of a polynomial, given its coefficients by exponents."""
    if not variables:
        return table[()]
    parts: list[dict[tuple[int, ...], Array]] = []
    for (first, *rest), coefficient in table.items():
        while len(parts) <= first:
            parts.append({})
        parts[first][tuple(rest)] = coefficient
    *lower, value = (_horner(part, variables[1:]) for part in parts)
    for part in reversed(lower):
        value = value * variables[0] + part
    return value
