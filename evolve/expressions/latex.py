"""Expressions and rules as LaTeX: x_j, y_i and w_ij for what is seen, a Delta for what moves."""

from collections.abc import Callable, Mapping

from sympy import Expr, sympify

from evolve.expressions import construct, printer
from evolve.expressions.printer import exponent_of, ordered, precedence, split
from substrate.compilation.lowering import HEADS
from substrate.errors import UserError
from substrate.functions import EPSILON
from substrate.rule import FORWARD, Rule
from substrate.vocabulary import VOCABULARY

#: Observables that have a symbol of their own; others are written by name, with the indices of
#: their scope.
SYMBOLS = {
    "pre": "x_{j}",
    "post": "y_{i}",
    "w": "w_{ij}",
    "u": "u_{i}",
    "eta": r"\eta",
    "lat": r"\left(\sum_{k} y_{k} w_{kj}\right)",
    "lat_ord": r"\left(\sum_{k \leq i} y_{k} w_{kj}\right)",
    "w_norm": r"\|w_{i}\|",
    "pre_norm": r"\|x\|",
}

_INDEX = {"synapse": "ij", "pre": "j", "post": "i", "global": ""}

_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "zeta",
        "eta",
        "theta",
        "iota",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "pi",
        "rho",
        "sigma",
        "tau",
        "upsilon",
        "phi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Xi",
        "Pi",
        "Sigma",
        "Upsilon",
        "Phi",
        "Psi",
        "Omega",
    ]
)

_CALLS = {
    "min": r"\min\left({}\right)",
    "max": r"\max\left({}\right)",
    "abs": r"\left|{}\right|",
    "sign": r"\mathrm{{sgn}}\left({}\right)",
    "step": r"\mathrm{{H}}\left({}\right)",
    "tanh": r"\tanh\left({}\right)",
    "exp": r"\exp\left({}\right)",
}


def latex(expression: Expr, scopes: Mapping[str, str] | None = None) -> str:
    """Write an expression for a formula.

    Parameters
    ----------
    scopes
        Scopes of the slow variables by name; they get the indices of their scope.

    Raises
    ------
    UserError
        If it uses a function that the platform does not have, or a number that is not finite.
    """
    return _visit(sympify(expression, strict=True), scopes or {})


def latex_rule(rule: Rule) -> dict[str, tuple[str, str]]:
    """Both sides of every equation of a rule, by the names of `rule.equations`."""
    scopes = {s.name: s.scope for s in rule.slow}
    sides = {}
    single = tuple(rule.changes) == (FORWARD,)
    for projection, expression in rule.changes.items():
        weight = SYMBOLS["w"] if single else rf"w_{{ij}}^{{\mathrm{{{escaped(projection)}}}}}"
        name = "dw" if single else f"dw_{projection}"
        sides[name] = (rf"\Delta {weight}", latex(expression, scopes))
    for slow in rule.slow:
        sides[f"d_{slow.name}"] = (rf"\Delta {symbol(slow.name, scopes)}", latex(slow.rate, scopes))
    return sides


def symbol(name: str, scopes: Mapping[str, str]) -> str:
    """Write a name: Greek letters by their names, what follows an underscore as an index."""
    if name in SYMBOLS:
        return SYMBOLS[name]
    observable = VOCABULARY.get(name)
    scope = observable.scope if observable else scopes.get(name, "global")
    head, _, tail = name.partition("_")
    stem = head.rstrip("0123456789")
    tails = [
        t
        for t in (head[len(stem) :], rf"\mathrm{{{escaped(tail)}}}" if tail else "", _INDEX[scope])
        if t
    ]
    if stem in _GREEK:
        stem = f"\\{stem}"
    elif len(stem) != 1:
        stem = rf"\mathrm{{{escaped(stem)}}}"
    return f"{stem}_{{{','.join(tails)}}}" if tails else stem


def escaped(words: str) -> str:
    """Text for LaTeX: one line, its special characters harmless."""
    line = " ".join("".join(c if c.isprintable() else " " for c in words).split())
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in line)


def digits(value: Expr) -> str:
    """Write a number that is not negative."""
    mantissa, _, exponent = printer.digits(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}" if exponent else mantissa


def _visit(node: Expr, scopes: Mapping[str, str]) -> str:
    def visit(part: Expr) -> str:
        return _visit(part, scopes)

    if node.is_Symbol:
        return symbol(node.name, scopes)
    if node.is_Add and not node.is_number:
        text = ""
        for negative, term in ordered(node.args):
            text += (" - " if negative else " + ") if text else ("-" if negative else "")
            text += _term(term, visit)
        return text
    if node.is_number or node.is_Mul or (node.is_Pow and node.exp.is_negative):
        return ("-" if split(node).negative else "") + _term(node, visit)
    if node.is_Pow:
        exponent = exponent_of(node)
        root = visit(node.base) if exponent.q == 1 else rf"\sqrt{{{visit(node.base)}}}"
        if exponent.p == 1:
            return root
        bracket = exponent.q == 1 and not node.base.is_Symbol
        return f"{_bracketed(root) if bracket else root}^{{{exponent.p}}}"
    return _function(node, visit)


def _term(term: Expr, visit: Callable[[Expr], str]) -> str:
    """Write a term without its sign."""
    _, upper, lower = split(term)
    above = _line(upper, visit)
    return rf"\frac{{{above}}}{{{_line(lower, visit)}}}" if lower else above


def _line(factors: tuple[Expr, ...], visit: Callable[[Expr], str]) -> str:
    def factor(part: Expr) -> str:
        if part.is_number:
            return digits(part)
        return _bracketed(visit(part)) if part.is_Add and len(factors) > 1 else visit(part)

    return " ".join(map(factor, factors))


def _function(node: Expr, visit: Callable[[Expr], str]) -> str:
    name = HEADS.get(node.func)
    if name is None:
        raise UserError(
            f"{node} uses {node.func}, which a rule may not. Allowed: {', '.join(_CALLS)}, div."
        )
    if name == "div":
        a, b = node.args
        above = _bracketed(visit(a)) if a.is_Add else visit(a)
        below = visit(b) if b.is_Symbol else _bracketed(visit(b))
        return rf"\frac{{{above} {below}}}{{{below}^{{2}} + {digits(sympify(EPSILON))}}}"
    given = sorted(construct.arguments(node), key=precedence)
    return _CALLS[name].format(", ".join(map(visit, given)))


def _bracketed(text: str) -> str:
    return rf"\left({text}\right)"
