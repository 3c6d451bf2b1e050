"""The family `anticipation`: the published figures of the predictive neuron through it, and what its epochs hold."""

import numpy as np
import pytest

from evolve.evaluation.arena import Arena, Bounds, Scores
from rules_zoo import RULES
from substrate.errors import UserError
from tasks import FAMILIES
from tasks.anticipation import DT, LATE
from tasks.base import draw_instances
from tests.support.scores import score_compiled

FAMILY = FAMILIES["anticipation"]


def measured(name: str, instances: int = 10, **options) -> Scores:
    """Qualities without the normalisation."""
    arena = Arena(FAMILY, FAMILY.options(**options), 0, "test", instances)
    shape = len(arena.settings), arena.instances
    return score_compiled(RULES[name], arena, Bounds(np.zeros(shape), np.ones(shape)))


def test_the_first_spike_moves_from_6_8_to_3_7_ms():
    """4.8 and 1.7 ms after the first of two inputs, which are 4 ms apart; spikes stay where nothing learns."""
    metrics = measured("saponati2023", protocol="two_inputs").metrics
    np.testing.assert_allclose(metrics["first_spike_before_ms"], 4.8, atol=0.1)
    np.testing.assert_allclose(metrics["first_spike_ms"], 1.7, atol=0.1)
    still = measured("frozen", protocol="two_inputs").metrics
    np.testing.assert_allclose(still["first_spike_ms"], 4.8, atol=0.1)


@pytest.mark.parametrize(
    ("tau", "ratios"),
    [(10.0, (1.41, 1.13, 0.97, 0.985)), (20.0, (1.39, 1.21, 0.78, 0.85))],
)
def test_pairs_of_spikes_give_the_known_ratios(tau, ratios):
    metrics = measured("saponati2023", 20, protocol="pairs", tau=tau).metrics
    for delay, known in zip(("+10", "+20", "-10", "-20"), ratios, strict=True):
        found = metrics[f"ratio_{delay}_ms"]
        assert np.isfinite(found).sum() == 5
        assert np.nanmedian(found) == pytest.approx(known, abs=0.03)


def test_the_predictive_neuron_is_the_best_of_its_rivals():
    """It spikes a few times and early; Hebb's rule is as early, with hundreds of spikes."""
    found = {n: measured(n, epochs=200) for n in ("saponati2023", "oja", "hebb", "frozen")}
    mean = {n: s.quality.mean() for n, s in found.items()}
    assert mean["saponati2023"] > mean["frozen"] + 0.4
    assert mean["hebb"] < mean["saponati2023"] and mean["frozen"] < mean["oja"]
    spikes = {n: np.median(s.metrics["spikes"]) for n, s in found.items()}
    assert spikes["saponati2023"] < 10 < spikes["hebb"]


def test_inputs_come_in_order_and_the_rest_at_their_rate():
    (setting,) = FAMILY.build(FAMILY.options(epochs=400, background=20.0))
    episode = draw_instances(setting, (0, 0), "train", range(10))
    spikes, onset = episode.drive["spikes"][..., 0], episode.drive["onset"][:, 0, :, 0]
    own = DT * spikes[:, 0, :10] - onset[:, None]
    assert np.abs(own - 2.0 * np.arange(10)[:, None]).max() < 1.0 + DT
    assert np.all(spikes[:, 0, 10:] == -1)
    # Rates are uniform on 0 to 20 Hz, so 0.8 spikes in 80 ms on average, of 200 lines.
    assert (spikes[:, 1:] >= 0).sum(axis=1).mean() == pytest.approx(0.8, rel=0.15)
    assert spikes.max() * DT < 80.0
    assert np.sum(episode.drive["group"][:, 0, 0, 0] == 1) == LATE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 20.0}, "window = 20 ms is too short.*at least"),
        ({"protocol": "pairs", "tau": 15.0}, "10 and 20 ms"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises((UserError, ValueError), match=message):
        FAMILY.options(**options)
