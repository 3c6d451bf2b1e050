"""Every form of random rules against exact arithmetic: `python -m tests.support.forms 10000` prints a table.

Rules are drawn from genomes over all primitives, with fixed and evolved constants and a slow variable. At each of a
set of points (zeros, numbers that count as zero, rates in Hz, 1e8) a form agrees if what it computes lies in the
interval of its own expression (`tests.support.intervals`), in which the exact value of the genome lies too. So two
forms differ by the rounding that `substrate.functions` states, or they are counted here.
"""

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import sympy

from evolve.exports import export
from evolve.expressions.rule_file import rule_from_json, to_json
from evolve.expressions.symbolic import simplify_rule, text
from evolve.search.genome import Grid, express, random_genome
from substrate.compilation.graph import Graph, Number, Operand, lower_graph, to_rule
from substrate.compilation.interpreter import DoesNotFit, Machine, interpret
from substrate.compilation.lowering import lower, walk
from substrate.compilation.polynomials import Polynomials
from substrate.errors import UserError
from substrate.functions import FUNCTIONS, PRIMITIVES
from substrate.rule import Rule, Slow
from substrate.traversal import postorder
from tests.support.intervals import INTERVALS, LEAST, UNIT, Interval, Numpy, divide, interval

SLOW = (Slow("trace", 0, "synapse", 0.5),)
READ = ("pre", "post", "w", "trace")
OUTPUTS = ("dw", "d_trace")
MACHINE = Machine(READ, ("add", "sub", "mul", *PRIMITIVES), registers=12, segments=64)
POLYNOMIALS = Polynomials(READ, 5)

VALUES = (
    *(0.0, 1e-40, -1e-40, 1e-8, -1e-8, 1e-3, -1e-3, 0.25, -0.7, 1.0, -1.0, 2.0, -3.5),
    *(47.0, 112.5, -250.0, 1e4, 1e8, -1e8),
)


class Kind(NamedTuple):
    """One kind of genomes, and its share of the rules."""

    primitives: tuple[str, ...]
    fixed: tuple[float, ...]
    evolved: int
    columns: int
    share: float


KINDS = {
    "all functions": Kind(PRIMITIVES, (1.0, 2.0), 0, 16, 0.4),
    "large": Kind(PRIMITIVES, (1.0,), 0, 60, 0.2),
    "evolved constants": Kind(PRIMITIVES, (1.0,), 2, 16, 0.2),
    "polynomials": Kind(("add", "sub", "mul"), (2.0,), 0, 10, 0.2),
}


def _points() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    plain = [np.full(4, v) for v in VALUES]
    mixed = [rng.choice(VALUES, 4) for _ in range(40)]
    near = [rng.normal(size=4) for _ in range(12)]
    rates = [100 + rng.normal(size=4) for _ in range(4)]
    table = np.array([*plain, *mixed, *near, *rates]).astype(np.float32)
    return dict(zip(READ, table.T, strict=True))


POINTS = _points()
COUNT = len(POINTS["pre"])
SEEN = {name: jnp.asarray(values).reshape(1, 1, -1, 1) for name, values in POINTS.items()}
#: Digits of exact arithmetic: from 1e-40 to powers of 1e8, sums may cancel.
DIGITS = 250
#: Points at which exact arithmetic is asked, which is slow.
ASKED = (0, 1, 9, 17, *range(19, COUNT, 6))

EXACT: Mapping[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a * b / (b * b + mpmath.mpf("1e-6")),
    "min": min,
    "max": max,
    "abs": abs,
    "sign": mpmath.sign,
    "step": lambda a: mpmath.mpf(a > 0),
    "tanh": lambda a: mpmath.tanh(a) if abs(a) < 1e4 else mpmath.sign(a),
    "reciprocal": lambda a: 1 / a,
}


def fold(graph: Graph, output: str, leaf: Callable[[Any], Any], table: Mapping[str, Any]) -> Any:
    """The value of one equation of a graph."""
    values: list[Any] = []

    def value(operand: Operand) -> Any:
        return values[operand] if isinstance(operand, int) else leaf(operand)

    for node in graph.nodes:
        given = (node.a, node.b)[: FUNCTIONS[node.function].arity]
        values.append(table[node.function](*map(value, given)))
    return value(graph.outputs[output])


def graph_interval(graph: Graph, output: str) -> Interval:
    """Where float32 may take a graph."""
    return interval(
        fold(
            graph,
            output,
            lambda o: interval(POINTS[o] if isinstance(o, str) else o.value),
            INTERVALS,
        )
    )


def interval_of(expression: sympy.Expr) -> Interval:
    """Where float32 may take an expression as it is lowered."""

    def leaf(node: sympy.Expr) -> Interval:
        return interval(POINTS[node.name] if node.is_Symbol else float(node))

    return interval(walk(expression, leaf, lambda name, values: INTERVALS[name](*values)))


def exact_of(expression: sympy.Expr, point: int) -> Any:
    """The value of an expression in exact arithmetic."""

    def leaf(node: sympy.Expr) -> Any:
        if node.is_Symbol:
            return mpmath.mpf(float(POINTS[node.name][point]))
        return mpmath.mpf(node.p) / node.q if node.is_Rational else mpmath.mpf(float(node))

    return walk(expression, leaf, lambda name, values: EXACT[name](*values))


@cache
def _interpreter() -> Any:
    return jax.jit(lambda p, n: interpret({"dw": p}, {"dw": n}, MACHINE).forward(SEEN))


@cache
def _polynomials() -> Any:
    return jax.jit(lambda p: interpret({"dw": p}, {"dw": jnp.int32(1)}, POLYNOMIALS).forward(SEEN))


def _flat(values: Any) -> np.ndarray:
    return np.broadcast_to(np.asarray(values, float).ravel(), (COUNT,))


def _exported(rule: Rule, output: str, dtype: Any) -> np.ndarray:
    space: dict[str, Any] = {}
    exec(export(rule, "python"), space)
    with np.errstate(all="ignore"):
        return _flat(space[output](**{n: v.astype(dtype) for n, v in POINTS.items()}))


def _exported_interval(rule: Rule, output: str) -> Interval:
    """Where the text of exported code may lead in float32: it is run on intervals."""
    space: dict[str, Any] = {}
    exec(export(rule, "python"), space)
    space |= {"numpy": Numpy, "_div": divide}
    return interval(space[output](**{n: interval(v) for n, v in POINTS.items()}))


def disagreements(graph: Graph, seen: Counter[str]) -> Iterator[tuple[str, str, str]]:
    """Pairs of forms, cause and rule; `seen` counts what was compared."""
    rule = to_rule(graph, "random", SLOW)
    label = text(rule.changes["forward"])[:160]
    forms = {"rule": rule}
    try:
        forms["JSON read back"] = rule_from_json(to_json(rule))
    except UserError as error:
        yield "JSON read back", f"refused: {str(error)[-50:]}", label
    forms["simplified"] = simplify_rule(rule).rule
    codes = MACHINE.schedule(graph)
    for output in OUTPUTS:
        allowed = graph_interval(graph, output)
        yield from _real(graph, output, forms, allowed, label, seen)
        change = lower_graph(graph, SLOW)
        run = change.forward if output == "dw" else change.slow["trace"].change
        programs, lengths = MACHINE.assemble([codes[output]], [0], 1, 1)
        interpreted = _interpreter()(
            jax.tree.map(lambda a: jnp.asarray(a[0]), programs), jnp.int32(lengths[0])
        )
        computed = [
            ("graph", _flat(run(SEEN)), allowed),
            ("interpreter", _flat(interpreted), allowed),
        ]
        for name, form in forms.items():
            lowered = lower(form)
            run = lowered.forward if output == "dw" else lowered.slow["trace"].change
            own = interval_of(form.equations[output])
            computed.append((f"lowered {name}", _flat(run(SEEN)), own))
            own = _exported_interval(form, output)
            for dtype in (np.float32, np.float64):
                what = f"exported {name}, {np.dtype(dtype).name}"
                computed.append((what, _exported(form, output, dtype), own))
        for name, values, own in computed:
            seen[name] += 1
            for i in np.flatnonzero(~own.holds(values))[:1]:
                at = {n: float(v[i]) for n, v in POINTS.items()}
                cause = "not finite" if not np.isfinite(values[i]) else "beyond the bound"
                wanted = f"[{own.low.flat[i % own.low.size]}, {own.high.flat[i % own.high.size]}]"
                yield f"{name} - exact", cause, f"{label} at {at}: {values[i]} not in {wanted}"
        yield from _multiplied_out(graph, output, label, seen)
        sharp = np.isfinite(allowed.low) & (
            allowed.high - allowed.low <= 1e-3 * np.abs(allowed.low)
        )
        seen["points"] += COUNT
        seen["points with a bound below 1e-3"] += int(np.broadcast_to(sharp, (COUNT,)).sum())


def _real(
    graph: Graph,
    output: str,
    forms: Mapping[str, Rule],
    allowed: Interval,
    label: str,
    seen: Counter[str],
) -> Iterator[tuple[str, str, str]]:
    """Compare expressions in exact arithmetic; folded constants are rounded, so there float32's interval decides."""
    rule = forms["rule"]
    for point in ASKED:

        def leaf(o: Any, point: int = point) -> Any:
            return mpmath.mpf(float(POINTS[o][point]) if isinstance(o, str) else o.value)

        truth = fold(graph, output, leaf, EXACT)
        seen["exact values"] += 1
        if not _holds(allowed, truth, point):
            yield "exact genome - its interval", "beyond the bound", label
        for name, form in forms.items():
            try:
                value = exact_of(form.equations[output], point)
            except ZeroDivisionError:
                yield f"exact genome - {name}", "division by zero", label
                continue
            whole = _without_fractions(rule.equations[output], form.equations[output])
            if whole and abs(value - truth) > mpmath.mpf("1e-40") * abs(truth):
                yield f"exact genome - {name}", "another value", label
            if not whole and not _holds(interval_of(form.equations[output]), truth, point):
                yield f"exact genome - {name}", "another value", label


def _without_fractions(*expressions: sympy.Expr) -> bool:
    """Whether nothing was rounded when constants were folded, such as tanh(1)."""
    return all(n.is_Integer for e in expressions for n in postorder(e) if n.is_number)


def _holds(allowed: Interval, value: Any, point: int) -> bool:
    return bool(np.broadcast_to(allowed.holds(float(value)), (COUNT,))[point])


def _multiplied_out(
    graph: Graph, output: str, label: str, seen: Counter[str]
) -> Iterator[tuple[str, str, str]]:
    """The polynomial within its own bound, relative to the sum of its terms' magnitudes."""
    try:
        code = POLYNOMIALS.schedule(graph)[output]
    except DoesNotFit:
        return
    table, _ = POLYNOMIALS.assemble([code], [0], 1, 1)
    values = _flat(_polynomials()(jnp.asarray(table[0])))
    truth, size, lost = np.zeros(COUNT), np.zeros(COUNT), np.zeros(COUNT)
    for place, coefficient in zip(code.places, code.values, strict=True):
        powers = dict(zip(READ, POLYNOMIALS.exponents[place], strict=True))
        factors = [POINTS[n].astype(float) ** p for n, p in powers.items()]
        term = coefficient * np.prod(factors, axis=0)
        truth, size = truth + term, size + np.abs(term)
        counts_as_zero = np.any([np.abs(POINTS[n]) < LEAST for n, p in powers.items() if p], axis=0)
        lost += np.where(counts_as_zero, np.abs(term), 0)
    bound = (2 * POLYNOMIALS.degree + 3) * UNIT * size + 1e-30 + lost
    inside = size < 1e30
    seen["polynomials"] += 1
    for i in np.flatnonzero(inside & ~(np.abs(values - truth) <= bound))[:1]:
        yield "polynomials - exact", "beyond the bound", f"{label}: {values[i]} for {truth[i]}"


def random_graphs(count: int, seed: int = 0) -> Iterator[Graph]:
    """Graphs of random genomes with at least two operations, all kinds in turn."""
    rng = np.random.default_rng(seed)
    for kind in KINDS.values():
        terminals = (*READ, *map(Number, kind.fixed))
        grid = Grid(terminals, kind.primitives, kind.columns, evolved=kind.evolved, outputs=OUTPUTS)
        found = 0
        while found < round(count * kind.share):
            graph = express(grid, random_genome(grid, rng)).graph
            if 2 <= len(graph.nodes) <= 40:
                found += 1
                yield graph


def compare(count: int, seed: int = 0) -> tuple[Counter[str], Counter[tuple[str, str]], list[str]]:
    """Compare so many rules: what was compared, disagreements by pair and cause, and examples."""
    seen: Counter[str] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    examples = []
    with mpmath.workdps(DIGITS), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for graph in random_graphs(count, seed):
            seen["rules"] += 1
            for pair, cause, example in disagreements(graph, seen):
                found[pair, cause] += 1
                if found[pair, cause] <= 3:
                    examples.append(f"{pair}, {cause}: {example}")
    return seen, found, examples


if __name__ == "__main__":
    compared, differing, some = compare(*map(int, sys.argv[1:]))
    for what, number in compared.items():
        print(f"{number:9d}  {what}")
    print(f"{sum(differing.values()):9d}  disagreements")
    for (pair, cause), number in differing.most_common():
        print(f"{number:9d}  {pair}: {cause}")
    print(*some, sep="\n")
