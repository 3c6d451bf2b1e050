"""A rule as functions of NumPy arrays, for whoever tries it outside JAX.

They compute what `lower` compiles and what an export to Python does, in the precision of the arrays that they get. No
code is generated or executed as text.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy

from substrate.compilation.lowering import walk
from substrate.errors import UserError
from substrate.functions import EPSILON
from substrate.rule import Rule


def _computed(function: Callable[..., Any], values: list[Any]) -> Any:
    """A function of values; of plain numbers a plain number, which leaves arrays their precision."""
    value = function(*values)
    return float(value) if all(type(v) is float for v in values) else value


def _div(a: Any, b: Any) -> Any:
    """The protected division in the form that does not overflow; see `substrate.functions`."""
    return np.divide(a, _computed(np.add, [b, _computed(np.divide, [EPSILON, b])]))


#: What every function of `substrate.functions.FUNCTIONS` is on NumPy arrays.
NUMPY: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "div": _div,
        "min": np.minimum,
        "max": np.maximum,
        "abs": np.abs,
        "sign": np.sign,
        "step": lambda a: np.where(np.greater(a, 0), np.ones_like(a), np.zeros_like(a)),
        "tanh": np.tanh,
        "exp": np.exp,
        "sqrt": np.sqrt,
        "reciprocal": lambda a: np.divide(1.0, a),
    }
)


class NumpyFunction:
    """One equation of a rule, to be called with what a synapse observes: `f(pre=x, post=y, w=w)`.

    Arguments are numbers or arrays that broadcast to (post, pre), by name; those that the equation does not read are
    ignored, so that a network can show everything it has. Whole numbers and truth values are taken as floats. The
    result broadcasts to the weights. Overflow and division by zero give infinities and nan without a warning.

    Parameters
    ----------
    expression
        Over the functions of `substrate.functions`.
    constants
        Values of named constants; they may be given as arguments too.

    Raises
    ------
    UserError
        When it is called without something that it reads.
    """

    def __init__(
        self, expression: sympy.Expr, constants: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        self.expression, self.constants = expression, dict(constants)
        self.reads = frozenset(str(s) for s in expression.free_symbols)
        self._steps: list[str | float | tuple[Callable[..., Any], tuple[int, ...]]] = []
        self._result = walk(expression, self._leaf, self._apply)

    def _leaf(self, node: sympy.Expr) -> int:
        """Add a step that gives a symbol or a number; its place."""
        self._steps.append(str(node) if node.is_Symbol else float(node))
        return len(self._steps) - 1

    def _apply(self, name: str, places: tuple[int, ...]) -> int:
        """Add a step that computes a function of earlier values; its place."""
        self._steps.append((NUMPY[name], places))
        return len(self._steps) - 1

    def __call__(self, **observed: Any) -> Any:
        """The value, in the precision of the arrays."""
        given = {**self.constants, **observed}
        missing = sorted(self.reads - given.keys())
        if missing:
            raise UserError(
                f"{self.expression} reads {', '.join(missing)}, which was not given. "
                f"Call it with {', '.join(f'{n}=...' for n in sorted(self.reads))}."
            )
        values: list[Any] = []
        with np.errstate(all="ignore"):
            for step in self._steps:
                if isinstance(step, str):
                    values.append(_floating(given[step]))
                elif isinstance(step, float):
                    values.append(step)
                else:
                    values.append(_computed(step[0], [values[i] for i in step[1]]))
        return values[self._result]

    def __repr__(self) -> str:
        return f"NumpyFunction({self.expression})"


def numpy_functions(rule: Rule) -> dict[str, NumpyFunction]:
    """Every equation of a rule by name: `dw` (or `dw_PROJECTION`), then `d_NAME` for each slow variable.

    >>> from evolve import RULES, numpy_functions
    >>> oja = numpy_functions(RULES["oja"])
    >>> float(oja["dw"](pre=1.0, post=0.5, w=0.5))
    0.375
    """
    return {name: NumpyFunction(e, rule.constants) for name, e in rule.equations.items()}


def _floating(value: Any) -> Any:
    """The value as it is if it is a float or an array of floats; else in double precision."""
    if isinstance(value, float):
        return value
    array = np.asarray(value)
    return array if np.issubdtype(array.dtype, np.floating) else array.astype(np.float64)
