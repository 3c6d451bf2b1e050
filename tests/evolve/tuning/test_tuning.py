"""Constants: named, tuned back from afar, never made worse, and snapped to simple values where that is free."""

import numpy as np
import pytest
import sympy

from evolve.evaluation.arena import WORST, Arena
from evolve.evaluation.interpreter import Interpreter
from evolve.tuning.objective import Objective
from evolve.tuning.optimise import Axes, Climb, jumps, tune
from evolve.tuning.parametrise import extract_constants, substituted
from evolve.tuning.pipeline import tune_constants
from evolve.tuning.round_constants import NOTHING, TOLERANCE, round_constants
from rules_zoo import RULES
from substrate.compilation.interpreter import Machine
from substrate.compilation.lowering import compute
from substrate.errors import UserError
from substrate.functions import pdiv
from substrate.rule import Rule, Slow
from substrate.vocabulary import POST, PRE, VOCABULARY, W, names
from tasks import FAMILIES
from tests.support.scores import score_compiled

PCA = FAMILIES["pca"]
a, b, z, theta = names("a b z theta")
OJA = Rule("oja_ab", a * POST * PRE - b * POST**2 * W, constants={"a": 1, "b": 1})
#: Both coefficients wrong by a factor 3, in every direction.
PERTURBED = [(x, y) for x in (1 / 3, 1, 3) for y in (1 / 3, 1, 3) if (x, y) != (1, 1)]


def prepared(split, instances, options=None):
    arena = Arena(PCA, options or PCA.options(), 0, split, instances)
    machine = Machine(("pre", "post", "w"), ("add", "sub", "mul"))
    return arena, Interpreter(arena, machine, capacity=4).bounds(arena)


@pytest.fixture(scope="module")
def train():
    return prepared("train", 10)


@pytest.fixture(scope="module")
def quick():
    return prepared("train", 10, PCA.options(dimensions=(3,), samples=300))


@pytest.fixture(scope="module")
def objective(train):
    return Objective(OJA, *train)


@pytest.fixture(scope="module")
def held():
    """Scores the same rule on instances that tuning never sees."""
    return Objective(OJA, *prepared("test", 50))


@pytest.fixture(scope="module")
def grid(objective):
    """The best of all (a, b) on a fine grid: the constants and their score."""
    gain = 2.0 ** np.arange(0, 3.51, 1 / 8)
    ratio = 2.0 ** np.arange(-0.25, 0.51, 1 / 16)
    points = objective.score(np.array([(g, g * r) for g in gain for r in ratio]))
    best = int(np.argmax(points.fitness))
    assert 1 < points.constants[best, 0] < 2**3.4  # inside the grid, not at its edge
    return points.constants[best], float(points.fitness[best])


def fitness(rule, where):
    return float(score_compiled(rule, *where).fitness[0])


def values(rule, seed=0):
    """The equations of a rule at random observables."""
    rng = np.random.default_rng(seed)
    own = {name: np.float32(value) for name, value in rule.constants.items()}
    seen = {n: rng.uniform(0.1, 2, 50).astype(np.float32) for n in sorted(VOCABULARY)}
    slow = {s.name: rng.uniform(0.1, 2, 50).astype(np.float32) for s in rule.slow}
    return [compute(e, {**own, **seen, **slow}) for e in rule.equations.values()]


@pytest.mark.parametrize("gains", [False, True])
def test_lifting_and_writing_back_change_nothing(rule, gains):
    lifted = extract_constants(rule, gains)
    for same in (lifted, substituted(lifted)):
        for x, y in zip(values(rule), values(same), strict=True):
            np.testing.assert_allclose(np.broadcast_to(x, 50), np.broadcast_to(y, 50), rtol=1e-4)
    assert not substituted(lifted).constants
    assert not gains or extract_constants(rule).constants.keys() <= lifted.constants.keys()


def test_what_is_lifted():
    def constants(dw, gains=False, **own):
        return {
            k: round(v, 6)
            for k, v in extract_constants(Rule("r", dw, own), gains).constants.items()
        }

    assert constants(2.5 * POST * (PRE - sympy.Rational(3, 10) * W**2)) == {"c0": 2.5, "c1": -0.3}
    assert constants(POST * (PRE - POST * W)) == {}
    assert constants(POST * (PRE - POST * W), gains=True) == {"c0": 1, "c1": -1}
    # One coefficient too many would be a flat direction: three of these four are enough.
    assert len(constants((1 + POST) * (PRE - W), gains=True)) == 3
    assert len(constants(3 * POST * (PRE - W), gains=True)) == 2
    assert constants(sympy.tanh(2 * POST) * W, gains=True) == {"c0": 1, "c1": 2}
    # A coefficient that has a name is not doubled, and no name is taken twice.
    assert constants(a * PRE * POST + 2, gains=True, a=1, c0=1) == {"a": 1, "c0": 1, "c1": 2}


def test_slopes_are_those_of_the_score(objective):
    """Forward differentiation through the loop agrees with differences, on every instance that is smooth."""
    at, h = np.array([1.3, 1.5]), 1e-2
    slopes = objective.climb(at[None]).slopes[0]
    for i, step in enumerate(np.eye(2) * h):
        pair = objective.score(np.array([at + step, at - step])).scores
        # Neurons that start orthogonal to the component may turn either way: a few instances are rough.
        off = np.abs((pair[0] - pair[1]) / (2 * h) - slopes[i])
        assert np.median(off) < 5e-3
        assert np.mean(off > 0.05) < 0.2


def test_nothing_recompiles(train):
    own = Objective(OJA, *train)
    for n in (1, 5, 40):
        own.score(np.random.default_rng(n).uniform(0.1, 4, (n, 2)))
    assert (own.compilations, own.evaluations) == (1, 46)
    for n in (1, 3, 12):
        own.climb(np.random.default_rng(n).uniform(0.1, 4, (n, 2)))
    assert (own.compilations, own.evaluations) == (2, 46 + 3 * 16)


def test_a_score_does_not_depend_on_rules_beside_it_or_slopes(objective, train):
    points = np.array([(1.0, 1.0), (3.0, 1 / 3), (30.0, 1e-3)])
    together = objective.score(points)
    np.testing.assert_array_equal(objective.score(points[:1]).fitness, together.fitness[:1])
    np.testing.assert_allclose(objective.climb(points).fitness, together.fitness, atol=1e-5)
    alone = score_compiled(OJA, *train)
    np.testing.assert_allclose(alone.fitness[0], together.fitness[0], atol=1e-5)


def test_a_diverged_point_is_a_value_and_spoils_no_slope(objective):
    points = objective.climb(np.array([(1.0, 1.0), (50.0, 1e-3)]))
    assert points.fitness[1] == WORST
    assert points.guide[1] < WORST
    np.testing.assert_array_equal(points.slopes[1], 0.0)
    assert np.isfinite(points.slopes[0]).all()
    np.testing.assert_allclose(points.slopes[0], objective.climb(points.constants[:1]).slopes[0])


@pytest.mark.parametrize(
    ("start", "method"),
    [(start, "auto") for start in PERTURBED]
    + [(start, "evolution") for start in ((3, 1 / 3), (1 / 3, 3), (3, 3))],
    ids=str,
)
def test_oja_finds_back_from_a_factor_three(start, method, train, objective, held, grid):
    """Within 1 % of the best score that a fine grid finds, on training and on held-out instances."""
    constants, best = grid
    far = OJA.with_constants(a=start[0], b=start[1])
    tuned = tune(far, *train, method=method, objective=objective)
    assert tuned.before < 0.99 * best
    assert tuned.score >= 0.99 * best
    assert tuned.evaluations < 2100
    own, held_out = held.score(np.array([[*tuned.rule.constants.values()], constants])).fitness
    assert own >= 0.99 * held_out


@pytest.mark.parametrize("start", [(3, 1 / 3), (1 / 3, 3)], ids=str)
def test_slopes_alone_lead_back(start, objective, grid):
    """One climb from the perturbed constants, without looking around first."""
    axes = Axes(np.array(start))
    climb, best = Climb(np.zeros(2)), WORST
    for _ in range(60):
        u = climb.trial[None]
        points = objective.climb(axes.constants(u))
        best = max(best, points.fitness[0])
        climb.tell(points.guide[0], axes.slopes(u, points)[0])
    assert best >= 0.99 * grid[1]


def test_only_improvements_are_kept(train, objective, grid):
    (x, y), _ = grid
    best = OJA.with_constants(a=x, b=y)
    once = tune(best, *train, budget=40, method="evolution", objective=objective)
    assert once.score >= once.before
    assert once.method != "none" or once.rule is best
    frozen = tune(RULES["frozen"], *train)
    assert (frozen.method, frozen.evaluations, frozen.score) == ("none", 1, frozen.before)
    assert frozen.rule is RULES["frozen"]


def test_the_budget_is_kept(train, objective):
    for method in ("auto", "gradient", "evolution"):
        tuned = tune(
            OJA.with_constants(a=3, b=1 / 3), *train, budget=200, method=method, objective=objective
        )
        assert tuned.evaluations <= 200 + 24, method
        assert tuned.score > tuned.before


def test_a_rule_that_jumps_is_tuned_by_evolution(quick):
    rule = Rule("jumps", a * sympy.sign(POST) * (PRE - b * POST * W), {"a": 0.2, "b": 4})
    assert jumps(rule)
    assert not jumps(OJA)
    tuned = tune(rule, *quick, budget=500)
    assert tuned.score > tuned.before + 0.1
    assert tuned.method in ("evolution", "sampling")
    assert tuned.objective.compilations == 1  # slopes are not even compiled


def test_a_constant_may_start_from_zero(quick):
    """Without its decay the rule diverges; the decay must be found from nothing."""
    tuned = tune(Rule("bare", POST * (PRE - z * W * POST), {"z": 0}), *quick, budget=800)
    assert tuned.score > tuned.before
    assert tuned.rule.constants["z"] == pytest.approx(1, rel=0.3)


def test_slow_variables_have_constants_too(quick):
    slow = (Slow("theta", 0.02 * (POST**2 - theta), "post"),)
    rule = extract_constants(Rule("power", POST * PRE - theta * W, slow=slow), gains=True)
    assert len(rule.constants) == 4
    tuned = tune(rule, *quick, budget=800)
    assert tuned.score > tuned.before + 0.05


def test_the_same_seed_tunes_the_same_and_touches_no_global_state(quick):
    before = np.random.get_state()[1].copy()
    first, second, other = (
        tune(OJA.with_constants(a=1 / 3, b=3), *quick, budget=400, seed=s) for s in (1, 1, 2)
    )
    assert first.rule == second.rule
    assert first.evaluations == second.evaluations
    assert first.rule != other.rule
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_rule_that_reads_too_much_is_refused(quick):
    with pytest.raises(UserError, match=r"sanger.*lat_ord"):
        tune(extract_constants(RULES["sanger"], gains=True), *quick)


def test_snapping_costs_nothing_and_drops_what_does_nothing(train):
    idle = Rule("idle", OJA.dw + 1e-5 * W * PRE, {"a": 1, "b": 3})
    tuned = tune(extract_constants(idle), *train, budget=1000)
    rounded = round_constants(tuned)
    assert rounded.loss <= max(TOLERANCE, NOTHING)
    assert rounded.score >= tuned.score - TOLERANCE
    assert rounded.exact["c0"] == 0
    assert set(rounded.exact) == {"a", "b", "c0"}
    assert all(len(f"{float(v):g}") <= 4 for v in rounded.exact.values())
    assert rounded.written.dw.free_symbols == {PRE, POST, W}
    assert len(rounded.written.dw.args) == 2  # the idle term is gone
    assert fitness(rounded.written, train) == pytest.approx(rounded.score, abs=1e-5)
    assert tuned.objective.compilations == 2  # snapping compiled nothing


def test_snapping_keeps_a_ratio(quick):
    """Only the ratio of the constants matters here, so one can be 1 once the other follows."""
    ratio = Rule("ratio", POST * (PRE - POST * W) * (b / a), {"a": 0.87, "b": 2.61})
    tuned = tune(ratio, *quick, budget=2)
    rounded = round_constants(tuned)
    assert rounded.loss <= NOTHING
    assert 1 in rounded.exact.values()
    assert len(rounded.exact) == 2
    assert rounded.rule.constants["b"] / rounded.rule.constants["a"] == pytest.approx(3, rel=0.4)


def test_no_zero_goes_under_a_fraction(quick):
    rule = Rule("under", PRE * POST / (1000 * a) + POST * (PRE - W * POST), {"a": 50})
    rounded = round_constants(tune(rule, *quick, budget=2))
    assert rounded.exact["a"] != 0
    assert rounded.written.dw.is_finite is not False


def test_refining_the_best_few(quick):
    """Numbers come back in the equations, and neither their order nor other rules change them."""
    rules = [
        RULES["oja"],
        Rule("protected", 2 * pdiv(POST * PRE, 1 + POST**2) - 0.3 * POST**2 * W),
        RULES["frozen"],
    ]
    refined = tune_constants(rules, *quick, budget=500)
    for rule, one in zip(rules, refined, strict=True):
        assert one.original is rule
        assert not one.rule.constants
        assert one.rule.name == rule.name
        assert one.peak >= one.before
        assert one.score >= one.peak - TOLERANCE
    oja, protected, _ = refined
    assert oja.score > oja.before + 0.1
    assert protected.score > protected.before + 0.3
    again = tune_constants(rules[1::-1], *quick, budget=500)
    assert again[1].rule == oja.rule
    assert again[0].rule == protected.rule
