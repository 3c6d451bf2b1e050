"""The delayed decision: what the readout alone cannot do, and the rank of what is learned."""

import numpy as np
import pytest
import sympy

from evolve.config.run_config import RunConfig
from evolve.config.settings import validated
from evolve.evaluation.arena import Arena, Bounds
from evolve.search.encode import encode
from evolve.search.genome import express
from rules_zoo import RULES
from substrate import PRE, Rule, Slow, names
from substrate.compilation.graph import from_rule, to_rule
from substrate.errors import UserError
from substrate.networks.activations import ACTIVATIONS
from substrate.networks.recurrent import NeuronParams
from substrate.synapses import Synapses
from tasks import FAMILIES
from tasks._trials import rank, respond
from tests.support.scores import score_compiled

FAMILY = FAMILIES["temporal_credit"]


def measured(name, instances=10, **options):
    """Accuracy and participation ratio of a rule on test instances, (instance,) each."""
    arena = Arena(FAMILY, FAMILY.options(**options), 0, "test", instances)
    whole = np.ones((1, arena.instances))
    scores = score_compiled(RULES[name], arena, Bounds(0 * whole, whole))
    return scores.quality[0, 0], {k: v[0, 0] for k, v in scores.metrics.items()}


def test_eligibility_and_feedback_decide_where_the_readout_alone_guesses():
    alone, still = measured("delta")
    both, moved = measured("eprop")
    assert both.mean() > 0.95
    assert alone.mean() < 0.9
    assert np.all(still["participation"] == 0) and np.all(still["top_share"] == 0)
    # One output and fixed feedback: rank one but for phi'. The median, since an instance that changed its mind on the
    # way has two modes.
    assert np.median(moved["participation"]) < 1.15
    assert np.median(moved["top_share"]) > 0.85


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rflo", "eprop"])
def test_published_delay(name):
    """RFLO solves 1,200 ms with a change of rank near one (catalogued: 1.00 and 1.0), though not in every network."""
    published = {"neurons": 48, "batch": 10, "batches": 250, "rate": 0.002, "held_out": 400}
    times = {"delay": 1200, "stimulus": 800, "decision": 300, "dt": 20}
    inputs = {"coherences": (1.0, 2.0, 4.0, 8.0, 16.0), "spread": 0.03}
    accuracy, metrics = measured(name, **published, **times, **inputs)
    assert np.median(accuracy) > 0.95
    assert np.median(metrics["participation"]) < 1.2


def test_noise_in_held_out_trials_has_the_variance_of_a_leaky_integrator():
    """Without weights x is noise alone: sd^2 leak / (2 - leak) once it has settled, seen here by an odd readout."""
    leak, sd, n, steps = 0.2, 0.01, 50, 60
    nothing = np.zeros((n, n, 1, 1), np.float32)

    class State:
        speed_factor = None
        recurrent = Synapses(nothing, {})
        inputs = Synapses(nothing[:, :1], {})
        readout = Synapses(np.eye(n, dtype=np.float32)[..., None, None], {})

    s = np.zeros((steps, 1, 40, 1, 1), np.float32)
    seed = np.arange(steps, dtype=np.float32)[:, None, None]
    params = NeuronParams(ACTIVATIONS["tanh"], leak, "current")
    z = np.asarray(respond(State, s, params, seed, sd))[-1]
    np.testing.assert_allclose(z.var(), sd**2 * leak / (2 - leak), rtol=0.1)
    assert np.all(np.asarray(respond(State, s, params, seed, 0.0)) == 0)


@pytest.mark.slow
def test_noise_of_the_published_size_hides_what_a_network_remembers():
    """After few batches at 1,200 ms, with 0.05 a step in x, a rule by perturbation knows no more than chance."""
    times = {"delay": 1200, "stimulus": 800, "decision": 300, "dt": 20}
    inputs = {"coherences": (1.0, 2.0, 4.0, 8.0, 16.0), "spread": 0.03, "rate": 0.002}
    sizes = {"neurons": 48, "batch": 10, "batches": 20}
    noisy, _ = measured("three_factor", noise=0.25, noisy="all", **times, **inputs, **sizes)
    assert abs(noisy.mean() - 0.5) < 0.1


def test_participation_and_top_share_are_those_of_the_singular_values():
    rng = np.random.default_rng(0)
    before, change = rng.normal(size=(2, 6, 6, 2, 3)).astype(np.float32)
    for a in (before, change):
        a[range(6), range(6)] = 0.0

    class Part:
        def __init__(self, **parts):
            self.__dict__.update(parts)

    trace = Part(state=Part(recurrent=Part(w=before + change)))
    found = rank(Part(w0=Part(recurrent=before)), trace)
    s = np.linalg.svd(np.moveaxis(change, (0, 1), (-2, -1)), compute_uv=False) ** 2
    participation = s.sum(-1) ** 2 / (s**2).sum(-1)
    np.testing.assert_allclose(found["participation"], participation, rtol=1e-4)
    np.testing.assert_allclose(found["top_share"], s[..., 0] / s.sum(-1), rtol=0.02)


def test_impossible_times_are_refused():
    with pytest.raises(UserError, match="Lower dt"):
        validated(FAMILY.options, {"dt": 200}, "Options")


def test_a_genome_can_hold_rflo():
    """With the trace as it was before the step, as an evolved slow variable is read."""
    genes = {
        "terminals": ("pre", "post", "w", "dphi", "fb_err"),
        "slow": ("p",),
        "constants": (0.5,),
    }
    grid = RunConfig(task="temporal_credit", genes=genes).grid
    fb_err, dphi, p = names("fb_err dphi p")
    rule = Rule("late_rflo", fb_err * p, slow=(Slow("p", 0.5 * (dphi * PRE - p)),))
    assert grid.outputs == ("dw", "d_p")
    genome = encode(grid, from_rule(rule), np.random.default_rng(0))
    again = to_rule(express(grid, genome).graph, "again", (Slow("p", 0),))
    for name, equation in rule.equations.items():
        assert sympy.expand(again.equations[name] - equation) == 0
