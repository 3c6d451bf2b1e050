"""Scoring: what 0 and 1 mean, that neither other rules nor the number of cores matter, that a bad rule is a value."""

import os
import subprocess
import sys

import numpy as np
import pytest

from evolve.evaluation import compiled
from evolve.evaluation.arena import WORST, Arena, Bounds
from evolve.evaluation.compiled import Compiled
from evolve.evaluation.device_program import Blocks
from evolve.evaluation.interpreter import Interpreter, forget_programs
from evolve.evaluation.layout import ScheduledRule
from evolve.evaluation.pending import wait
from evolve.search.genome import Grid, express, random_genome
from rules_zoo import RULES
from substrate.compilation.graph import from_rule
from substrate.compilation.interpreter import Machine
from substrate.errors import UserError
from substrate.hardware import profile
from substrate.rule import Rule
from substrate.vocabulary import POST, PRE
from tasks import FAMILIES
from tests.support.families import cheap
from tests.support.scores import score_compiled

TERMINALS, FUNCTIONS = ("pre", "post", "w"), ("add", "sub", "mul")
MACHINE = Machine(TERMINALS, FUNCTIONS)
PCA = FAMILIES["pca"]
SMALL = PCA.options(dimensions=(2, 3), samples=200)


def coded(graph):
    return ScheduledRule(MACHINE.schedule(graph), 0)


def code(name):
    return coded(from_rule(RULES[name]))


@pytest.fixture(scope="module")
def interpreter():
    return Interpreter(Arena(PCA, SMALL, 0, "train", 10), MACHINE, capacity=64)


def test_the_floor_is_what_the_frozen_network_scores(family):
    """Exactly 0 on every instance, whatever the family, and through the compiled path too."""
    arena = Arena(family, cheap(family), 3, "test", 10)
    terminals = tuple(t for t in TERMINALS if t in arena.observables["forward"])
    machine = MACHINE._replace(terminals=terminals)  # of spikes, some networks show no activity
    interpreter = Interpreter(arena, machine, capacity=16)
    rate = [
        0.0 if arena.settings[0].fixed_rules else 1.0
    ]  # fixed rules learn beside a frozen projection
    frozen = ScheduledRule(machine.schedule(from_rule(RULES["frozen"])), 0)
    assert np.all(interpreter.score([frozen], rate).score == 0.0)
    alone = score_compiled(RULES["frozen"], arena, interpreter.bounds(arena))
    np.testing.assert_allclose(alone.score, 0.0, atol=1e-5)
    bounds = interpreter.bounds(arena)
    assert np.all(bounds.ceiling >= bounds.floor - 1e-6)


def test_a_score_does_not_depend_on_what_is_scored_beside_it(interpreter):
    """To the last bit: alone, in a crowd, or in another order."""
    grid = Grid(TERMINALS, FUNCTIONS, 12)
    rng = np.random.default_rng(0)
    crowd = [coded(express(grid, random_genome(grid, rng)).graph) for _ in range(60)]
    crowd += [code("oja"), code("mettler2021_lr1")]
    together = interpreter.score(crowd).quality
    backwards = interpreter.score(crowd[::-1]).quality[::-1]
    np.testing.assert_array_equal(together, backwards)
    for i in (0, 31, 60, 61):
        np.testing.assert_array_equal(interpreter.score([crowd[i]]).quality[0], together[i])


def test_the_number_of_cores_does_not_change_a_bit(interpreter):
    """The same scores on as many devices as there are cores, and in a process with one, or three beside one core."""
    cores = 3 if interpreter.devices == 1 else 1
    program = (
        f"from substrate.devices import configure; configure(cores={cores})\n"
        "from tests.evolve.evaluation.test_scoring import *\n"
        "i = Interpreter(Arena(PCA, SMALL, 0, 'train', 10), MACHINE, capacity=64)\n"
        "print(i.devices, many(i).tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    devices, answer = done.stdout.split()
    assert int(devices) == cores
    assert answer == many(interpreter).tobytes().hex()


def many(interpreter):
    """Qualities of more rules than a block holds, in blocks that no number of devices divides evenly."""
    names = ["oja", "mettler2021_lr1", "instar", "hebb_decay"] * 9
    return interpreter.score([code(n) for n in names]).quality


def test_interpreter_and_compiled_rule_give_the_same_scores(interpreter):
    arena = interpreter.arenas[0]
    for name in ("oja", "mettler2021_lr1"):
        together = interpreter.score([code(name)] * 2, [1.0, 0.5], full=True)
        alone = score_compiled(RULES[name], arena, interpreter.bounds(arena), (1.0, 0.5))
        np.testing.assert_allclose(together.score, alone.score, atol=1e-4)
        for metric in ("cos_end", "gain"):
            np.testing.assert_allclose(together.metrics[metric], alone.metrics[metric], atol=1e-3)
        assert not np.allclose(together.score[0], together.score[1], atol=1e-3)


def test_divergence_is_a_value():
    """Hebb's weights explode; it scores the least there is, and says so, without a warning."""
    arena = Arena(PCA, PCA.options(dimensions=(2,), samples=2000), 0, "train", 10)
    scores = Interpreter(arena, MACHINE, capacity=16).score([code("hebb"), code("oja")])
    assert scores.diverged.tolist() == [True, False]
    assert scores.fitness[0] == WORST
    assert np.all(scores.score[0] == WORST)
    assert scores.fitness[1] > 0.5


def test_a_wild_rule_does_not_disturb_its_neighbours(interpreter):
    wild = coded(from_rule(Rule("wild", 1e30 * PRE * POST**9 + 1e30)))
    quiet = interpreter.score([code("oja"), code("frozen")]).quality[0]
    np.testing.assert_array_equal(interpreter.score([code("oja"), wild]).quality[0], quiet)


def test_a_rule_that_reads_too_much_is_refused(interpreter):
    with pytest.raises(UserError, match=r"sanger.*lat_ord.*does not show.*pre_norm"):
        score_compiled(
            RULES["sanger"], interpreter.arenas[0], interpreter.bounds(interpreter.arenas[0])
        )


def test_nothing_recompiles(monkeypatch):
    """Constants, seeds, genomes, rates, sizes of a generation, another search of the same shape: one trace."""
    traced, run = [], Blocks.run
    monkeypatch.setattr(Blocks, "run", lambda *a, **full: traced.append(a) or run(*a, **full))
    forget_programs()
    interpreter = Interpreter(Arena(PCA, SMALL, 0, "train", 10), MACHINE, capacity=64)
    grid = Grid(TERMINALS, FUNCTIONS, 30, evolved=2)
    rng = np.random.default_rng(1)
    for size in (1, 3, 64, 17, 40):
        population = [express(grid, random_genome(grid, rng)).graph for _ in range(size)]
        interpreter.fitness(population)
    interpreter.score([code("oja")], [0.3])
    interpreter.score([code("oja")], arena=Arena(PCA, SMALL, 9, "train", 10))
    Interpreter(Arena(PCA, SMALL, 3, "train", 10), MACHINE, capacity=64).fitness(population)
    assert len(traced) == 1


@pytest.mark.parametrize("hardware", ["ideal", "fixed_point:bits=5", "bss2"])
def test_a_rule_is_compiled_once_for_a_task_and_a_chip(hardware, monkeypatch):
    """Not again for other instances, another seed or other constants; again for another chip or other options."""
    lowered = []
    lower = compiled.lower

    def counting(rule, constants=None):
        lowered.append(rule)
        return lower(rule, constants)

    def compilations(chip, options, seed):
        before = len(lowered)
        arena = Arena(PCA, options, seed, "train", 10, profile(chip))
        rule = RULES["hebb_decay"].with_constants(**{name: 0.5 + seed for name in decay})
        Compiled([arena]).measure([[rule]], [arena])
        return len(lowered) - before

    decay = RULES["hebb_decay"].constants
    monkeypatch.setattr(compiled, "lower", counting)
    compiled._program.cache_clear()
    options = PCA.options(dimensions=(3,), samples=130)
    first = compilations(hardware, options, 0)
    assert first > 0
    assert compilations(hardware, options, 1) == 0
    assert compilations(hardware, PCA.options(dimensions=(3,), samples=130), 2) == 0
    assert compilations("fixed_point:bits=6", options, 0) > 0
    assert compilations(hardware, PCA.options(dimensions=(3,), samples=140), 0) > 0


def test_a_scale_that_was_given_is_kept():
    """Whoever measures first does not decide what 0 and 1 mean."""
    arena = Arena(PCA, SMALL, 0, "train", 10)
    ours = Interpreter(arena, MACHINE, capacity=8).bounds(arena)
    assert arena.bounds is None, "measuring changes no arena"
    other = arena.with_bounds(Bounds(ours.floor - 1, ours.ceiling))
    for evaluator in (Interpreter(other, MACHINE, capacity=8), Compiled([other])):
        np.testing.assert_array_equal(evaluator.bounds(other).floor, ours.floor - 1)
        (measured,) = evaluator.measure([[RULES["frozen"]]], [other])
        assert np.all(measured["frozen"].score > 0.1)
    with pytest.raises(AttributeError):
        other.bounds = ours


@pytest.mark.parametrize("kind", [Compiled, Interpreter])
def test_every_rule_can_be_scored_at_a_learning_rate_of_its_own(kind):
    """Two searches and several rates in one call give what each rule gives alone at its rate."""
    arenas = [Arena(PCA, SMALL, seed, "train", 10) for seed in (0, 1)]
    evaluator = Compiled(arenas) if kind is Compiled else Interpreter(arenas, MACHINE, capacity=64)
    oja, hebb = (from_rule(RULES[name]) for name in ("oja", "hebb"))
    wanted, gains = [[oja, oja, hebb], [oja]], [[0.5, 2.0, 0.1], [4.0]]
    known = {"oja": (0.5, 2.0, 4.0), "hebb": (0.1,)}
    measured = evaluator.measure([[RULES["oja"], RULES["hebb"]]] * 2, arenas, known)
    expected = [
        [*measured[0]["oja"].fitness[:2], *measured[0]["hebb"].fitness],
        [measured[1]["oja"].fitness[2]],
    ]
    assert len({round(float(f), 6) for own in expected for f in own}) == 4
    found = wait(evaluator.begin(wanted, gains=gains))
    exact = evaluator.score_graphs(wanted, arenas, gains)
    for here, rows, there in zip(found, exact, expected, strict=True):
        np.testing.assert_allclose(here, there, atol=1e-5)
        np.testing.assert_allclose(rows.mean(axis=1), there, atol=1e-5)
