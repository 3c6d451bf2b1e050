"""Rule text is data: a parser that accepts the grammar of rules and executes nothing.

    sum      =  { "+" | "-" } product  { ("+" | "-") product }      a sign in front is the product's
    product  =  signed   { ("*" | "/") signed }
    signed   =  { "+" | "-" } power
    power    =  atom [ "**" signed ]         the exponent: a whole number up to 64, or half of one
    atom     =  number | name | function "(" sum { "," sum } ")" | "(" sum ")"

Names are those that the caller allows; functions are those of `FUNCTION_NAMES`. Text is at most
`MAX_TEXT` characters and `MAX_NESTING` brackets deep; numbers are finite in double precision.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from sympy import Expr, Float, Integer

from evolve.expressions import construct
from substrate.compilation.lowering import walk
from substrate.errors import UserError
from substrate.vocabulary import names as symbols

#: Longest text of one equation, in characters.
MAX_TEXT = 20_000
#: Deepest nesting of brackets, signs and powers.
MAX_NESTING = 64

#: What may be called, with the names that SymPy prints for the same functions.
FUNCTION_NAMES = {
    **{name: name for name in construct.ARITY},
    **{head.__name__: name for name, head in construct.HEAD_OF.items()},
}

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<mark>\*\*|[-+*/(),]))",
    re.ASCII,
)
_DIGITS = 400  # characters of one number


class _Token(NamedTuple):
    kind: str  # number, name, mark or end
    text: str
    column: int  # from 1


def parse(
    text: str,
    names: Iterable[str],
    who: str = "The expression",
    parts: Mapping[str, Expr] = MappingProxyType({}),
) -> Expr:
    """Read one expression.

    Parameters
    ----------
    text
        Such as `post*(pre - post*w)`.
    names
        The names that it may read.
    who
        Whose text it is, for the message.
    parts
        Names that stand for expressions: reading one is reading its text in brackets.

    Raises
    ------
    UserError
        If the text is not in the grammar: what stood where, what is allowed there, how to mend it.
    """
    if not isinstance(text, str):
        raise UserError(
            f"{who} must be text such as 'post*(pre - post*w)', not {type(text).__name__}."
        )
    if len(text) > MAX_TEXT:
        raise UserError(
            f"{who} has {len(text)} characters; an equation has at most {MAX_TEXT}. Simplify it."
        )
    try:
        return _Parser(text, frozenset(names), who, parts).run()
    except RecursionError:
        raise UserError(f"{who} {quoted(text)} is nested too deeply. Simplify it.") from None


def quoted(text: str, limit: int = 60) -> str:
    """Show text from outside in a message: one line, bounded, without control characters."""
    return ascii(text if len(text) <= limit else text[: limit - 3] + "...")


class _Parser:
    """One text, read from left to right; `ahead` is the next token."""

    def __init__(
        self, text: str, names: frozenset[str], who: str, parts: Mapping[str, Expr]
    ) -> None:
        self.text, self.names, self.who, self.parts = text, names, who, parts
        self.position = 0
        self.nesting = 0
        self.ahead = self.scan()

    def run(self) -> Expr:
        value = self.sum()
        if self.ahead.kind != "end":
            raise self.unexpected("an operator + - * / ** or the end")
        try:
            walk(value, lambda leaf: None, lambda name, values: None)
        except UserError as error:
            raise UserError(f"{self.who} {quoted(self.text)}: {error}") from None
        return value

    def sum(self) -> Expr:
        negative, first = self.signs()
        terms = [self.product()]
        if negative:
            terms = [self.made(first, construct.multiply, [Integer(-1), *terms])]
        while mark := self.take("+", "-"):
            term = self.product()
            terms.append(
                term
                if mark.text == "+"
                else self.made(mark, construct.multiply, [Integer(-1), term])
            )
        return terms[0] if len(terms) == 1 else self.made(self.ahead, construct.add, terms)

    def product(self) -> Expr:
        factors = [self.signed()]
        last = self.ahead
        while mark := self.take("*", "/"):
            last = mark
            factor = self.signed()
            factors.append(
                factor
                if mark.text == "*"
                else self.made(mark, construct.power, factor, Integer(-1))
            )
        return factors[0] if len(factors) == 1 else self.made(last, construct.multiply, factors)

    def signs(self) -> tuple[bool, _Token]:
        """Step over signs: whether they negate, and where they begin."""
        negative, first = False, self.ahead
        while mark := self.take("+", "-"):
            negative ^= mark.text == "-"
        return negative, first

    def signed(self) -> Expr:
        negative, first = self.signs()
        value = self.power()
        return self.made(first, construct.multiply, [Integer(-1), value]) if negative else value

    def power(self) -> Expr:
        base = self.atom()
        if not (mark := self.take("**")):
            return base
        column = self.ahead
        self.enter(mark)
        exponent = self.signed()
        self.nesting -= 1
        if not exponent.is_Number:
            raise self.refusal(
                column,
                f"the exponent is {quoted(str(exponent))}",
                "An exponent must be a number, such as 2 or 0.5",
            )
        return self.made(column, construct.power, base, exponent)

    def atom(self) -> Expr:
        token = self.ahead
        if self.take("("):
            return self.inside(token)[0]
        if token.kind == "number":
            self.ahead = self.scan()
            return self.number(token)
        if token.kind == "name":
            self.ahead = self.scan()
            return self.call(token) if self.ahead.text == "(" else self.name(token)
        raise self.unexpected("a number, a name, a function or '('")

    def number(self, token: _Token) -> Expr:
        if len(token.text) > _DIGITS or not math.isfinite(float(token.text)):
            raise self.refusal(
                token,
                f"{quoted(token.text, 30)} is not finite in double precision",
                "Write a smaller number",
            )
        return Integer(int(token.text)) if token.text.isdigit() else Float(float(token.text))

    def name(self, token: _Token) -> Expr:
        if token.text in self.parts:
            return self.parts[token.text]
        if token.text not in self.names:
            near = difflib.get_close_matches(token.text, [*self.names, *FUNCTION_NAMES], n=1)
            hint = f". Did you mean {near[0]!r}?" if near else ""
            raise self.refusal(
                token,
                f"{quoted(token.text)} is no name that this rule may read{hint or '.'}",
                f"Allowed: {', '.join(sorted(self.names)) or 'no names'}; "
                f"functions: {', '.join(construct.ARITY)}. "
                "Declare it in `constants` with a default, or in `slow` with a rate",
            )
        return symbols(token.text)[0]

    def call(self, token: _Token) -> Expr:
        function = FUNCTION_NAMES.get(token.text)
        if function is None:
            near = difflib.get_close_matches(token.text, FUNCTION_NAMES, n=1)
            hint = f". Did you mean {near[0]!r}?" if near else "."
            raise self.refusal(
                token,
                f"{quoted(token.text)} is no function{hint}",
                f"Allowed: {', '.join(construct.ARITY)}; write * for a product",
            )
        opening = self.ahead
        self.take("(")
        arguments = self.inside(opening, many=True)
        if function == "step" and len(arguments) == 2 and arguments[1] == 0:
            arguments.pop()
        arity = construct.ARITY[function]
        if len(arguments) != arity if arity else len(arguments) < 2:
            wanted = (
                "two or more arguments" if arity is None else f"{arity} argument{'s' * (arity > 1)}"
            )
            raise self.refusal(
                token, f"{token.text} got {len(arguments)} arguments", f"It takes {wanted}"
            )
        return self.made(token, construct.call, function, arguments)

    def inside(self, opening: _Token, many: bool = False) -> list[Expr]:
        """Read what stands between brackets, the opening one having been taken."""
        self.enter(opening)
        values = [self.sum()]
        while many and self.take(","):
            values.append(self.sum())
        if not self.take(")"):
            raise self.unexpected(f"')' for the '(' in column {opening.column}")
        self.nesting -= 1
        return values

    def enter(self, token: _Token) -> None:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.refusal(
                token, "too many brackets", f"At most {MAX_NESTING} may be nested. Simplify it"
            )

    def scan(self) -> _Token:
        match = _TOKEN.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
            kind = match.lastgroup or ""
            return _Token(kind, match[kind], match.start(kind) + 1)
        rest = self.text[self.position :]
        column = self.position + len(rest) - len(rest.lstrip()) + 1
        if not rest.strip():
            return _Token("end", "", column)
        strange = rest.lstrip()[0]
        mend = (
            "Write ** for a power"
            if strange == "^"
            else "Allowed: numbers, names, + - * / ** ( ) and commas"
        )
        raise self.refusal(
            _Token("", strange, column), f"{quoted(strange)} has no place in a rule", mend
        )

    def take(self, *marks: str) -> _Token | None:
        """Step over the next token if it is one of these."""
        token = self.ahead
        if token.kind != "mark" or token.text not in marks:
            return None
        self.ahead = self.scan()
        return token

    def made(self, token: _Token, make, *arguments) -> Expr:  # type: ignore[no-untyped-def]
        """Construct an expression; what arithmetic refuses gets its position."""
        try:
            return make(*arguments)
        except ArithmeticError as error:
            raise self.refusal(token, str(error), "Every number must be real and finite") from None

    def unexpected(self, wanted: str) -> UserError:
        found = quoted(self.ahead.text) if self.ahead.text else "the end of the text"
        return self.refusal(self.ahead, f"found {found}", f"Expected {wanted}")

    def refusal(self, token: _Token, what: str, mend: str) -> UserError:
        what = what if what.endswith(("?", ".")) else f"{what}."
        return UserError(
            f"{self.who}, column {token.column} of {quoted(self.text)}: {what} {mend}."
        )
