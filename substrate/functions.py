"""What a rule may compute: every function in its JAX and SymPy forms, as one table.

The protected division is the rational function

    pdiv(a, b) = a b / (b**2 + 1e-6)

which is a / b wherever |b| is well above 1e-3 and 0 at b = 0. It has no branch, so it means the same in a
simulator, on a chip, in SymPy and in exact arithmetic.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

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


@dataclass(frozen=True)
class Function:
    """A function of one or two arguments in its forms."""

    name: str
    arity: int
    jax: Callable[..., Array]
    symbolic: Callable[..., sympy.Expr]
    commutative: bool = False


def _step(a: Array) -> Array:
    return jnp.where(a > 0, 1.0, 0.0).astype(a.dtype)


def _plain(head: type[sympy.Expr]) -> Callable[..., sympy.Expr]:
    """Build without SymPy's questions about signs, whose cost is exponential in the nesting."""
    return lambda *a: head(*a, evaluate=all(x.is_number for x in a))


def _extremum(head: type[sympy.Expr]) -> Callable[..., sympy.Expr]:
    return lambda *a: head(*a) if all(x.is_Number for x in a) else extremum(head, a)


_TABLE = (
    Function("add", 2, jnp.add, lambda a, b: a + b, commutative=True),
    Function("sub", 2, jnp.subtract, lambda a, b: a - b),
    Function("mul", 2, jnp.multiply, lambda a, b: a * b, commutative=True),
    Function("div", 2, lambda a, b: a * b / (b * b + EPSILON), pdiv),
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
