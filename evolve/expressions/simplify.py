"""The search for the shortest form of an expression, behind `evolve.expressions.symbolic.simplify`."""

from collections.abc import Callable, Iterator
from functools import partial
from math import comb

import sympy
from sympy import Expr, Integer, Number, Symbol

from evolve.expressions import construct
from evolve.expressions.budget import Budget
from evolve.expressions.complexity import complexity
from evolve.expressions.opaque import Veil
from evolve.expressions.printer import TEXT, Piece, ordered
from substrate.compilation.lowering import HEADS
from substrate.errors import UserError
from substrate.traversal import postorder, symbols_of

#: Nothing is rearranged beyond this many operators, nor multiplied out beyond this many terms.
MAX_OPERATORS, MAX_TERMS = 120, 150
#: A power beyond this is left as it is: SymPy writes out every coefficient up to the degree.
MAX_EXPONENT = 100
#: Arguments of min and max beyond which they are not compared with each other.
MAX_ARGUMENTS = 8
#: SymPy's `simplify` is for so many operators, and so many functions or divisions inside each
#: other: its time grows exponentially with either.
MAX_FULL, MAX_NESTING = 16, 3

#: Measuring a form costs one unit for so many of its characters.
MEASURED = 4
#: Cost of SymPy's `simplify` beside that of another form, which is one unit of work for each
#: character of the expression that it starts from.
FULL = 20

Form = Callable[[], Expr]

_ROUNDS = 3

Size = tuple[int, int, int, int, str]


def size(expression: Expr, memo: dict[Expr, Piece] | None = None) -> Size:
    """Order forms: fewest extreme numbers, fewest operators, least depth, shortest text.

    `memo` keeps texts of subexpressions.
    """
    written = TEXT.write(expression, memo)
    extreme = sum(_extreme(n) for n in expression.atoms(Number))
    return (extreme, *complexity(expression), len(written), written)


def _extreme(number: Expr) -> bool:
    """Whether it may leave single precision once it is multiplied; no form should bring such in."""
    return number != 0 and not 1e-6 <= abs(number) <= 1e6


class Search:
    """The search for a short form, bottom up.

    Parameters
    ----------
    budget
        Once it is spent, the best form so far is returned.
    shown
        Turns a form into what people will see, whose size counts.
    """

    def __init__(self, budget: Budget, shown: Callable[[Expr], Expr]) -> None:
        self.budget, self.shown = budget, shown
        self.memo: dict[Expr, Expr] = {}
        self.sizes: dict[Expr, Size] = {}  # a search meets most forms several times
        self.texts: dict[Expr, Piece] = {}
        self.divisors: frozenset[Expr] = frozenset()

    def run(self, expression: Expr) -> Expr:
        """Try the cheap forms, then the full `simplify` on what they leave."""
        self.divisors = _divisors(expression)
        cheap = self.best(expression)
        if complexity(cheap).operators > MAX_FULL or not 0 < _nesting(cheap) <= MAX_NESTING:
            return cheap
        veil = Veil(functions=False)
        cost = FULL * self._length(cheap)
        full = self._tried(lambda: sympy.simplify(veil.over(cheap)), cost)
        return min([cheap, *map(self.best, _admitted(veil.restore, full))], key=self._size)

    def _size(self, form: Expr) -> Size:
        if form not in self.sizes:
            extreme, *rest = size(self.shown(form), self.texts)
            strange = len(_divisors(form) - self.divisors)
            self.sizes[form] = (extreme + 1000 * strange, *rest)  # type: ignore[assignment]
            self.budget.charge(self._length(form) // MEASURED)
        return self.sizes[form]

    def _length(self, form: Expr) -> int:
        return len(self._size(form)[-1])

    def best(self, expression: Expr) -> Expr:
        """Shortest of the cheap forms."""
        if expression not in self.memo:
            self.memo[expression] = self._best(expression)
        return self.memo[expression]

    def _best(self, expression: Expr) -> Expr:
        if self.budget.exhausted or expression.is_Symbol or expression.is_number:
            return expression
        inside = self._inside(expression, top=True)
        if self.budget.overdrawn:
            return expression
        champion = min(expression, inside, key=self._size)
        for _ in range(_ROUNDS):
            found = min([champion, *self._forms(champion)], key=self._size)
            if found == champion:
                break
            champion = found
        return champion

    def _inside(self, node: Expr, top: bool = False) -> Expr:
        """Simplify the sums in a product or power, and the arguments of a function."""
        if node.is_number or node.is_Symbol:
            return node
        if node.is_Add:
            return construct.add([self._inside(a) for a in node.args]) if top else self.best(node)
        if node.is_Mul:
            return construct.multiply([self._inside(a) for a in node.args])
        if node.is_Pow:
            return construct.power(self._inside(node.base), node.exp)
        return self._function(HEADS[node.func], [self.best(a) for a in construct.arguments(node)])

    def _function(self, name: str, arguments: list[Expr]) -> Expr:
        """Apply a function as SymPy does to real arguments: abs(-x) is abs(x)."""
        inner = [a.args if HEADS.get(a.func) == name in ("min", "max") else (a,) for a in arguments]
        plain = construct.call(name, [a for group in inner for a in group])
        if HEADS.get(plain.func) != name or len(plain.args) > MAX_ARGUMENTS:
            return plain
        veil = Veil()
        covered = [veil.over(a) for a in construct.arguments(plain)]
        further = plain.args[len(covered) :]
        form = self._tried(partial(plain.func, *covered, *further), self._length(plain))
        return min([plain, *_admitted(veil.restore, form)], key=self._size)

    def _forms(self, expression: Expr) -> Iterator[Expr]:
        if complexity(expression).operators <= MAX_OPERATORS:
            veil, cost = Veil(), self._length(expression)
            for form in _cheap(veil.over(expression)):
                for admitted in _admitted(veil.restore, self._tried(form, cost)):
                    for shape in (admitted, _monic(admitted)):
                        yield shape
                        yield from _absorbed(shape)

    def _tried(self, form: Form, cost: int) -> Expr | None:
        """Make a form if the budget suffices."""
        try:
            return self.budget.run(form, cost)
        except Exception:  # SymPy refuses a form in many ways; the others remain
            return None


def _admitted(restore: Callable[[Expr], Expr], form: Expr | None) -> Iterator[Expr]:
    """Yield a form if there is one that the platform can express."""
    if form is None:
        return
    try:
        result = restore(form)
        size(result)
        yield result
    except (UserError, ArithmeticError):
        return


def _divisors(expression: Expr) -> frozenset[Expr]:
    """The symbols that stand below the line: a form that divides by others may be undefined where the rule is not.

    SymPy writes sign(x) as x/abs(x), which has no value at 0.
    """
    below = [n.base for n in postorder(expression) if n.is_Pow and n.exp.is_negative]
    return frozenset().union(*map(symbols_of, below))


def _monic(node: Expr) -> Expr:
    """Divide the sums in products and powers by the number in front of their first term."""
    if node.is_Add:
        return construct.add([_monic(a) for a in node.args])
    factors = []
    for factor in node.args if node.is_Mul else (node,):
        base, exponent = factor.as_base_exp() if factor.is_Pow else (factor, Integer(1))
        if base.is_Add and exponent.is_Integer and not (factor is node and exponent == 1):
            first = ordered(base.args)[0][1].as_coeff_Mul()[0]
            inside = construct.add([construct.multiply([1 / first, _monic(a)]) for a in base.args])
            factors += [construct.power(first, exponent), construct.power(inside, exponent)]
        else:
            factors.append(factor)
    return construct.multiply(factors)


def _absorbed(product: Expr) -> Iterator[Expr]:
    """Move numbers between a product and its sums: 2 (x/2 + y) is x + 2 y."""
    coefficient, rest = product.as_coeff_Mul()
    factors = rest.args if rest.is_Mul else (rest,)
    if abs(coefficient) == 1:
        return
    for i, factor in enumerate(factors):
        if factor.is_Add:
            inner = [a.as_coeff_Mul()[0] for a in factor.args]
            for scale in (coefficient, abs(coefficient), *(1 / c for c in inner)):
                inside = construct.add([construct.multiply([scale, a]) for a in factor.args])
                yield construct.multiply(
                    [coefficient / scale, *factors[:i], inside, *factors[i + 1 :]]
                )


def _cheap(plain: Expr) -> Iterator[Form]:
    """Rearrangements of sums, products and quotients; nothing here grows beyond `MAX_TERMS`."""
    if plain.is_Add or plain.is_Mul:
        yield partial(sympy.factor_terms, plain)
    if _terms(plain) > MAX_TERMS:
        return
    yield partial(sympy.expand, plain)
    yield partial(sympy.factor, plain)
    if not _whole(plain):  # or there is no denominator
        yield partial(sympy.together, plain)
        yield partial(sympy.cancel, plain)
        yield lambda: sympy.together(sympy.cancel(plain))
    for symbol in sorted(plain.free_symbols, key=str):
        parts: dict[Expr, Expr] = {}
        yield partial(_collected, plain, symbol, parts)
        yield lambda parts=parts: _sum(parts, sympy.factor)  # type: ignore[misc]


def _collected(plain: Expr, symbol: Symbol, parts: dict[Expr, Expr]) -> Expr:
    """Collect the powers of a symbol; what is in front of each is left in `parts`."""
    parts |= sympy.collect(sympy.expand(plain), symbol, evaluate=False)
    return _sum(parts, lambda part: part)


def _sum(parts: dict[Expr, Expr], form: Callable[[Expr], Expr]) -> Expr:
    return sympy.Add(*(power * form(part) for power, part in parts.items()))


def _whole(node: Expr) -> bool:
    """Whether it is a polynomial with whole coefficients as it stands."""
    if node.is_Pow:
        return bool(node.exp.is_Integer and node.exp > 0) and _whole(node.base)
    if node.is_Add or node.is_Mul:
        return all(map(_whole, node.args))
    return bool(node.is_Symbol or node.is_Integer)


def _nesting(node: Expr) -> int:
    """How many functions, divisions and roots lie inside each other; 0 for a polynomial."""
    inner = max(map(_nesting, node.args), default=0)
    polynomial = node.func not in HEADS and not (
        node.is_Pow and not (node.exp.is_Integer and node.exp > 0)
    )
    return inner if polynomial or node.is_number else inner + 1


def _terms(node: Expr) -> int:
    """At most how many terms the expression has when multiplied out."""
    if node.is_Add:
        return sum(map(_terms, node.args))
    if node.is_Mul:
        product = 1
        for factor in node.args:
            product *= _terms(factor)
        return product
    if node.is_Pow and node.exp.is_Integer:
        n, k = abs(int(node.exp)), _terms(node.base)
        if n > MAX_EXPONENT:
            return MAX_TERMS + 1
        return comb(n + k - 1, k - 1)
    return 1
