"""`hebbarium survey` as a person meets it."""

import json
import sys

import numpy as np
import pytest

from evolve.__main__ import main
from evolve.commands.survey import launch
from evolve.config.run_config import RunConfig
from evolve.config.survey_config import SurveyConfig
from evolve.ranking.recognise import keys, recognise
from evolve.report import survey as report
from evolve.running.log import RunView
from evolve.running.survey import _evolved
from evolve.survey.forecast import listed
from evolve.tracking.store import Store
from rules_zoo import RULES
from substrate.compilation.graph import from_rule

SMALL = RunConfig(
    options={"dimensions": [2], "samples": 1000},
    instances={"train": 10, "validation": 20, "test": 20},
    engine="interpreter",
)


@pytest.fixture
def hebbarium(monkeypatch, capsys):
    """The command in this process, which spares the imports."""

    def call(*words, check=0):
        monkeypatch.setattr(sys, "argv", ["hebbarium", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
            raise SystemExit(0)
        assert (ended.value.code or 0) == check
        return capsys.readouterr()

    return call


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    """The id, the result and the folder of one survey."""
    folder = tmp_path_factory.mktemp("runs")
    run_id, result = launch(SMALL, SurveyConfig(size=3, rates=5), folder, RunView())
    return run_id, result, folder


def test_at_equal_rates_the_best_of_all_short_rules_is_ojas(surveyed):
    _, result, _ = surveyed
    record = report.record("run", result)
    assert record["rules"] == 1102 and record["rules_by_operations"] == [3, 19, 128, 952]
    assert record["complete_up_to"] == 3 and record["status"] == "finished"
    assert record["champion"]["known_rule"] == "oja"
    assert record["champion"]["expression"] == "post*(pre - post*w)"
    rates = {name: own["rate_factor"] for name, own in record["baselines"].items()}
    assert rates["oja"] == record["champion"]["rate_factor"] > 1
    assert record["champion"]["score"] == pytest.approx(record["baselines"]["oja"]["score"])
    assert [one["operations"] for one in record["best_of_size"]] == [0, 1, 2, 3]


def test_a_survey_leaves_everything_in_the_store(surveyed):
    run_id, result, folder = surveyed
    artifacts = Store(folder).files.artifacts(run_id)
    names = {path.name for path in artifacts.iterdir()}
    wanted = {"champion.json", "champion.py", "champion.tex", "best.csv", "summary.md"}
    assert wanted | {"scores.npz", "scores.png"} <= names
    kept = np.load(artifacts / "scores.npz")
    assert len(kept["keys"]) == 1102 and kept["exact"].sum() == result.scores.exact.sum()
    lines = (artifacts / "best.csv").read_text().splitlines()
    assert len(lines) == len(result.close) + 1 and sum(",yes," in line for line in lines) == 1
    (listed,) = Store(folder).list()
    assert listed.champion == "post*(pre - post*w)"


def test_the_end_says_what_is_certain(surveyed, capsys):
    run_id, result, folder = surveyed
    report.show(run_id, result, folder)
    text = capsys.readouterr().out
    assert "Complete: all 1,102 rules of up to 3 operations, distinct" in text
    assert "This is the known rule oja." in text
    assert "within one standard error of the best" in text


def test_slow_variables_and_other_functions(tmp_path, monkeypatch):
    monkeypatch.setattr("evolve.running.survey.baselines", lambda arena, names: [RULES["oja"]])
    genes = {"slow": ["s"], "primitives": ["mul", "div", "tanh"], "constants": [0.5]}
    options = {"dimensions": [2], "samples": 200}
    config = RunConfig(**{**SMALL.model_dump(), "genes": genes, "options": options})
    how = SurveyConfig(size=2, up_to="factor", keep=10)
    _, result = launch(config, how, tmp_path, RunView())
    assert not result.stopped and len(result.close) == 10
    assert any(one.rule.slow for one in result.close)


def test_a_rule_that_reads_no_slow_variable_is_recognised_beside_one():
    config = RunConfig(genes={"slow": ["s"], "primitives": ["sub", "mul"]})
    found, _ = listed(config, SurveyConfig(size=3))
    key = (keys(from_rule(RULES["oja"]))["dw"], 0)
    (place,) = (i for i in range(len(found)) if found.keys(i) == key)
    rule = _evolved(config, found, place, "own")
    assert not rule.slow
    assert recognise(rule, RULES.values()) == ("oja", 1)


def test_on_a_chip_only_rules_that_it_can_run_are_listed(monkeypatch):
    """Our chips run all sums and products so short; a stand-in has no squares."""

    def refusal(profile, graph):
        return ["squares"] * any(node.a == node.b for node in graph.nodes)

    monkeypatch.setattr("evolve.survey.forecast.graph_violations", refusal)
    config = RunConfig(hardware="loihi1", genes={"primitives": ["sub", "mul"]})
    ideal, _ = listed(RunConfig(genes=config.genes), SurveyConfig(size=2))
    found, forecast = listed(config, SurveyConfig(size=2))
    assert 0 < len(found) == forecast.rules < len(ideal)
    assert not any(refusal(None, found.graph(i)) for i in range(len(found)))


def test_a_survey_runs_on_a_chip(tmp_path, monkeypatch):
    monkeypatch.setattr("evolve.running.survey.baselines", lambda arena, names: [RULES["oja"]])
    counts = {"train": 10, "validation": 10, "test": 10}
    config = RunConfig(**{**SMALL.model_dump(), "hardware": "loihi1", "instances": counts})
    _, result = launch(config, SurveyConfig(size=1), tmp_path, RunView())
    assert not result.stopped
    assert {row.rule for row in result.rows} >= {one.rule.name for one in result.best_of_size}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["pca", "--terminals", "pre,posst"], "Did you mean 'post'"),
        (["pca", "--primitives", "plus"], "primitive"),
        (["pca", "--terminals", "error"], "error"),
        (["pca", "--up-to", "sign"], "up_to"),
        (["pca", "--set", "genes.evolved_constants=2"], "--constants"),
        (["pca", "--size", "11"], "What would fit: size"),
        (["nothing"], "nothing"),
    ],
)
def test_what_cannot_be_surveyed_is_refused(words, complaint, tmp_path, hebbarium):
    done = hebbarium("survey", *words, "--runs", tmp_path / "runs", check=2)
    assert complaint in done.err
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_counts_and_scores_nothing(hebbarium):
    done = hebbarium("survey", "pca", "--size", 5, "--dry-run", "--json")
    assert json.loads(done.out)["rules_by_operations"] == [3, 19, 128, 952, 7502, 61479]
