"""All formulas, each once: against lists made another way, and against the fingerprints of a search."""

import itertools

import numpy as np
import pytest

from evolve.ranking.recognise import keys
from evolve.search import fingerprint
from evolve.survey import field
from evolve.survey.formulas import formulas
from substrate.compilation.graph import Number
from substrate.functions import PRIMITIVES

TERMINALS = ("pre", "post", "w")


def test_arithmetic_on_arrays_is_that_of_whole_numbers():
    rng = np.random.default_rng(0)
    prime = fingerprint.PRIME
    edges = [0, 1, 2, 2**30, 2**31 - 1, 2**31, 2**60, prime - 2, prime - 1]
    values = [*edges, *(int(v) for v in rng.integers(prime, size=500))]
    a, b = (list(x) for x in zip(*itertools.product(values[:60], values), strict=True))
    x, y = np.array(a, np.uint64), np.array(b, np.uint64)
    pairs = list(zip(a, b, strict=True))
    assert field.add(x, y).tolist() == [(i + j) % prime for i, j in pairs]
    assert field.sub(x, y).tolist() == [(i - j) % prime for i, j in pairs]
    assert field.mul(x, y).tolist() == [i * j % prime for i, j in pairs]
    ones = field.inverse(np.array(values, np.uint64)).tolist()
    assert ones == [pow(v, -1, prime) if v else 0 for v in values]


def polynomials(terminals, size):
    """The same list by expanding every formula to its coefficients; a set for every size."""
    one = [
        frozenset({(tuple(int(i == j) for j in range(len(terminals))), 1)})
        for i in range(len(terminals))
    ]
    levels, known = [set(one)], set(one)

    def combined(f, g, sign):
        total = dict(f)
        for monomial, c in g:
            total[monomial] = total.get(monomial, 0) + sign * c
        return frozenset((m, c) for m, c in total.items() if c)

    def product(f, g):
        total = {}
        for (m, c), (n, d) in itertools.product(f, g):
            monomial = tuple(map(sum, zip(m, n, strict=True)))
            total[monomial] = total.get(monomial, 0) + c * d
        return frozenset((m, c) for m, c in total.items() if c)

    for operations in range(1, size + 1):
        new = set()
        for left in range(operations):
            for f, g in itertools.product(levels[left], levels[operations - 1 - left]):
                new |= {combined(f, g, 1), combined(f, g, -1), product(f, g)}
        levels.append(new - known)
        known |= new
    return levels


def test_counts_agree_with_a_list_of_expanded_polynomials():
    counts = [len(level) for level in polynomials(TERMINALS, 4)]
    assert counts == formulas(TERMINALS, ("add", "sub", "mul"), 4).counts
    assert counts == [3, 19, 128, 952, 7502]


@pytest.mark.parametrize("primitives", [("add", "sub", "mul"), PRIMITIVES])
def test_no_two_formulas_are_the_same_and_a_search_knows_their_keys(primitives):
    found = formulas((*TERMINALS, Number(0.5)), primitives, 2)
    assert len(np.unique(found.keys)) == len(found)
    for place in range(0, len(found), 7):
        assert keys(found.graph(place))["dw"] == found.keys[place]
        assert len(found.graph(place).nodes) <= 2


def test_all_that_one_more_operation_makes_is_there():
    """Every pair of shorter formulas under every function leads to something that is listed."""
    found = formulas(TERMINALS, PRIMITIVES, 2)
    known = set(found.keys.tolist())
    short = found.keys[: found.ends[0]].tolist()
    longer = found.keys[: found.ends[1]].tolist()
    for name in PRIMITIVES:
        for a, b in [*itertools.product(short, longer), *itertools.product(longer, short)]:
            assert fingerprint.apply(name, a, b) in known


def test_equal_terminals_and_numbers_count_once():
    assert len(formulas(("pre", "pre", Number(1.0), Number(1)), ("add",), 0)) == 2
    assert formulas(("pre",), ("sub",), 2).counts == [1, 1, 1]  # pre, 0, -pre
