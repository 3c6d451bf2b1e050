"""Constructors for rule expressions that keep what was written and ask SymPy for no assumptions.

SymPy's own constructors decide on every call whether an argument is real, zero or larger than
another; on nested functions that takes exponential time (ten nested `tanh` take a minute). These
only fold numbers, so they take linear time on any text. A product of a number and a sum keeps its
brackets, since 2 (x + y) reads better than 2 x + 2 y and costs one operation less.
"""

import math
from collections.abc import Callable, Sequence

import sympy
from sympy import Add, Expr, Float, Integer, Mul, Pow, Rational

from substrate.compilation.lowering import HEADS
from substrate.functions import divide_numbers
from substrate.traversal import extremum

#: SymPy heads by the name that `substrate.functions` gives them; `sqrt` is a power.
HEAD_OF = {name: head for head, name in HEADS.items()}

#: Numbers of arguments of each function in rule text; None means two or more.
ARITY: dict[str, int | None] = {
    **dict.fromkeys(("abs", "sign", "step", "tanh", "exp", "sqrt"), 1),
    "div": 2,
    **dict.fromkeys(("min", "max")),
}

#: Largest exponent: more than squaring at every operation of the largest genome that is scored can make.
MAX_POWER = 2**1000

_BITS = 1024  # of a whole number: what a double can hold

_REAL: dict[str, Callable[..., float]] = {
    "tanh": math.tanh,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "div": divide_numbers,
    "abs": abs,
    "sign": lambda a: (a > 0) - (a < 0),
    "step": lambda a: float(a > 0),
    "min": min,
    "max": max,
}


def number(value: Expr) -> Expr:
    """Fold an expression without symbols to one number: exact if it is rational, else a double.

    Raises
    ------
    ArithmeticError
        If it is not real, not finite, or beyond the range of a double.
    """
    if value.is_Rational:
        return _finite(value)
    try:
        return _finite(Float(float(value)))
    except TypeError:
        raise ArithmeticError(f"{value} is not a real number") from None


def add(terms: Sequence[Expr]) -> Expr:
    """Add terms; equal terms are collected, numbers folded."""
    return _finite(Add(*terms))


def multiply(factors: Sequence[Expr]) -> Expr:
    """Multiply; a number stays outside the brackets of a sum."""
    coefficient, rest = Integer(1), []
    for factor in factors:
        c, r = factor.as_coeff_Mul()
        coefficient = _finite(coefficient * c)
        rest.append(r)
    product = Mul(*rest)
    if product.is_Add and coefficient not in (0, 1, -1):
        return Mul(coefficient, product, evaluate=False)
    return _finite(coefficient * product)


def power(base: Expr, exponent: Expr) -> Expr:
    """Raise to a whole number or half of one.

    Raises
    ------
    ArithmeticError
        If the exponent is another one, or the result is no finite real number.
    """
    exponent = _exponent(exponent)
    if base.is_Number:
        return _power_of_number(base, exponent)
    if exponent == 0:
        return Integer(1)
    if exponent == 1:
        return base
    if base.is_Mul and exponent.is_Integer:
        return multiply([power(factor, exponent) for factor in base.args])
    if base.is_Pow and exponent.is_Integer:
        return power(base.base, base.exp * exponent)
    size = abs(base.as_coeff_Mul()[0])
    if size != 1:  # as SymPy does: the root of 2 x is the root of 2 times the root of x
        root = Pow(multiply([1 / size, base]), exponent, evaluate=False)
        return multiply([_power_of_number(size, exponent), root])
    return Pow(base, exponent, evaluate=False)


def call(name: str, given: Sequence[Expr]) -> Expr:
    """Apply a function of `ARITY`; numbers are folded, anything else is kept as it is."""
    if all(a.is_Number for a in given):
        return _call_of_numbers(name, given)
    if name == "sqrt":
        return power(given[0], Rational(1, 2))
    if name in ("min", "max"):
        return extremum(HEAD_OF[name], given)
    further = (Integer(0),) if name == "step" else ()  # Heaviside(0) = 0
    return HEAD_OF[name](*given, *further, evaluate=False)


def arguments(node: Expr) -> tuple[Expr, ...]:
    """What a function is applied to; SymPy's step carries its value at 0 besides."""
    return node.args[:1] if node.func == sympy.Heaviside else node.args


def rebuild(node: Expr, leaf: Callable[[Expr], Expr]) -> Expr:
    """Replace symbols, numbers and functions by `leaf`; make sums, products and powers anew."""
    if node.is_Add:
        return add([rebuild(a, leaf) for a in node.args])
    if node.is_Mul:
        return multiply([rebuild(a, leaf) for a in node.args])
    if node.is_Pow and not node.is_number:
        return power(rebuild(node.base, leaf), node.exp)
    return leaf(node)


def _exponent(value: Expr) -> Expr:
    if value.is_Float and (2 * float(value)).is_integer():
        value = Rational(int(2 * float(value)), 2)
    if not value.is_Rational or value.q not in (1, 2):
        raise ArithmeticError(
            f"a power must be a whole number or half of one, not {float(value):g}"
        )
    if abs(value) > MAX_POWER:
        raise ArithmeticError("a power must be at most 2**1000")
    return value


def _power_of_number(base: Expr, exponent: Expr) -> Expr:
    if base == 0 and exponent < 0:
        raise ArithmeticError("a division by zero")
    if not exponent.is_Integer:
        return _power_of_number(_call_of_numbers("sqrt", [base]), Integer(exponent.p))
    if base not in (0, 1, -1) and abs(exponent * math.log2(abs(base))) > 2 * _BITS:
        raise ArithmeticError("a number beyond the range of a double")
    return _finite(base**exponent)


def _call_of_numbers(name: str, arguments: Sequence[Expr]) -> Expr:
    exact = name in ("min", "max", "abs", "sign", "step", "div")
    if exact and all(a.is_Rational for a in arguments):
        further = (Integer(0),) if name == "step" else ()
        value = HEAD_OF[name](*arguments, *further)
        if _fits(value):
            return value
    if name == "sqrt":
        root = sympy.sqrt(arguments[0]) if arguments[0].is_Rational and arguments[0] >= 0 else None
        if root is not None and root.is_Rational:
            return root
    try:
        return _finite(Float(float(_REAL[name](*map(float, arguments)))))
    except (ValueError, OverflowError):
        raise ArithmeticError(
            f"{name}({', '.join(map(str, arguments))}) is no finite real number"
        ) from None


def _finite(value: Expr) -> Expr:
    """Return `value` unless its numbers have left the range of a double."""
    c = value.as_coeff_Mul()[0]
    if c.is_Rational and not _fits(c):
        raise ArithmeticError("a number beyond the range of a double")
    if not c.is_Rational and not (c.is_Float and math.isfinite(float(c))):
        raise ArithmeticError("a number that is not finite")
    return value


def _fits(value: Rational) -> bool:
    """Whether a double can hold numerator and denominator."""
    return max(abs(value.p).bit_length(), value.q.bit_length()) <= _BITS
