"""What a rule may compute: every function in its JAX and SymPy forms, as one table.

What a rule means
-----------------
An equation is a function of real numbers. The genome, the graph, the SymPy expression, its simplified form and the
text that is read back are equal as such: x - x is 0 and x / x is 1. `PRIMITIVES` are defined for all real numbers.
Only rules that people write use `exp`, `sqrt` and `reciprocal`; sqrt has no value below 0, reciprocal none at 0.

The protected division is the rational function

    pdiv(a, b) = a b / (b**2 + 1e-6) = a / (b + 1e-6 / b)

which is a / b wherever |b| is well above 1e-3 and 0 at b = 0. It has no branch, so it means the same in a
simulator, on a chip, in SymPy and in exact arithmetic. It is computed in the second form, in which nothing overflows
whose value does not.

How it is computed
------------------
Every form that runs (interpreter, polynomials, compiled rule, exported code) computes in float32 unless it is given
something wider. Where two forms add or multiply in another order, they differ by their rounding and no more:

- Every operation rounds to the nearest number, a relative error of at most u = 2**-24; `tanh` and `exp` of at most
  8 u, `div` of at most 4 u. A product and the sum that it goes into may round together, once.
- Numbers nearer to 0 than 2**-126 count as 0. NumPy keeps them.
- A power is a product: w**n is computed by squaring, with at most 2 n roundings. The exported code leaves this to
  NumPy, which rounds less.
- What exceeds the largest number, 3.4e38, is infinite, with its sign. Infinity goes on by limits: tanh(inf) = 1,
  step(inf) = 1, min(inf, x) = x, div(x, inf) = 0. What has no limit (inf - inf, 0 * inf, inf / inf) is NaN, and so
  is a function without a value.
- NaN is never hidden: each function of NaN is NaN, also `min`, `max` and `step`.
- Infinity and NaN are no errors inside a rule. A lane has diverged, and its score is the worst, where at the end of
  a chunk of steps a weight is NaN or not within `substrate.synapses.LIMIT`, or another part of the state is NaN or
  infinite.

On a chip with fixed point, the arithmetic is that of `substrate.hardware`: it saturates, and has neither infinity
nor NaN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import jax
import jax.numpy as jnp
import sympy
from jax import Array

from substrate.traversal import extremum

#: Square of the width over which the protected division leaves a / b.
EPSILON = 1e-6


class pdiv(sympy.Function):  # noqa: N801 - SymPy functions carry the name they print
    """Protected division a b / (b**2 + 1e-6), kept whole so that it stays readable."""

    nargs = (2,)

    @classmethod
    def eval(cls, a: sympy.Expr, b: sympy.Expr) -> sympy.Expr | None:
        """Exact on numbers, and 0 where an argument is 0; nothing else simplifies exactly."""
        if a == 0 or b == 0:
            return sympy.Integer(0)
        if a.is_number and b.is_number:
            return a * b / (b**2 + sympy.Rational(1, round(1 / EPSILON)))
        return None


def divide_numbers(a: float, b: float) -> float:
    """Protected division of two numbers of Python."""
    return a / (b + EPSILON / b) if b else 0.0


@dataclass(frozen=True)
class Function:
    """A function of one or two arguments in its forms."""

    name: str
    arity: int
    jax: Callable[..., Array]
    symbolic: Callable[..., sympy.Expr]
    commutative: bool = False


def _step(a: Array) -> Array:
    return jnp.where(jnp.isnan(a), a, jnp.where(a > 0, 1.0, 0.0).astype(a.dtype))


@jax.custom_jvp
def _div(a: Array, b: Array) -> Array:
    return jnp.divide(a, b + jnp.divide(EPSILON, b))


@_div.defjvp
def _div_slope(values: tuple[Array, Array], changes: tuple[Array, Array]) -> tuple[Array, Array]:
    """The slopes of the first form, since those of the second are NaN at b = 0."""
    (a, b), (da, db) = values, changes
    share = 1 / (b * b + EPSILON)
    return _div(a, b), _div(da, b) + a * share * (2 * EPSILON * share - 1) * db


def _plain(head: type[sympy.Expr]) -> Callable[..., sympy.Expr]:
    """Build without SymPy's questions about signs, whose cost is exponential in the nesting."""
    return lambda *a: head(*a, evaluate=all(x.is_number for x in a))


def _extremum(head: type[sympy.Expr]) -> Callable[..., sympy.Expr]:
    return lambda *a: head(*a) if all(x.is_Number for x in a) else extremum(head, a)


_TABLE = (
    Function("add", 2, jnp.add, lambda a, b: a + b, commutative=True),
    Function("sub", 2, jnp.subtract, lambda a, b: a - b),
    Function("mul", 2, jnp.multiply, lambda a, b: a * b, commutative=True),
    Function("div", 2, _div, pdiv),
    Function("min", 2, jnp.minimum, _extremum(sympy.Min), commutative=True),
    Function("max", 2, jnp.maximum, _extremum(sympy.Max), commutative=True),
    Function("abs", 1, jnp.abs, _plain(sympy.Abs)),
    Function("sign", 1, jnp.sign, _plain(sympy.sign)),
    Function("step", 1, _step, lambda a: sympy.Heaviside(a, 0, evaluate=a.is_number)),
    Function("tanh", 1, jnp.tanh, _plain(sympy.tanh)),
    Function("exp", 1, jnp.exp, _plain(sympy.exp)),
    Function("sqrt", 1, jnp.sqrt, sympy.sqrt),
    Function("reciprocal", 1, jnp.reciprocal, lambda a: 1 / a),
)

FUNCTIONS: Mapping[str, Function] = MappingProxyType({f.name: f for f in _TABLE})

#: What a search may use: functions that are defined everywhere.
PRIMITIVES: tuple[str, ...] = (
    *("add", "sub", "mul", "div"),
    *("min", "max", "abs", "sign", "step", "tanh"),
)
