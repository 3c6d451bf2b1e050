"""What several seeds are said to show: counts of paired tests against results whose answer is known."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from evolve.commands.run import launch_seeds
from evolve.config.run_config import RunConfig
from evolve.ranking.compare import Row
from evolve.report import seeds
from evolve.running.log import RunView
from substrate.rule import Rule
from tests.support.runs import SMALL


def row(name: str, scores: np.ndarray) -> Row:
    return Row(name, float(scores.mean()), 0.0, 1.0, scores.size, 0, 1.0, {}, scores[None])


def result(champion: float, seed: int) -> SimpleNamespace:
    """A run whose champion is so far from 'hebb', which is the best known, on each of 20 instances."""
    rng = np.random.default_rng(seed)
    noise, small = rng.random(20), 0.01 * rng.random(20)
    own = row("champion", 0.5 + noise + champion + small)
    rows = [own, row("hebb", 0.5 + noise), row("oja", 0.2 + noise), row("frozen", 0 * noise)]
    family = SimpleNamespace(rival="oja")
    config = SimpleNamespace(
        task="x", hardware="ideal", engine="auto", seed=seed, family=family, rates="fixed"
    )
    rule = Rule("champion", 1)
    return SimpleNamespace(
        config=config,
        stopped=False,
        rows=rows,
        champion_row=own,
        champion=SimpleNamespace(rule=rule, operators=3),
        history=[SimpleNamespace(generation=5)],
        evaluations=10,
        seconds=1.0,
        reached=None,
        fitness={},
        chips=None,
        known=None,
        complete=None,
    )


def test_seeds_are_counted_by_the_paired_test(capsys):
    """Better, worse and not told apart, whatever the instances differ by among themselves."""
    some = [result(0.1, 0), result(0.2, 1), result(-0.1, 2), result(-0.005, 3)]
    record = seeds.record(["a" * 32] * 4, some)
    assert record["against"]["hebb"] == {
        "better": 2,
        "not_told_apart": 1,
        "worse": 1,
        "higher_mean": record["against"]["hebb"]["higher_mean"],
    }
    assert record["against"]["best_known"] == record["against"]["hebb"]
    assert record["against"]["oja"]["better"] == record["against"]["frozen"]["better"] == 4
    assert [r["best_known"] for r in record["runs"]] == ["hebb"] * 4
    gap = record["runs"][1]["differences"]["oja"]
    assert gap["mean"] == pytest.approx(0.505, abs=0.01) and gap["p"] < 1e-4
    seeds.show(json.loads(json.dumps(record)), Path("else where"))
    shown = " ".join(capsys.readouterr().out.split())
    assert "beats hebb in 2 of 4 seeds (p < 0.01), not told apart in 1, worse in 1" in shown
    assert "hebbarium export aaaaaaaa --to python --runs 'else where'" in shown


def test_a_real_run_of_two_seeds_says_whom_it_beats(folder, few_baselines):
    more = {"variation": {}, "instances": {"validation": 10, "test": 20}}
    config = RunConfig(**SMALL | more, engine="interpreter")
    ids, results = launch_seeds(config, 2, folder, RunView())
    record = seeds.record(ids, results)
    assert set(record["against"]) == {"frozen", "hebb", "oja", "best_known"}
    for counts in record["against"].values():
        assert counts["better"] + counts["not_told_apart"] + counts["worse"] == 2
    assert record["against"]["frozen"]["better"] == 2
