"""Two objectives: what NSGA-II keeps, what a front is, and which rule is chosen from it."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from deap import tools
from sympy import expand

from evolve.config.run_config import RunConfig
from evolve.config.settings import validated
from evolve.expressions.symbolic import rule_complexity
from evolve.report.front_table import front_rows, markdown
from evolve.running.result import Candidate
from evolve.running.select_champion import choose_champion
from evolve.search import islands, pareto
from evolve.search.genome import Genome, Grid, express, random_genome
from evolve.search.islands import Individual
from evolve.search.pareto import Point, knee, nsga2, steps
from evolve.search.variation import NSGA2
from rules_zoo import RULES
from substrate import POST, PRE, W
from substrate.errors import UserError
from tests.support.searches import GRID, Counting, begin, evolve, varying

VARIATION = varying(3, 12, 12, 2, "active", 0.06, migration=5, selection="nsga2")


def individuals(count, seed=0):
    rng = np.random.default_rng(seed)
    genomes = [random_genome(GRID, rng) for _ in range(count)]
    scores = rng.normal(size=count).tolist()
    return [Individual(g, express(GRID, g), s) for g, s in zip(genomes, scores, strict=True)]


class Approaching:
    """A cheap fitness: how near a formula comes to Oja's rule at random points, 1 if it is equal."""

    def __init__(self):
        points = np.random.default_rng(0).normal(size=(3, 40))
        self.values = dict(zip(("pre", "post", "w"), points, strict=True))
        pre, post, w = points
        self.target = post * (pre - post * w)
        self.asked = []

    def __call__(self, graphs):
        self.asked += graphs
        return np.array([1 / (1 + np.mean((self.of(g) - self.target) ** 2)) for g in graphs])

    def of(self, graph):
        apply = {"add": np.add, "sub": np.subtract, "mul": np.multiply}
        done = []

        def value(operand):
            if isinstance(operand, str):
                return self.values[operand]
            return done[operand] if isinstance(operand, int) else operand.value

        for node in graph.nodes:
            done.append(apply[node.function](value(node.a), value(node.b)))
        return np.round(value(graph.outputs["dw"]), 9)


def distinct(candidates):
    return list({i.phenotype.key: i for i in candidates[::-1]}.values())[::-1]


def dominates(a, b):
    better = a.score > b.score or a.size < b.size
    return a.score >= b.score and a.size <= b.size and better


@pytest.mark.parametrize("seed", range(5))
def test_what_is_kept_is_what_nsga2_selects(seed):
    """Distinct formulas, as DEAP's own sorting has it, in the order of their ranks."""
    candidates = distinct(individuals(60, seed))
    kept = nsga2(candidates, 15)
    expected = tools.selNSGA2([Point(i) for i in candidates], 15)
    assert sorted((i.score, i.size) for i in kept) == sorted(
        (p.individual.score, p.individual.size) for p in expected
    )
    first = [i for i in candidates if not any(dominates(j, i) for j in candidates)]
    assert set(kept[: len(first)]) == set(first[:15]) or len(first) > 15
    assert kept[0].score == max(i.score for i in candidates)
    for i, better in enumerate(kept):
        assert not any(dominates(worse, better) for worse in kept[i:])


def test_a_formula_is_kept_once_in_its_shortest_form():
    """Of equal forms the one listed first, which is the child."""
    grid = Grid(("pre", "post"), ("add", "sub", "mul"), 3)
    long = [2, 0, 0, 2, 0, 1, 0, 2, 3, 4]  # pre * pre + pre * post
    short = [0, 0, 1, 2, 0, 2, 0, 0, 0, 3]  # pre * (pre + post)
    made = [Genome(genes) for genes in (long, short, list(short))]
    first, second, third = (Individual(g, express(grid, g), 1.0) for g in made)
    assert first.phenotype.key == second.phenotype.key
    assert nsga2([first, second, third], 3) == [second]
    assert nsga2([third, second], 1) == [third]


def test_a_search_keeps_fronts_and_reaches_the_top():
    state, stats_of_all, fitness = evolve(VARIATION, seed=1, generations=150, fitness=Approaching())
    assert [t.best for t in stats_of_all] == sorted(t.best for t in stats_of_all)
    assert stats_of_all[-1].best == 1.0
    assert len(fitness.asked) == state.evaluations
    sizes = [i.size for i in islands.pareto(state)]
    assert sizes == [
        0,
        1,
        3,
    ]  # nothing of two operations is nearer, nothing longer than Oja's rule better
    for island in state.islands:
        assert len(island) <= VARIATION.parents
        assert len({i.phenotype.key for i in island}) == len(island)
        assert island[0].score == max(i.score for i in island)


def test_a_seed_decides_it():
    (a, first, _), (b, second, _) = evolve(VARIATION, seed=3), evolve(VARIATION, seed=3)
    assert first == second
    assert [i.genome for k in a.islands for i in k] == [i.genome for k in b.islands for i in k]
    assert a.rng.bit_generator.state == b.rng.bit_generator.state


def test_tournaments_prefer_those_listed_first():
    variation = varying(1, 20, 400, 3, "active", 0.06, selection="nsga2")
    state, _ = begin(variation, 0, Counting())
    island = state.islands[0]
    places = [island.index(p) for p in islands._pick(variation, state.islands, state.rng)]
    assert np.mean(places) == pytest.approx(len(island) / 4 - 0.5, abs=0.6)


def test_a_shorter_form_found_later_enters_the_archive():
    """Nothing is evaluated twice, and yet the front holds every formula at its shortest length."""
    state, _, _ = evolve(VARIATION, generations=30)
    for island in state.islands:
        for i in island:
            assert state.front[i.size].score >= i.score


def candidate(operators, validation, spread=0.0):
    rng = np.random.default_rng(operators)
    noise = rng.normal(size=100)
    scores = validation + spread * (noise - noise.mean())
    # As if tuned, so that its length is taken as it is.
    return Candidate(RULES["oja"], operators, validation, validation, scores, tuned=True)


FRONT = [candidate(*p) for p in ((7, 0.868), (0, 0.0), (3, 0.712), (4, 0.86), (5, 0.8), (4, 0.5))]


def test_steps_are_the_front_and_what_every_operator_gains():
    found = steps(FRONT)
    assert [s.rule.operators for s in found] == [0, 3, 4, 7]
    assert [s.gain for s in found] == pytest.approx([0, 0.712 / 3, 0.148, 0.008 / 3])
    assert all(a.rule.validation < b.rule.validation for a, b in pairwise(found))


def test_the_chosen_rule_is_shown_even_if_another_beats_it():
    rows = front_rows(FRONT, FRONT[4])
    assert [(r.candidate.operators, r.chosen) for r in rows] == [
        (0, False),
        (3, False),
        (4, False),
        (5, True),
        (7, False),
    ]
    lines = markdown(rows)
    assert [line.endswith("| chosen |") for line in lines[2:]] == [r.chosen for r in rows]
    assert lines[3].startswith("| 3 | 0.712 | +0.237 | `dw = ")


def test_the_knee_gains_most_per_operator_among_the_good():
    """A loss of half as much again as the least is good enough; the large step out of nothing is not."""
    assert knee(FRONT).operators == 4
    assert knee([candidate(0, 0.0), candidate(3, 0.5), candidate(9, 0.6)]).operators == 3
    assert knee([candidate(2, 0.3)]).operators == 2
    assert knee([candidate(0, -1.0), candidate(5, 1.0), candidate(6, 1.02)]).operators == 6


def test_the_knee_counts_operators_as_people_see_them():
    """A rule that the search found in a long form is no longer for that."""
    twice, thrice = (2 * POST * (PRE - POST * W), 3 * POST * (PRE - POST * W))
    front = []
    for dw, validation in ((PRE * 0, 0.0), (expand(thrice), 0.87), (twice, 0.86)):
        rule = replace(RULES["oja"], dw=dw)
        scores = np.full(100, validation)
        operators = rule_complexity(rule).operators
        front.append(Candidate(rule, operators, validation, validation, scores))
    assert knee(front) is front[2]
    assert choose_champion(front, "knee") is front[1]


def test_the_simplest_within_one_standard_error_is_chosen():
    assert (
        choose_champion([candidate(3, 0.7), candidate(5, 0.8), candidate(9, 0.81)]).operators == 9
    )
    noisy = [candidate(3, 0.7, 0.1), candidate(5, 0.805, 0.1), candidate(9, 0.81, 0.1)]
    assert choose_champion(noisy).operators == 5


def test_settings_suit_the_selection_unless_given():
    variation = validated(
        RunConfig, {"variation": {"selection": "nsga2", "children": 8}}, "It"
    ).variation
    assert (variation.parents, variation.tournament, variation.islands) == (
        NSGA2["parents"],
        NSGA2["tournament"],
        NSGA2["islands"],
    )
    assert (variation.children, variation.spread) == (8, NSGA2["spread"])
    one = validated(RunConfig, {"variation": {"selection": "nsga2", "islands": 1}}, "It").variation
    assert one.factors == (1.0,)
    assert validated(RunConfig, {}, "It").variation == varying(
        64, 1, 4, 1, "active", 0.06, migration=10
    )


@pytest.mark.parametrize(
    ("variation", "message"),
    [
        ({"selection": "nsga2", "parents": 1, "tournament": 1}, r"variation.parents = 1.*Give 20"),
        ({"spread": 4, "islands": 1}, r"variation.spread = 4.*islands"),
        ({"selection": "nsga3"}, "nsga3"),
    ],
)
def test_impossible_settings_are_refused(variation, message):
    with pytest.raises(UserError, match=message):
        validated(RunConfig, {"variation": variation}, "It")


def test_the_front_of_individuals_has_no_dominated_one():
    some = individuals(40)
    found = pareto.front(some)
    assert not any(dominates(i, f) for f in found for i in some)
    assert [i.size for i in found] == sorted(i.size for i in found)


def test_candidates_that_say_the_same_are_told_apart():
    """As pictures and tables look for the chosen one among all; scores are arrays, which are not simply equal."""
    same = [Candidate(RULES["oja"], 3, 0.5, 0.5, np.zeros(10)) for _ in range(2)]
    assert [same.index(c) for c in same] == [0, 1]
