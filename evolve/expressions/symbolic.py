"""Rules for people: the shortest form of an expression, its size, and its text.

Simplification tries forms that are cheap on what a rule looks like (expanded, factored, collected,
over one denominator) and keeps the one with the fewest operators. SymPy's full `simplify`, which
may never end, runs last, on small expressions with functions or divisions only. All of it runs
under a budget of counted work, so the result depends on the expression alone and is the same on a
slow machine. Should even the last guard, a clock, strike, the expression stays as it was.

Symbols stand for real numbers. A simplified rule equals the original wherever both are defined:
x / x is 1.
"""

from dataclasses import replace
from typing import NamedTuple

import sympy
from sympy import Expr, Float
from sympy.core.cache import clear_cache

from evolve.expressions.budget import Budget
from evolve.expressions.complexity import Complexity as Complexity
from evolve.expressions.complexity import complexity as complexity
from evolve.expressions.complexity import rule_complexity as rule_complexity
from evolve.expressions.latex import latex as latex
from evolve.expressions.latex import latex_rule as latex_rule
from evolve.expressions.opaque import decimal, double
from evolve.expressions.printer import TEXT
from evolve.expressions.simplify import Search, size
from substrate.rule import FORWARD, Rule

#: A larger or deeper expression is returned as it is.
MAX_OPERATORS, MAX_DEPTH = 1000, 40

#: Budget of one expression, in characters of the expressions that are rearranged.
WORK = 20_000
#: The last guard, in seconds: a machine that needs them is hundreds of times slower.
GUARD = 900.0


def text(expression: Expr) -> str:
    """Write an expression as rule text, such as `post*(pre - post*w)`, for `evolve.expressions.parser.parse`.

    Raises
    ------
    UserError
        If it uses a function that the platform does not have, or a number that is not finite.
    """
    return TEXT.write(sympy.sympify(expression, strict=True))


def main_text(rule: Rule) -> str:
    """The change of the forward weights as text; all equations, with their names, of a rule without one for these."""
    if FORWARD in rule.changes:
        return text(rule.changes[FORWARD])
    return "; ".join(f"{name} = {text(e)}" for name, e in rule.equations.items())


class Simplified(NamedTuple):
    """A simplified rule, and a note for people if the last guard has left it as it was."""

    rule: Rule
    note: str = ""


def simplify(expression: Expr, work: int = WORK, seconds: float = GUARD) -> Expr:
    """Return the form with the fewest operators that could be found.

    Parameters
    ----------
    expression
        Over the functions of `substrate.functions`.
    work
        When to stop looking, in characters of the expressions that are rearranged. It decides the
        result together with the expression, and nothing else does.
    seconds
        The last guard: once it strikes, the expression is returned as it is.

    Raises
    ------
    UserError
        If it uses a function that the platform does not have.
    """
    return _simplified(expression, Budget(work, seconds))


def simplify_rule(rule: Rule, work: int = WORK, seconds: float = GUARD) -> Simplified:
    """Simplify every equation of a rule; `work` and `seconds` are for each of them."""
    late: list[str] = []

    def short(name: str, expression: Expr) -> Expr:
        budget = Budget(work, seconds)
        form = _simplified(expression, budget)
        late.extend([name] * budget.late)
        return form

    changes = {p: short(f"dw of {p}", e) for p, e in rule.changes.items()}
    slow = tuple(replace(s, rate=short(f"the rate of {s.name}", s.rate)) for s in rule.slow)
    note = (
        f"Simplifying took more than {seconds:g} s, so {' and '.join(late)} stands as it was found."
        if late
        else ""
    )
    return Simplified(replace(rule, dw=changes, slow=slow), note)


def _simplified(expression: Expr, budget: Budget) -> Expr:
    original = sympy.sympify(expression, strict=True)
    measured = complexity(original)
    if measured.operators > MAX_OPERATORS or measured.depth > MAX_DEPTH:
        return original
    clear_cache()  # what SymPy remembers saves calls, and a cut must not depend on the past
    floats = original.has(Float)
    search = Search(budget, double if floats else lambda form: form)
    try:
        found = search.run(decimal(original) if floats else original)
        return original if budget.late else min(original, search.shown(found), key=size)
    except (ArithmeticError, RecursionError):  # numbers out of range, brackets without end
        return original
