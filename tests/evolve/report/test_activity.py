"""Pictures of what networks do: every family that declares some gets them, and no run is lost for one."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from evolve.commands.run import launch
from evolve.config.run_config import RunConfig
from evolve.report import activity
from evolve.running.log import RunView
from rules_zoo import RULES
from tasks import FAMILIES

OPTIONS = {
    "pattern_separation": {"samples": 100},
    "dentate": {"probes": 4, "samples": 2},
    "sequence_learning": {"lengths": (4, 6)},
    "associative_memory": {"units": 20, "loads": (0.1, 0.4)},
    "elise": {"teaching": 20},
    "anticipation": {"epochs": 30},
}
PICTURES = {
    "pattern_separation": {"similarity", "weights"},
    "dentate": {"similarity", "weights"},
    "sequence_learning": {"replay", "weights"},
    "associative_memory": {"recall", "weights"},
    "elise": {"replay", "weights"},
    "anticipation": {"spikes", "weights"},
}


def found(task: str, champion: str, **options):
    """A run that found a rule of the zoo."""
    config = RunConfig(task=task, options={**OPTIONS[task], **options})
    rule = RULES[champion].renamed("champion")
    return SimpleNamespace(config=config, champion=SimpleNamespace(rule=rule))


@pytest.mark.parametrize("task", OPTIONS)
def test_families_of_circuits_have_pictures_of_champion_and_rival(task):
    figures = activity.scenes(found(task, FAMILIES[task].rival))
    assert set(figures) == PICTURES[task]
    for figure in figures.values():
        image = io.BytesIO()
        figure.savefig(image, format="png", dpi=50)
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert {"champion", FAMILIES[task].rival} <= set(titles)


def test_weights_are_those_before_and_after_learning():
    """Frozen ones do not change; those of the rival do."""
    figure = activity.scenes(found("pattern_separation", "frozen"))["weights"]
    before, champion, rival = (np.asarray(a.images[0].get_array()) for a in figure.axes[:3])
    np.testing.assert_array_equal(before, champion)
    assert not np.allclose(before, rival)


def test_other_families_have_none_of_these():
    result = SimpleNamespace(config=RunConfig(task="pca"), champion=None)
    assert activity.scenes(result) == {}


def test_a_run_draws_them_and_is_not_lost_for_one(folder, few_baselines, monkeypatch):
    config = RunConfig(
        task="pattern_separation",
        options={"samples": 20, "outputs": 4},
        instances={"train": 10, "validation": 10, "test": 10},
        stop={"generations": 2},
        variation={"islands": 4},
    )
    run, result = launch(config, folder, RunView())
    names = {p.name for p in (folder / "artifacts" / run / "artifacts").iterdir()}
    assert {"similarity.png", "weights.png", "curve.png"} <= names
    assert "notes.txt" not in names

    def broken(result):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(activity, "scenes", broken)
    run, again = launch(config, folder, RunView())
    kept = folder / "artifacts" / run / "artifacts"
    assert "of all things" in (kept / "notes.txt").read_text()
    assert (kept / "curve.png").exists() and again.champion.operators == result.champion.operators
