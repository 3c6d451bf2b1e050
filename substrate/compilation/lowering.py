"""`lower`: one rule becomes one compiled program, by walking its SymPy expression.

No code is generated or executed as text.
"""

from collections import ChainMap
from collections.abc import Callable, Mapping
from functools import reduce
from typing import TypeVar

import jax.numpy as jnp
import sympy
from jax import Array

from substrate.errors import UserError
from substrate.functions import FUNCTIONS, pdiv
from substrate.plasticity import Arithmetic, Observed, Plasticity, SlowUpdate, arithmetic_of
from substrate.rule import Rule
from substrate.traversal import postorder

Value = TypeVar("Value")

#: SymPy heads of the functions that are not arithmetic, with their names in `FUNCTIONS`.
HEADS = {
    pdiv: "div",
    sympy.Min: "min",
    sympy.Max: "max",
    sympy.Abs: "abs",
    sympy.sign: "sign",
    sympy.Heaviside: "step",
    sympy.tanh: "tanh",
    sympy.exp: "exp",
}


def walk(
    expression: sympy.Expr,
    leaf: Callable[[sympy.Expr], Value],
    apply: Callable[[str, tuple[Value, ...]], Value],
) -> Value:
    """Fold an expression bottom up; equal subexpressions are visited once.

    Parameters
    ----------
    expression
        Built from sums, products, powers and the functions of `FUNCTIONS`. A power becomes products, by squaring.
    leaf
        Gives the value of a symbol or a number.
    apply
        Gives the value of a named function (`add`, `mul`, `reciprocal`, ...) of values.

    Raises
    ------
    UserError
        If the expression uses a function that the platform does not have.
    """
    memo: dict[sympy.Expr, Value] = {}

    def visit(node: sympy.Expr) -> Value:
        if node not in memo:
            memo[node] = compute(node)
        return memo[node]

    def compute(node: sympy.Expr) -> Value:
        if node.is_Symbol or node.is_number:
            return leaf(node)
        if node.is_Add:
            # a - b is one operation in people's eyes and on chips, so SymPy's a + (-1) b is undone.
            plus = [a for a in node.args if not a.could_extract_minus_sign()]
            minus = [visit(-a) for a in node.args if a.could_extract_minus_sign()]
            total = [visit(a) for a in plus] or [
                apply("sub", (leaf(sympy.Integer(0)), minus.pop()))
            ]
            return reduce(
                lambda a, b: apply("sub", (a, b)),
                minus,
                reduce(lambda a, b: apply("add", (a, b)), total),
            )
        if node.is_Mul:
            number, rest = node.as_coeff_Mul()
            if number != 1:  # also a fraction is one number, not a division
                return apply("mul", (leaf(number), visit(rest)))
            upper, lower = sympy.fraction(rest, exact=True)
            if lower != 1:
                inverse = apply("reciprocal", (visit(lower),))
                return inverse if upper == 1 else apply("mul", (visit(upper), inverse))
            return reduce(lambda a, b: apply("mul", (a, b)), map(visit, rest.args))
        if node.is_Pow:
            return power(visit(node.base), node.exp)
        name = HEADS.get(node.func)
        if name is None:
            raise UserError(
                f"{node} uses {node.func}, which a rule may not. Allowed: + - * / **, {_allowed()}."
            )
        values = [visit(a) for a in node.args[:1] if name == "step"] or [
            visit(a) for a in node.args
        ]
        if FUNCTIONS[name].arity == 1:
            return apply(name, (values[0],))
        return reduce(lambda a, b: apply(name, (a, b)), values)

    def power(base: Value, exponent: sympy.Expr) -> Value:
        if exponent == sympy.Rational(1, 2):
            return apply("sqrt", (base,))
        if exponent.is_Rational and exponent.q == 2:
            return power(apply("sqrt", (base,)), sympy.Integer(exponent.p))
        if not exponent.is_Integer or exponent == 0:
            raise UserError(f"A power must be a whole number or half of one, not {exponent}.")
        if exponent < 0:
            return apply("reciprocal", (power(base, -exponent),))
        if exponent == 1:
            return base
        half = power(base, sympy.Integer(exponent // 2))
        square = apply("mul", (half, half))
        return apply("mul", (square, base)) if exponent % 2 else square

    return visit(sympy.sympify(expression, strict=True))


def with_numbers(
    expression: sympy.Expr, values: Mapping[sympy.Symbol, sympy.Expr | float]
) -> sympy.Expr:
    """Put numbers in place of symbols; numbers are folded, and SymPy is asked nothing else.

    SymPy's own `subs` evaluates every function anew, which takes exponential time on nested ones.
    """
    made: dict[sympy.Expr, sympy.Expr] = {}
    for node in postorder(expression):
        given = [made[operand] for operand in node.args]
        if node in values:
            made[node] = sympy.sympify(values[node])
        elif all(new is old for new, old in zip(given, node.args, strict=True)):
            made[node] = node
        elif node.func in HEADS:
            made[node] = node.func(*given, evaluate=all(a.is_Number for a in given))
        else:
            made[node] = node.func(*given)
    return made[expression]


def _allowed() -> str:
    return ", ".join(str(head.__name__) for head in HEADS)


def compute(
    expression: sympy.Expr, known: Mapping[str, Array], arithmetic: Arithmetic | None = None
) -> Array:
    """Evaluate an expression on arrays by name; used while JAX traces, so it costs nothing at run time."""

    def leaf(node: sympy.Expr) -> Array:
        if node.is_Symbol:
            return known[node.name]
        return arithmetic.encode(float(node)) if arithmetic else jnp.float32(float(node))

    def apply(name: str, values: tuple[Array, ...]) -> Array:
        return arithmetic.apply(name, *values) if arithmetic else FUNCTIONS[name].jax(*values)

    return walk(expression, leaf, apply)


def lower(rule: Rule, constants: Mapping[str, Array] | None = None) -> Plasticity:
    """Make the plasticity of one rule.

    Parameters
    ----------
    rule
        Its structure is compiled; nothing of it is traced but the constants.
    constants
        Values of the rule's constants, scalars or arrays that broadcast to the lanes; the rule's own by default.
        Pass them as arguments of the jitted function, and a new value never recompiles.

    >>> from evolve import POST, PRE, Rule, lower
    >>> plasticity = lower(Rule("half", PRE * POST / 2))
    >>> float(plasticity.forward({"pre": 3.0, "post": 4.0}))
    6.0
    """
    values = {name: jnp.float32(value) for name, value in rule.constants.items()} | dict(
        constants or {}
    )

    def bind(expression: sympy.Expr) -> Callable[[Observed], Array]:
        def change(observed: Observed) -> Array:
            arithmetic = arithmetic_of(observed)
            own = {n: arithmetic.encode(v) for n, v in values.items()} if arithmetic else values
            return compute(expression, ChainMap(own, observed), arithmetic)  # type: ignore[arg-type]

        return change

    return Plasticity(
        dw={p: bind(e) for p, e in rule.changes.items()},
        slow={s.name: SlowUpdate(bind(s.rate), s.scope, s.initial) for s in rule.slow},
        reads=rule.reads,
    )
