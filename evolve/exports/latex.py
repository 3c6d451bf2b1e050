"""LaTeX: the equations of a rule for a paper, as an `align` environment."""

from collections.abc import Mapping

from sympy import Float

from evolve.exports.base import Target, line
from evolve.expressions.latex import digits, latex_rule, symbol
from evolve.expressions.rule_file import require_writable
from substrate.rule import Rule


def render(rule: Rule, provenance: Mapping[str, str]) -> str:
    """Write one aligned line for every equation, then constants and initial values.

    Text from outside stands in comments, on one line each.

    Raises
    ------
    UserError
        If a name is no identifier, or a number is not finite.
    """
    require_writable(rule)
    remarks = {"reference": rule.reference, "note": rule.note, **provenance}
    comments = [f"% {line(rule.name)}"]
    comments += [f"% {line(k)}: {line(v)}" for k, v in remarks.items() if v]
    comments += [
        "% Needs \\usepackage{amsmath}. At every step w_ij moves by eta Delta w_ij, eta being the",
        "% learning rate, and a slow variable by its Delta.",
        "% x_j: presynaptic activity, y_i: postsynaptic activity, w_ij: weight.",
    ]
    scopes = {s.name: s.scope for s in rule.slow}
    lines = [rf"{left} &= {right}" for left, right in latex_rule(rule).values()]
    given = {**rule.constants, **{s.name: s.initial for s in rule.slow}}
    values = [
        rf"{symbol(name, scopes)}{'(0)' if name in scopes else ''} &= {_signed(value)}"
        for name, value in given.items()
    ]
    body = " \\\\\n".join(f"  {text}" for text in [*lines, *values])
    return "\n".join([*comments, r"\begin{align}", body, r"\end{align}", ""])


def _signed(value: float) -> str:
    return ("-" if value < 0 else "") + digits(Float(abs(value)))


TARGET = Target(
    name="latex",
    suffix=".tex",
    summary="equations for a paper; needs amsmath",
    render=render,
)
