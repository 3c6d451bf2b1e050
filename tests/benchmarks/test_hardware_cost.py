"""What a chip under the synapses costs beside the ideal network, timed in turns."""

import time

import numpy as np
import pytest

from evolve.evaluation.arena import Arena
from evolve.evaluation.interpreter import Interpreter
from evolve.evaluation.layout import ScheduledRule
from rules_zoo import RULES
from substrate.compilation.graph import from_rule
from substrate.compilation.interpreter import Machine
from substrate.hardware import PROFILES, profile
from tasks import FAMILIES

ROUNDS = 7
SPECS = (*(n for n in PROFILES if n != "ideal"), "bss2:period=1,rounding=stochastic")


@pytest.fixture(scope="module")
def ratios():
    """Median ratio to the ideal network, for 256 rules on the default task, by profile."""
    family, machine = FAMILIES["pca"], Machine(("pre", "post", "w"), ("add", "sub", "mul"))
    names = ("oja", "mettler2021_lr1", "instar", "hebb_decay")
    crowd = [ScheduledRule(machine.schedule(from_rule(RULES[n])), 0) for n in names] * 64
    arenas = {
        s: Arena(family, family.options(), 0, "train", 10, profile(s)) for s in ("ideal", *SPECS)
    }
    engines = {s: Interpreter(a, machine, capacity=256) for s, a in arenas.items()}
    times = {s: np.zeros(ROUNDS) for s in engines}
    for engine in engines.values():
        engine.score(crowd)
    for i in range(ROUNDS):
        for name, engine in engines.items():
            began = time.perf_counter()
            engine.score(crowd)
            times[name][i] = time.perf_counter() - began
    return {name: float(np.median(t / times["ideal"])) for name, t in times.items()}


@pytest.mark.parametrize("spec", SPECS)
def test_a_chip_costs_at_most_two_and_a_half_times_the_ideal_network(ratios, spec):
    print(f"{spec}: {ratios[spec]:.2f} times ideal")
    assert ratios[spec] <= 2.5
