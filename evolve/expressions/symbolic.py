"""Rules for people: the shortest form of an expression, its size, and its text.

Simplification tries forms that are cheap on what a rule looks like (expanded, factored, collected,
over one denominator) and keeps the one with the fewest operators. SymPy's full `simplify`, which
may never end, runs last, on small expressions with functions or divisions only, and under a time
limit. Which forms are tried depends on the expression alone, so the result depends on the clock
only where the limit strikes.

Symbols stand for real numbers. A simplified rule equals the original wherever both are defined:
x / x is 1.
"""

import time
from dataclasses import replace

import sympy
from sympy import Expr, Float

from evolve.expressions.complexity import Complexity as Complexity
from evolve.expressions.complexity import complexity as complexity
from evolve.expressions.complexity import rule_complexity as rule_complexity
from evolve.expressions.latex import latex as latex
from evolve.expressions.latex import latex_rule as latex_rule
from evolve.expressions.opaque import decimal, double
from evolve.expressions.printer import TEXT
from evolve.expressions.simplify import Search, size
from substrate.rule import Rule

#: A larger expression is returned as it is.
MAX_OPERATORS = 1000


def text(expression: Expr) -> str:
    """Write an expression as rule text, such as `post*(pre - post*w)`, for `evolve.expressions.parser.parse`.

    Raises
    ------
    UserError
        If it uses a function that the platform does not have, or a number that is not finite.
    """
    return TEXT.write(sympy.sympify(expression, strict=True))


def simplify(expression: Expr, seconds: float = 2.0) -> Expr:
    """Return the form with the fewest operators that could be found.

    Parameters
    ----------
    expression
        Over the functions of `substrate.functions`.
    seconds
        When to stop looking. Off the main thread nothing can be stopped: only cheap forms are tried
        there.

    Raises
    ------
    UserError
        If it uses a function that the platform does not have.
    """
    original = sympy.sympify(expression, strict=True)
    if complexity(original).operators > MAX_OPERATORS:
        return original
    floats = original.has(Float)
    search = Search(time.monotonic() + seconds, double if floats else lambda form: form)
    try:
        found = search.run(decimal(original) if floats else original)
        return min(original, search.shown(found), key=size)
    except (ArithmeticError, RecursionError):  # numbers out of range, brackets without end
        return original


def simplify_rule(rule: Rule, seconds: float = 2.0) -> Rule:
    """Simplify every equation of a rule; `seconds` is for each of them."""
    short = {p: simplify(e, seconds) for p, e in rule.changes.items()}
    slow = tuple(replace(s, rate=simplify(s.rate, seconds)) for s in rule.slow)
    return replace(rule, dw=short, slow=slow)
