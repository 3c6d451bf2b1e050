"""The family `elise`: what a melody asks of memory, how a correlation is aligned, that only its rule plays alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from evolve.evaluation import compiled
from evolve.evaluation.arena import Arena, Bounds, Scores
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.errors import UserError
from substrate.simulate import simulate
from tasks import FAMILIES
from tasks.base import draw_instances
from tasks.elise import AFTER, BEFORE, HEARD, correlations, melody_of, remembers
from tests.support.scores import score_compiled

FAMILY = FAMILIES["elise"]


def measured(name: str, options, instances: int = 10, seed: int = 0) -> Scores:
    """Correlations without the normalisation."""
    arena = Arena(FAMILY, options, seed, "test", instances)
    shape = len(arena.settings), arena.instances
    return score_compiled(RULES[name], arena, Bounds(np.zeros(shape), np.ones(shape)))


def test_a_melody_is_played_without_teacher_by_the_published_rule_alone():
    """Half of the teaching; Hebb's rule copies the teacher and plays nothing, as does a network at rest."""
    options = FAMILY.options(teaching=100)
    arena = Arena(FAMILY, options, 0, "test", 10)
    raw = compiled.instances([RULES[name] for name in ("elise", "hebb", "frozen")], arena)
    own, hebb, frozen = (np.median(quality) for quality, _, _ in raw)
    assert own > 0.7
    assert hebb < 0.4 and frozen < 0.4


@pytest.mark.slow
def test_the_published_size_is_learned_in_eight_of_ten_networks():
    """And found again after a disturbance; the schedule was chosen on training instances of another seed."""
    scores = measured("elise", FAMILY.options(size="published"), 20, seed=4001)
    found, recovered = scores.quality[0, 0], scores.metrics["recovered"][0, 0]
    print("replay", found.round(3), "recovered", recovered.round(3))
    assert np.mean(found >= 0.9) >= 0.8
    assert np.mean(recovered >= found - 0.1) >= 0.8


def test_melodies_need_a_memory():
    assert remembers(np.array([6, 0, 1, 0, 1, 0, 4, 2, 3, 5, 5, 5]))
    assert not remembers(np.array([0, 1, 2, 0, 1, 2]))
    rng, options = np.random.default_rng(0), FAMILY.options(visible=3, notes=5)
    for _ in range(50):
        drawn = melody_of(rng, options)
        assert remembers(drawn) and np.all(drawn != np.roll(drawn, 1))


def test_a_correlation_is_the_best_of_all_alignments():
    """Against NumPy: shifted copies correlate fully whatever their gain, noise hardly."""
    rng = np.random.default_rng(0)
    notes = np.eye(4)[[0, 1, 0, 2, 3]]
    whole = np.repeat(notes, 10, axis=0)
    heard = np.stack([0.3 * np.roll(whole, 7, axis=0) + 0.1, rng.random(whole.shape)])
    found = correlations(*(jnp.asarray(a)[..., None, None] for a in (heard, notes)))[:, 0, 0]
    theory = max(
        np.corrcoef(np.roll(whole, k, axis=0).ravel(), heard[1].ravel())[0, 1] for k in range(50)
    )
    np.testing.assert_allclose(found, [1.0, theory], atol=1e-5)


def test_what_is_heard_is_the_replay_and_what_follows_the_disturbance():
    """Every slot is written once, in order, and the teacher is there only in teaching and disturbance."""
    (setting,) = FAMILY.build(FAMILY.options(teaching=4))
    drive = {
        k: v[..., 0] for k, v in draw_instances(setting, (0, 0), "train", range(1)).drive.items()
    }
    assert len(drive["slot"]) == 4 + BEFORE + AFTER
    slots = drive["slot"].ravel()
    assert slots[slots >= 0].tolist() == list(range(HEARD))
    taught = drive["pull"][..., 0, 0].any(axis=1)
    assert np.flatnonzero(taught).tolist() == [0, 1, 2, 3, 4 + BEFORE]
    assert slots[4 + BEFORE] == BEFORE
    assert drive["pull"][4 + BEFORE, :, 0, 0].astype(bool).tolist() == [True] * 2 + [False] * 4
    rate_factor = drive["rate_factor"].ravel()
    np.testing.assert_allclose(rate_factor[[0, 3, -1]], [1, 0.05, 0.05], rtol=1e-5)


def test_a_lane_that_dies_leaves_the_clock_to_the_others():
    """Two rules in one program: that one explodes changes nothing for the other."""
    (setting,) = FAMILY.build(FAMILY.options(teaching=20))
    episode = draw_instances(setting, (0, 0), "train", range(2))
    plasticity = lower(RULES["elise"])
    run = jax.jit(
        lambda e, rates: simulate(
            setting.network, plasticity, e, rates, setting.reading, rates.shape[1]
        )
    )
    both, alone = (run(episode, jnp.array([rates])) for rates in ((0.2, 1e9), (0.2,)))
    assert both.alive.tolist() == [[True, False]] * 2
    np.testing.assert_allclose(both.gathered[..., 0], alone.gathered[..., 0], atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"melody": (0, 9)}, "note 9.*visible=10"), ({"dt": 0.3}, "0.3 does not divide")],
)
def test_what_cannot_be_played_is_refused(options, message):
    with pytest.raises((UserError, ValueError), match=message):
        FAMILY.options(**options)


def test_the_published_size_can_be_asked_for_in_part():
    options = FAMILY.options(size="published", teaching=10)
    assert (options.visible, options.latent, options.length, options.teaching) == (7, 30, 12, 10)
