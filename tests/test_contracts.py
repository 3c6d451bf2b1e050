"""Promises that every part keeps, and every combination of parts: traced, or refused with the reason."""

from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from jax import Array

from evolve.exports import TARGETS
from evolve.running import contracts
from rules_zoo import RULES
from substrate.errors import UserError
from substrate.hardware import PROFILES
from substrate.networks.base import Network
from substrate.synapses import Synapses
from tasks import FAMILIES
from tests.support.families import cheap

PCA = FAMILIES["pca"]
SMALL = PCA.options(dimensions=(2,), samples=100)


def require_traced_or_refused(cells, reasons=False):
    """Of all combinations, which `pytest -s` shows: + traced, a number or - refused, ! failed."""
    found = list(cells)
    print("\n" + contracts.matrix(found, reasons))
    assert not [cell for cell in found if cell.outcome == "failed"]
    assert all(cell.reason for cell in found if cell.outcome == "refused")


def test_a_family_is_traced_on_every_profile_or_refused_with_a_reason(family):
    require_traced_or_refused(contracts.families_by_profiles([family]), reasons=True)


@pytest.mark.slow
def test_every_family_is_traced_on_every_profile():
    """As above, for `pytest -m slow -s` to show in one table."""
    require_traced_or_refused(contracts.families_by_profiles(), reasons=True)


@pytest.mark.parametrize(
    "cells", [contracts.rules_by_families, contracts.rules_by_targets], ids=lambda c: c.__name__
)
def test_every_rule_is_traced_or_refused_with_a_reason(cells):
    require_traced_or_refused(cells())


def test_the_instances_of_a_family_keep_their_promises(family):
    """Its networks on the profiles are in the matrix above, its floor is in `evaluation/test_scoring.py`."""
    assert not [f for f in contracts.check_instances(family, 3, cheap(family)) if not f.ok]


def test_a_family_keeps_all_promises():
    assert all(f.ok for f in contracts.check_family(PCA, options=SMALL))


def test_a_list_shows_every_family_on_one_line(family):
    """Of 80 columns, beside the longest name."""
    assert 0 < len(family.summary) <= 80 - max(map(len, FAMILIES)) - 2


def test_every_choice_of_an_option_is_traced(family):
    for name, options in [("default", family.options()), *contracts.choices(family)]:
        try:
            contracts.trace_learning(family, PROFILES["ideal"], options)
        except UserError as refusal:
            assert str(refusal), name


def test_a_rule_keeps_its_promises():
    assert all(f.ok for f in contracts.check_rule(RULES["weight_mirror"]))


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_keeps_its_promises(target):
    assert all(f.ok for f in contracts.check_target(target))


def test_a_profile_keeps_its_promises():
    """On every family it is in the matrix above."""
    assert all(f.ok for f in contracts.check_profile(PROFILES["ideal"], [PCA]))


def broken(family, **parts):
    """The promises that a family with other settings does not keep."""

    def build(options):
        return tuple(replace(s, **parts) for s in family.build(options))

    found = contracts.check_family(replace(family, build=build), options=SMALL)
    return {f.name: f.detail for f in found if not f.ok}


class Remembering(NamedTuple):
    """A state with something that its network may forget."""

    synapses: Synapses
    w: Array
    kept: Array | None


def test_a_network_that_forgets_part_of_its_state_is_named():
    """The fault behind a crash on every chip with a spread of time constants."""
    network = PCA.build(SMALL)[0].network

    def init(plasticity, w0):
        return Remembering(network.init(plasticity, w0), w0, jnp.zeros((1, *w0.shape[2:])))

    def step(plasticity, state, drive, rate):
        after, output = network.step(plasticity, state.synapses, drive, rate)
        return Remembering(after, after.w, None), output

    found = broken(PCA, network=Network(network.observables, init, step))
    said = "`step` changes the state's structure: state.kept was float32[1, 10, 3] and is nothing."
    assert said in found["traced on every profile"]


def test_what_a_family_gets_wrong_is_said():
    setting, same = PCA.build(SMALL)[0], np.random.default_rng
    shared = broken(PCA, sample=lambda draw: setting.sample(draw._replace(rng=same(0))))
    assert "`train` and `validation` share an instance" in shared["splits share no instance"]
    flat = broken(PCA, score=lambda *given: level(setting.score(*given)))
    assert "ceiling must be above the floor" in flat["frozen scores 0, the ceiling is above"]
    crash = broken(PCA, reading=None)
    assert "AttributeError" in crash["time of a rule"]


def level(outcome):
    return outcome._replace(ceiling=outcome.quality)
