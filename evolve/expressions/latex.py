"""Expressions and rules as LaTeX: x_j, y_i and w_ij for what is seen, a Delta for what moves."""

from collections.abc import Mapping

from sympy import Expr, sympify

from evolve.expressions import construct, printer
from evolve.expressions.printer import (
    LONG,
    LONGEST,
    REPEATED,
    Parts,
    TextTooLong,
    exponent_of,
    ordered,
    precedence,
    repeated,
    split,
)
from substrate.compilation.lowering import HEADS
from substrate.errors import UserError
from substrate.functions import EPSILON
from substrate.rule import FORWARD, Rule
from substrate.traversal import postorder
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


#: Longest formula that is written in full, in characters; beyond it, what is repeated or long gets
#: a symbol of its own.
FULL_LENGTH = 4_000


def latex(expression: Expr, scopes: Mapping[str, str] | None = None) -> str:
    """Write an expression for a formula.

    Parameters
    ----------
    scopes
        Scopes of the slow variables by name; they get the indices of their scope.

    Raises
    ------
    UserError
        If it uses a function that the platform does not have, or a number that is not finite, or
        is too long to be written in full.
    """
    try:
        return _Writer(scopes or {}, LONGEST).run(sympify(expression, strict=True))
    except TextTooLong:
        raise UserError(
            f"A formula takes more than {LONGEST} characters in LaTeX when it is written in full. "
            "Export the rule, which names what is repeated, or simplify it."
        ) from None


def latex_rule(rule: Rule) -> dict[str, tuple[str, str]]:
    """Both sides of every equation of a rule, by the names of `rule.equations`.

    Where a formula would be too long in full, auxiliary equations such as q_1 = ... follow.

    Raises
    ------
    UserError
        As `latex` does.
    """
    scopes = {s.name: s.scope for s in rule.slow}
    lefts = {}
    single = tuple(rule.changes) == (FORWARD,)
    for projection in rule.changes:
        weight = SYMBOLS["w"] if single else rf"w_{{ij}}^{{\mathrm{{{escaped(projection)}}}}}"
        lefts["dw" if single else f"dw_{projection}"] = rf"\Delta {weight}"
    for slow in rule.slow:
        lefts[f"d_{slow.name}"] = rf"\Delta {symbol(slow.name, scopes)}"
    own = [symbol(name, scopes) for name in (*VOCABULARY, *rule.constants, *scopes)]
    letter = next(c for c in "qzvabcdfghkmnprs" if not any(s.startswith(c) for s in own))
    parts = _Symbols(letter)
    sides = {}
    common = None
    for name, expression in rule.equations.items():
        try:
            right = _Writer(scopes, FULL_LENGTH).run(expression)
        except TextTooLong:
            common = repeated(rule.equations.values()) if common is None else common
            right = _Writer(scopes, LONGEST, parts, common).run(expression)
        sides[name] = (lefts[name], right)
    return sides | {name: (name, text) for name, text in parts.written.items()}


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


class _Symbols(Parts):
    """Symbols of their own for what is repeated: q_{1}, q_{2} and so on."""

    def __init__(self, letter: str) -> None:
        super().__init__(taken=())
        self.letter = letter

    def numbered(self, number: int) -> str:
        return f"{self.letter}_{{{number}}}"


class _Writer:
    """Writes one expression; a subexpression that occurs again is written once."""

    def __init__(
        self,
        scopes: Mapping[str, str],
        longest: int,
        parts: _Symbols | None = None,
        common: frozenset[Expr] = frozenset(),
    ) -> None:
        self.scopes, self.longest = scopes, longest
        self.parts, self.common = parts, common
        self.memo: dict[Expr, str] = {}
        self.named: set[str] = set()

    def run(self, expression: Expr) -> str:
        """Write it, operands first, so that deep expressions need no recursion."""
        for node in postorder(expression):
            if node != expression and (node.is_Add or node.func in HEADS):
                self.visit(node)
        return self._checked(self._write(expression))

    def visit(self, node: Expr) -> str:
        if node not in self.memo:
            text = self._checked(self._write(node))
            again = node in self.common and len(text) > REPEATED
            if self.parts and (again or len(text) > LONG):
                text = self._name(text)
            self.memo[node] = text
        return self.memo[node]

    def _name(self, text: str) -> str:
        assert self.parts is not None
        name = self.parts.name(text)
        self.named.add(name)
        return name

    def _checked(self, text: str) -> str:
        if len(text) > self.longest:
            raise TextTooLong
        return text

    def _write(self, node: Expr) -> str:
        if node.is_Symbol:
            return symbol(node.name, self.scopes)
        if node.is_Add and not node.is_number:
            text = ""
            for negative, term in ordered(node.args):
                mark = (" - " if negative else " + ") if text else ("-" if negative else "")
                text = self._joined(text, mark, self._term(term))
            return text
        if node.is_number or node.is_Mul or (node.is_Pow and node.exp.is_negative):
            return ("-" if split(node).negative else "") + self._term(node)
        if node.is_Pow:
            return self._power(node)
        return self._function(node)

    def _joined(self, left: str, mark: str, right: str) -> str:
        """Put a mark between two texts; what gets long on the left gets a symbol."""
        text = self._checked(f"{left}{mark}{right}")
        return self._name(text) if self.parts and len(text) > LONG else text

    def _power(self, node: Expr) -> str:
        exponent, base = exponent_of(node), self.visit(node.base)
        root = base if exponent.q == 1 else rf"\sqrt{{{base}}}"
        if exponent.p == 1:
            return root
        plain = node.base.is_Symbol or root in self.named or exponent.q == 2
        return f"{root if plain else _bracketed(root)}^{{{exponent.p}}}"

    def _term(self, term: Expr) -> str:
        """Write a term without its sign."""
        _, upper, lower = split(term)
        above = self._line(upper)
        return rf"\frac{{{above}}}{{{self._line(lower)}}}" if lower else above

    def _line(self, factors: tuple[Expr, ...]) -> str:
        text = ""
        for part in factors:
            own = digits(part) if part.is_number else self.visit(part)
            if part.is_Add and not part.is_number and len(factors) > 1 and own not in self.named:
                own = _bracketed(own)
            text = self._joined(text, " ", own) if text else own
        return text

    def _function(self, node: Expr) -> str:
        name = HEADS.get(node.func)
        if name is None:
            raise UserError(
                f"{node} uses {node.func}, which a rule may not. Allowed: {', '.join(_CALLS)}, div."
            )
        if name != "div":
            given = sorted(construct.arguments(node), key=precedence)
            return _CALLS[name].format(", ".join(map(self.visit, given)))
        a, b = node.args
        above, below = self.visit(a), self.visit(b)
        if a.is_Add and above not in self.named:
            above = _bracketed(above)
        if self.parts and len(below) > REPEATED:  # it is written twice
            below = self._name(below)
        if not b.is_Symbol and below not in self.named:
            below = _bracketed(below)
        return rf"\frac{{{above} {below}}}{{{below}^{{2}} + {digits(sympify(EPSILON))}}}"


def _bracketed(text: str) -> str:
    return rf"\left({text}\right)"
