"""How an expression is written in one line, as rule text or as a program.

Factors: numbers, constants and slow variables (and what is global), observables as the vocabulary
lists them, functions, sums. Terms: what is added before what is subtracted, products of observables
first, lone numbers last. The order depends on names only, so the same expression gives the same
text on every machine.

An expression of ordinary size is written in full. One that would be too long or too deep, or that
repeats a part over and over, is written in parts: subexpressions get names of their own, so the
text grows with the number of operations and not with how often they are repeated.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, NamedTuple

from sympy import Expr, Integer, Pow, Rational, default_sort_key

from evolve.expressions.construct import number
from substrate.compilation.lowering import HEADS
from substrate.errors import UserError
from substrate.traversal import postorder
from substrate.vocabulary import VOCABULARY

SUM, PRODUCT, POWER, ATOM = range(4)

#: Longest text of one expression without parts, in characters.
LONGEST = 100_000
#: What is written in full where parts are possible: so many characters, so many nested brackets.
FULL_LENGTH, FULL_DEPTH = 10_000, 60
#: In parts, what gets a name: what is so long, or so deep, or so long and used more than once.
LONG, DEEP, REPEATED = 1_000, 30, 60
#: Longest text of all parts together, in characters.
LONGEST_PARTS = 1_000_000


class Split(NamedTuple):
    """A term as people see it: sign, what stands above the line, what below; numbers first."""

    negative: bool
    upper: tuple[Expr, ...]
    lower: tuple[Expr, ...]


def split(term: Expr) -> Split:
    """Take a product apart."""
    factors = (term,) if term.is_number else term.args if term.is_Mul else (term,)
    coefficient = _fold([f for f in factors if f.is_number])
    upper: list[Expr] = []
    lower: list[Expr] = []
    for factor in sorted((f for f in factors if not f.is_number), key=precedence):
        below = factor.is_Pow and factor.exp.is_negative
        (lower if below else upper).append(
            Pow(factor.base, -factor.exp, evaluate=False) if below else factor
        )
    size = abs(coefficient)
    if size.is_Rational and size.q != 1:
        lower.insert(0, Integer(size.q))
        size = Integer(size.p)
    if size != 1 or not upper:
        upper.insert(0, size)
    return Split(bool(coefficient < 0), tuple(upper), tuple(lower))


def ordered(terms: tuple[Expr, ...]) -> list[tuple[bool, Expr]]:
    """Order the terms of a sum: (whether subtracted, term with its sign)."""
    return sorted(
        ((split(t).negative, t) for t in terms), key=lambda pair: (pair[0], _term_rank(pair[1]))
    )


def precedence(factor: Expr) -> tuple[Any, ...]:
    """Place of a factor in a product; also orders the arguments of `min` and `max`."""
    base, exponent = factor.as_base_exp() if factor.is_Pow else (factor, Integer(1))
    place = -float(exponent)
    if base.is_number:
        return (0, 0, str(base), place)
    if base.is_Symbol:
        seen = VOCABULARY.get(base.name)
        if seen is None or seen.scope == "global":
            return (1, 0, base.name, place)
        return (2, [*VOCABULARY].index(base.name), base.name, place)
    return (4 if base.is_Add else 3, 0, "", place, default_sort_key(base))


def _term_rank(term: Expr) -> tuple[Any, ...]:
    parts = [precedence(f) for f in (term.args if term.is_Mul else (term,)) if not f.is_number]
    seen = [p for p in parts if p[0] > 1]
    own = sorted(p for p in parts if p[0] == 1)
    return (term.is_number, [*sorted(seen), (9,)], own, default_sort_key(term))


def _fold(numbers: list[Expr]) -> Expr:
    """Multiply numbers into one that text can hold."""
    product = reduce(lambda a, b: a * b, numbers, Integer(1))
    try:
        return number(product)
    except ArithmeticError as error:
        raise UserError(
            f"{product} cannot be written: {error}. A rule needs finite real numbers."
        ) from None


def exponent_of(node: Expr) -> Rational:
    """Return the exponent of a power if it is a whole number or half of one, as in any rule."""
    if not node.exp.is_Rational or node.exp.q > 2:
        raise UserError(f"A power must be a whole number or half of one, not {node.exp} in {node}.")
    return node.exp


class Piece(NamedTuple):
    """The text of a subexpression."""

    text: str
    level: int  # how tightly its outermost operator binds
    depth: int = 0  # of its brackets

    def within(self, level: int) -> "Piece":
        """Set brackets unless it binds more tightly than `level`."""
        return self if self.level > level else Piece(f"({self.text})", ATOM, self.depth + 1)


class TextTooLong(Exception):  # noqa: N818 - a finding about an expression, not an error
    """The text would be too long or too deep to be written in full."""


@dataclass
class Parts:
    """Subexpressions with names of their own, as `written`: a text for each name, operands first.

    Parameters
    ----------
    taken
        Names that mean something else.
    """

    taken: Container[str]
    written: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _length: int = 0

    def numbered(self, number: int) -> str:
        """The name of the part of that number."""
        return f"part{number}"

    def name(self, text: str) -> str:
        """Give a subexpression a name; equal texts share one.

        Raises
        ------
        UserError
            If all parts together are too long.
        """
        if text not in self._names:
            name = self.numbered(len(self.written) + 1)
            while name in self.taken:
                name += "_"
            self._length += len(text)
            if self._length > LONGEST_PARTS:
                raise UserError(
                    f"A rule takes more than {LONGEST_PARTS} characters, even with names for what "
                    "is repeated. Simplify it, or give the search a smaller grid."
                )
            self._names[text] = name
            self.written[name] = text
        return self._names[text]


def repeated(expressions: Iterable[Expr]) -> frozenset[Expr]:
    """Subexpressions that are used in more than one place."""
    uses: Counter[Expr] = Counter()
    met: set[Expr] = set()
    for expression in expressions:
        for node in postorder(expression):
            if node not in met:
                met.add(node)
                uses.update(node.args)
    return frozenset(node for node, count in uses.items() if count > 1 and node.args)


@dataclass(frozen=True)
class Notation:
    """A language of one-line formulas with + - * / ** and brackets.

    Parameters
    ----------
    functions
        A format for each function of `substrate.functions` (and `sqrt`), {0} and {1} being its
        arguments.
    nested
        Whether min and max take two arguments only.
    rename
        Writes a name.
    """

    functions: Mapping[str, str]
    nested: bool = False
    rename: Callable[[str], str] = str

    def write(self, expression: Expr, memo: dict[Expr, Piece] | None = None) -> str:
        """Write an expression in full; `memo` keeps its subexpressions for the next one.

        Raises
        ------
        UserError
            If it uses a function that the platform does not have, or a number that is not finite,
            or is too long.
        """
        try:
            return _Writer(self, LONGEST, None, memo=memo).run(expression)
        except TextTooLong:
            raise UserError(
                f"An expression takes more than {LONGEST} characters when it is written in full. "
                "Export the rule as JSON or Python, which name what is repeated, or simplify it."
            ) from None

    def write_all(self, expressions: Mapping[str, Expr], parts: Parts) -> dict[str, str]:
        """Write expressions by name: in full what is of ordinary size, the rest with `parts`.

        Raises
        ------
        UserError
            If one uses a function that the platform does not have, or a number that is not finite,
            or is too long.
        """
        texts = {}
        common: frozenset[Expr] | None = None
        for name, expression in expressions.items():
            try:
                texts[name] = _Writer(self, FULL_LENGTH, None, FULL_DEPTH).run(expression)
            except TextTooLong:
                common = repeated(expressions.values()) if common is None else common
                texts[name] = _Writer(self, LONGEST, parts, common=common).run(expression)
        return texts


class _Writer:
    """Writes one expression; a subexpression that occurs again is written once."""

    def __init__(
        self,
        notation: Notation,
        longest: int,
        parts: Parts | None,
        deepest: float = float("inf"),
        common: frozenset[Expr] = frozenset(),
        memo: dict[Expr, Piece] | None = None,
    ) -> None:
        self.functions, self.nested = notation.functions, notation.nested
        self.rename = notation.rename
        self.longest, self.deepest = longest, deepest
        self.parts, self.common = parts, common
        self.memo = {} if memo is None else memo

    def run(self, expression: Expr) -> str:
        """Write it, operands first, so that deep expressions need no recursion."""
        for node in postorder(expression):
            if node != expression and (node.is_Add or node.func in HEADS):
                self.visit(node)
        return self._checked(self._write(expression)).text

    def visit(self, node: Expr) -> Piece:
        if node not in self.memo:
            piece = self._checked(self._write(node))
            again = node in self.common and len(piece.text) > REPEATED
            if again or len(piece.text) > LONG or piece.depth > DEEP:
                piece = self._named(piece)
            self.memo[node] = piece
        return self.memo[node]

    def _named(self, piece: Piece) -> Piece:
        """Give a piece a name, where it may have one."""
        return Piece(self.parts.name(piece.text), ATOM) if self.parts else piece

    def _checked(self, piece: Piece) -> Piece:
        if len(piece.text) > self.longest or piece.depth > self.deepest:
            raise TextTooLong
        return piece

    def _write(self, node: Expr) -> Piece:
        if node.is_Symbol:
            return Piece(self.rename(node.name), ATOM)
        if node.is_Add and not node.is_number:
            return self._sum(node)
        if node.is_number or node.is_Mul or (node.is_Pow and node.exp.is_negative):
            return self._product(node)
        if node.is_Pow:
            return self._power(self.visit(node.base), node)
        name = HEADS.get(node.func)
        if name is None:
            raise UserError(
                f"{node} uses {node.func}, which a rule may not. "
                f"Allowed: + - * / **, {', '.join(self.functions)}."
            )
        return self._function(name, node)

    def _sum(self, node: Expr) -> Piece:
        whole = Piece("", SUM)
        for negative, term in ordered(node.args):
            sign = (" - " if negative else " + ") if whole.text else ("-" if negative else "")
            whole = self._joined(whole, sign, self._size(term).within(SUM), SUM)
        return whole

    def _joined(self, left: Piece, mark: str, right: Piece, level: int) -> Piece:
        """Put a mark between two pieces; what gets long on the left gets a name."""
        text = f"{left.text}{mark}{right.text}"
        piece = self._checked(Piece(text, level, max(left.depth, right.depth)))
        if len(text) > LONG and self.parts:
            return self._named(piece)
        return piece

    def _product(self, node: Expr) -> Piece:
        size = self._size(node)
        if not split(node).negative:
            return size
        size = size.within(SUM)
        return Piece(f"-{size.text}", SUM, size.depth)

    def _size(self, node: Expr) -> Piece:
        """Write a term without its sign."""
        _, upper, lower = split(node)

        def piece(factor: Expr) -> Piece:
            return Piece(digits(factor), ATOM) if factor.is_number else self.visit(factor)

        def line(factors: tuple[Expr, ...]) -> Piece:
            whole = piece(factors[0])
            if len(factors) > 1:
                whole = whole.within(PRODUCT)
            for factor in factors[1:]:
                whole = self._joined(whole, "*", piece(factor).within(PRODUCT), PRODUCT)
            return whole

        if not lower:
            return line(upper)
        above, below = line(upper).within(SUM), line(lower).within(PRODUCT)
        return Piece(f"{above.text}/{below.text}", PRODUCT, max(above.depth, below.depth))

    def _power(self, base: Piece, node: Expr) -> Piece:
        exponent = exponent_of(node)
        if exponent.q == 2:
            base = Piece(self.functions["sqrt"].format(base.text), ATOM, base.depth + 1)
        if exponent.p == 1:
            return base
        base = base.within(POWER)
        return Piece(f"{base.text}**{exponent.p}", POWER, base.depth)

    def _function(self, name: str, node: Expr) -> Piece:
        style = self.functions[name]
        if name not in ("min", "max"):
            given = [self.visit(a) for a in node.args]
            text = style.format(*(a.text for a in given))
        else:
            given = [self.visit(a) for a in sorted(node.args, key=precedence)]
            if len(given) > 2 and sum(len(a.text) for a in given) > LONG:
                given = [a if a.level == ATOM and not a.depth else self._named(a) for a in given]
            texts = [a.text for a in given]
            text = reduce(style.format, texts) if self.nested else style.format(", ".join(texts))
        return Piece(text, ATOM, 1 + max(a.depth for a in given))


def digits(value: Expr) -> str:
    """Write a number that is not negative; a float to its last bit."""
    return str(value) if value.is_Integer else repr(float(value))


#: Rule text: what `evolve.expressions.parser.parse` reads.
TEXT = Notation(
    {
        **{
            name: f"{name}({{0}})"
            for name in ("abs", "sign", "step", "tanh", "exp", "sqrt", "min", "max")
        },
        "div": "div({0}, {1})",
    }
)
