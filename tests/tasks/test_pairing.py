"""The pairing family: windows against closed forms, protocols against a plain loop over events, and known figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from evolve.evaluation.arena import Arena
from evolve.evaluation.compiled import instances
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.spiking.paired import TRACES, TraceTimes, paired
from tasks import FAMILIES
from tasks.pairing import POST, PRE, PROTOCOLS, drive_of

FAMILY = FAMILIES["pairing"]


def change(rule, events, times):
    """Relative change of the weight by the network."""
    network, plasticity = paired(times), lower(rule)
    state = network.init(plasticity, jnp.ones((1, 1, 1, 1)))
    drive = {k: jnp.asarray(a)[..., None, None] for k, a in drive_of(events, len(events)).items()}
    step = jax.jit(
        lambda s: jax.lax.scan(
            lambda s, d: network.step(plasticity, s, d, jnp.ones((1, 1))), s, drive
        )[0]
    )
    return float(step(state).synapses.w[0, 0, 0, 0]) - 1


def plain_change(constants, events, times, nearest):
    """The same of triplet STDP as it is written down, with the times of all spikes."""
    w = 1.0
    a2p, a3p, a2m, a3m = (
        constants.get(k, 0.0) for k in ("a2_plus", "a3_plus", "a2_minus", "a3_minus")
    )
    for now, who in events:

        def left(kind, tau, now=now):
            past = [t for t, other in events if other == kind and t < now]
            return sum(np.exp(-(now - t) / tau) for t in (past[-1:] if nearest else past))

        if who == POST:
            w += left(PRE, times.pre_tr) * (a2p + a3p * left(POST, times.post_slow))
        else:
            w -= left(POST, times.post_tr) * (a2m + a3m * left(PRE, times.pre_slow))
    return w - 1


@pytest.mark.parametrize("delay", [-60.0, -10.0, -0.5, 0.5, 10.0, 60.0])
def test_the_window_of_pair_stdp(delay):
    times, rule = TraceTimes(), RULES["pair_stdp"]
    events = sorted([(100.0, PRE), (100.0 + delay, POST)])
    a_plus, a_minus = rule.constants["a_plus"], rule.constants["a_minus"]
    expected = (
        a_plus * np.exp(-delay / times.pre_tr)
        if delay > 0
        else -a_minus * np.exp(delay / times.post_tr)
    )
    assert change(rule, events, times) == pytest.approx(expected, abs=2e-7)
    other = change(RULES["pair_stdp_anti"], events, times)
    assert np.sign(other) == -np.sign(delay)
    assert change(RULES["pair_stdp_symmetric"], events, times) > 0


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize(
    "name", ["triplet_stdp_full", "triplet_stdp_hippocampus_full", "triplet_stdp_nearest"]
)
def test_protocols_are_those_of_a_plain_loop(name, nearest):
    times = TraceTimes(pre_slow=101.0, post_slow=125.0, nearest=nearest)
    rule = RULES[name]
    for protocol in (*PROTOCOLS["visual_cortex"][::3], *PROTOCOLS["hippocampus"][-6::2]):
        expected = plain_change(rule.constants, protocol.events, times, nearest)
        assert change(rule, protocol.events, times) == pytest.approx(expected, abs=2e-5)


def test_known_figures_of_the_triplet_rule():
    """Values of the published constants: 60 pairs a frequency here too, where the family has bursts."""
    minimal = TraceTimes(post_slow=114.0)
    for delay, figures in (
        (10.0, (0.0, 0.12, 0.23, 0.53, 0.76)),
        (-10.0, (-0.32, -0.33, -0.34, 0.17, 0.75)),
    ):
        for frequency, figure in zip((0.1, 10, 20, 40, 50), figures, strict=True):
            period = 1e3 / frequency
            pairs = [
                (i * period + s, who) for i in range(60) for s, who in ((0, PRE), (delay, POST))
            ]
            found = change(RULES["triplet_stdp"], sorted(pairs), minimal)
            scale = 0.05 if frequency < 40 else 0.25
            assert found == pytest.approx(figure, abs=scale), (delay, frequency)


def test_only_triplets_turn_from_depression_to_potentiation():
    options = FAMILY.options(data="visual_cortex_trains")
    arena = Arena(FAMILY, options, 0, "test", 10)
    names = ("frozen", "pair_stdp", "triplet_stdp_full")
    found = instances([RULES[n] for n in names], arena)
    chi = {n: -q.mean() for n, (q, _, _) in zip(names, found, strict=True)}
    assert chi["triplet_stdp_full"] < 2 < chi["frozen"]
    assert chi["triplet_stdp_full"] < chi["pair_stdp"] / 3


def test_every_trace_has_a_time_constant():
    assert set(TRACES) == set(TraceTimes._fields) - {"nearest"}
