"""Genomes: what is permitted, what mutation does, what is silent, and that rules can go in and come out."""

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.search import fingerprint
from evolve.search.encode import encode
from evolve.search.genome import Grid, express, mutate_active, mutate_genes, random_genome
from rules_zoo import RULES
from substrate.compilation.graph import Number, from_rule, to_rule
from substrate.errors import UserError
from substrate.functions import PRIMITIVES
from substrate.rule import Rule

GRIDS = [
    Grid(("pre", "post", "w"), ("sub", "mul"), 20),
    Grid(("pre", "post", "w", Number(0.5)), PRIMITIVES, 10, rows=3, levels_back=2, evolved=2),
    Grid(("pre", "w"), ("add",), 1),
    Grid(("pre", "post", "w"), ("add", "mul"), 8, rows=2, outputs=("dw", "d_trace")),
]


def permitted(grid, position):
    """Every value that a gene may take, by the definition of the grid."""
    if position >= 3 * grid.nodes:
        return set(range(grid.leaves + grid.nodes))
    node, kind = divmod(position, 3)
    if kind == 0:
        return set(range(len(grid.primitives)))
    column = node // grid.rows
    reach = grid.columns if grid.levels_back is None else grid.levels_back
    first = max(0, column - reach) * grid.rows
    return set(range(grid.leaves)) | {grid.leaves + n for n in range(first, column * grid.rows)}


@pytest.mark.parametrize("grid", GRIDS)
def test_genes_take_every_permitted_value_and_no_other(grid):
    rng = np.random.default_rng(0)
    seen = [set() for _ in range(grid.size)]
    genomes = [random_genome(grid, rng) for _ in range(400)]
    for genome in genomes + [g for g, _ in mutate_genes(grid, rng, genomes, 0.5)]:
        for position, gene in enumerate(genome.genes):
            seen[position].add(gene)
    for position, values in enumerate(seen):
        allowed = permitted(grid, position)
        assert values <= allowed
        assert len(allowed) > 8 or values == allowed


@pytest.mark.parametrize("grid", GRIDS)
def test_a_chosen_gene_always_changes(grid):
    rng = np.random.default_rng(1)
    parents = [random_genome(grid, rng) for _ in range(200)]
    for parent, (child, changed) in zip(
        parents, mutate_genes(grid, rng, parents, 0.3), strict=True
    ):
        different = {
            i for i, (a, b) in enumerate(zip(parent.genes, child.genes, strict=True)) if a != b
        }
        different |= {
            grid.size + i
            for i, (a, b) in enumerate(zip(parent.constants, child.constants, strict=True))
            if a != b
        }
        single = {c for c in changed if c < grid.size and grid.alleles[0][c] == 1}
        assert different == set(changed) - single


def test_the_mutation_rate_is_a_rate():
    grid = GRIDS[0]
    rng = np.random.default_rng(2)
    parents = [random_genome(grid, rng)] * 2000
    counts = [len(changed) for _, changed in mutate_genes(grid, rng, parents, 0.05)]
    expected = 0.05 * grid.size
    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.sqrt(expected / 2000))


@pytest.mark.parametrize("grid", GRIDS)
def test_active_mutation_ends_with_one_active_gene(grid):
    rng = np.random.default_rng(3)
    parents = [random_genome(grid, rng) for _ in range(100)]
    active = [express(grid, p).active for p in parents]
    for expressed, (_, changed) in zip(
        active, mutate_active(grid, rng, parents, active), strict=True
    ):
        assert len(changed & expressed) == 1


@pytest.mark.parametrize("grid", GRIDS)
def test_silent_genes_do_not_matter(grid):
    """Whatever changes outside the active genes, the expressed rule is the same."""
    rng = np.random.default_rng(4)
    silent = 0
    for _ in range(60):
        parent = random_genome(grid, rng)
        phenotype = express(grid, parent)
        for child, changed in mutate_genes(grid, rng, [parent] * 5, 0.1):
            if phenotype.active.isdisjoint(changed):
                silent += 1
                assert express(grid, child).key == phenotype.key
    assert silent > 20


def test_expression_merges_what_is_equal():
    grid = Grid(("pre", "post", "w"), ("add", "sub", "mul"), 4)
    pre, post, node = 0, 1, 3
    add, sub = 0, 1
    # (pre + post) - post is pre; then pre - pre is 0
    genes = [add, pre, post, sub, node, post, sub, node + 1, pre, add, 0, 0, node + 2]
    phenotype = express(grid, type(random_genome(grid, np.random.default_rng(0)))(genes))
    assert phenotype.graph.outputs["dw"] == Number(0.0)
    assert phenotype.graph.nodes == ()


@pytest.mark.parametrize("grid", GRIDS)
def test_encode_after_decode_keeps_behaviour(grid):
    """Through the graph, and for arithmetic through the SymPy rule as well: equal fingerprints."""
    rng = np.random.default_rng(5)
    roomy = Grid(grid.terminals, grid.primitives, 80, 1, None, grid.evolved, grid.outputs)
    for _ in range(200):
        phenotype = express(grid, random_genome(grid, rng))
        try:
            again = encode(roomy, phenotype.graph, rng)
        except UserError as error:
            assert "reads 0 " in str(error) and "sub" not in grid.primitives
            continue
        assert express(roomy, again).key == phenotype.key
        if grid.primitives == ("sub", "mul"):
            rule = to_rule(phenotype.graph, "x")
            assert express(roomy, encode(roomy, from_rule(rule), rng)).key == phenotype.key


def test_encode_fits_the_levels_back():
    grid = Grid(("pre", "post", "w"), ("sub", "mul"), 6, rows=1, levels_back=1)
    genome = encode(grid, from_rule(RULES["oja"]), np.random.default_rng(0))
    for position, gene in enumerate(genome.genes):
        assert gene in permitted(grid, position)
    rule = to_rule(express(grid, genome).graph, "x")
    assert sympy.expand(rule.dw - RULES["oja"].dw) == 0


@pytest.mark.parametrize(
    ("name", "message"), [("bcm", "terminals are"), ("oja", "more columns"), ("hebb", "primitives")]
)
def test_encode_refuses_in_words(name, message):
    grids = {
        "bcm": GRIDS[0],
        "oja": Grid(("pre", "post", "w"), ("sub", "mul"), 2),
        "hebb": Grid(("pre", "post", "w"), ("add",), 9),
    }
    with pytest.raises(UserError, match=message):
        encode(grids[name], from_rule(RULES[name]), np.random.default_rng(0))


# Fingerprints: equal formulas get equal prints, unequal ones differ.

NAMES = ("pre", "post", "w")
LEAVES = st.sampled_from([*sympy.symbols(NAMES), sympy.Integer(2), sympy.Rational(1, 2)])
FORMULAS = st.recursive(
    LEAVES,
    lambda f: st.builds(
        lambda op, a, b: op(a, b),
        st.sampled_from([lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b]),
        f,
        f,
    ),
    max_leaves=12,
)


def fingerprint_of(expression):
    """Print of a formula written as a graph without merging."""
    graph = from_rule(Rule("x", expression))
    values = []

    def value(operand):
        if isinstance(operand, int):
            return values[operand]
        if isinstance(operand, str):
            return fingerprint.of_terminal(operand)
        return fingerprint.of_number(operand.value)

    for node in graph.nodes:
        values.append(fingerprint.apply(node.function, value(node.a), value(node.b)))
    return value(graph.outputs["dw"])


@settings(max_examples=150, deadline=None)
@given(FORMULAS)
def test_equal_formulas_get_equal_prints(formula):
    assert fingerprint_of(formula) == fingerprint_of(sympy.expand(formula))


def test_thousands_of_unequal_formulas_differ():
    grid = Grid(("pre", "post", "w"), ("add", "sub", "mul"), 14)
    rng = np.random.default_rng(0)
    by_print, by_formula = {}, {}
    for _ in range(6000):
        phenotype = express(grid, random_genome(grid, rng))
        formula = sympy.expand(to_rule(phenotype.graph, "x").dw)
        assert by_print.setdefault(phenotype.key, formula) == formula
        assert by_formula.setdefault(formula, phenotype.key) == phenotype.key
    assert len(by_print) > 1500


def test_prints_know_even_odd_and_symmetric():
    a, b = fingerprint.of_terminal("pre"), fingerprint.of_terminal("w")
    minus = (fingerprint.PRIME - a) % fingerprint.PRIME
    assert fingerprint.apply("abs", a, a) == fingerprint.apply("abs", minus, minus)
    for odd in ("tanh", "sign"):
        total = fingerprint.apply(odd, a, a) + fingerprint.apply(odd, minus, minus)
        assert total % fingerprint.PRIME == 0
    assert fingerprint.apply("min", a, b) == fingerprint.apply("min", b, a)
    assert fingerprint.apply("min", a, b) != fingerprint.apply("max", a, b)
