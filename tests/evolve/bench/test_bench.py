"""The benchmark measures what it says, reads peers' lines, and refuses what it does not understand."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evolve.bench import engine, peers, report, start
from evolve.bench.figures import Figure, in_turns, ratio
from evolve.bench.workloads import FULL, QUICK, published, random_rules, training, updates, wide
from evolve.config.run_config import RunConfig
from evolve.config.settings import load, validated
from evolve.evaluation.interpreter import Interpreter
from evolve.report.terminal import Page
from evolve.report.watch import Watch
from evolve.running.result import Progress
from evolve.search.islands import GenerationStats
from rules_zoo import RULES
from substrate.compilation.graph import from_rule
from substrate.errors import UserError

ROOT = Path(__file__).parents[3]
TINY = replace(
    QUICK,
    repeats=1,
    rules=8,
    wide_rules=4,
    alone=1,
    samples=100,
    wide_samples=100,
    layer=(8, 3, 20),
    searches=((8, 5, 3),),
    together=2,
    seeds=1,
    to_oja=2,
    default={"options": {"dimensions": [2], "samples": 100}, "genes": {"columns": 8}},
)
SEARCH = {"style": "vector", "ms_per_evaluated_rule": 27.0}
LIMIT = {"what": "one rule by hand, one core", "us_per_rule": 36.1, "million_updates_per_s": 997}


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """A report of engine and search on tiny sizes, beside two peers, as JSON shows it."""
    file = tmp_path_factory.mktemp("peers") / "lines.txt"
    file.write_text(f"a warning\n{json.dumps(SEARCH)}\n{json.dumps(LIMIT)}\n")
    lines = peers.read(file)
    parts = [report.measure(part, TINY, lines, lambda text: None) for part in ("engine", "search")]
    return {key: {**parts[0][key], **parts[1][key]} for key in ("figures",)} | {
        "beside": parts[0]["beside"] + parts[1]["beside"],
        **{key: parts[0][key] for key in ("cores", "load", "jax", "hebbarium", "parts")},
    }


def test_every_figure_has_a_median_within_its_spread(record):
    for name, figure in record["figures"].items():
        if figure["n"]:
            assert figure["min"] <= figure["median"] <= figure["max"], name
        else:
            assert figure["reached"] == 0, name
        assert figure["unit"] and figure["better"] in ("less", "more")


def test_the_report_has_what_it_promises(record):
    names = set(record["figures"])
    for data in ("published", "wide"):
        for what in ("rules_per_second", "updates_per_second", "compile_seconds", "share_of_alone"):
            assert f"engine.{data}.{what}" in names
    for what in ("oja.speed_of_hand", "oja_subspace.speed_of_hand"):
        assert record["figures"][f"engine.layer.{what}"]["difference"] < 1e-5
    assert {"search.published.variance.8.single", "search.published.variance.8.together"} <= names
    judged = record["figures"]["search.published.variance.8.single.judged"]
    assert judged["judged"] == judged["children"] - judged["silent"] >= judged["rules"]
    assert {"search.to_oja.default.seconds", "search.to_oja.published.evaluations"} <= names


def test_peers_are_set_beside_ours(record):
    rows = {(r["figure"], r["peer"]): r for r in record["beside"]}
    single = "search.published.variance.8.single"
    row = rows[single, "peer: vector, columns not said"]
    assert row["theirs"] == 27_000
    assert row["ratio"] == pytest.approx(27_000 / record["figures"][single]["median"])
    row = rows["engine.published.us_per_rule", LIMIT["what"]]
    assert row["ratio_per_core"] == pytest.approx(row["ratio"] / record["cores"])
    assert (single, LIMIT["what"]) in rows
    assert ("engine.wide.us_per_rule", LIMIT["what"]) not in rows


def test_the_table_shows_every_figure(record, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    report.show(record)
    shown = capsys.readouterr().out
    assert all(figure["what"] in shown for figure in record["figures"].values())
    assert "columns not said" in shown


def test_a_report_of_ours_is_a_peer_too(tmp_path):
    figure = Figure("engine.x", "x", "rules/s", "more", (4.0, 5.0, 6.0))
    file = tmp_path / "earlier.json"
    file.write_text(json.dumps({"hebbarium": "0.0", "figures": {"engine.x": {"median": 2.5}}}))
    (row,) = peers.compare([figure], peers.read(file), 2)
    assert (row["ratio"], row["peer"]) == (2.0, "hebbarium 0.0")


def test_a_peer_that_says_its_columns_is_set_beside_those_only():
    figures = [
        Figure(
            f"search.published.variance.{c}.single", "", "us a rule", "less", (1.0,), {"columns": c}
        )
        for c in (20, 1000)
    ]
    peer = {"kind": "search", "ms_per_evaluated_rule": 126, "columns": 1000}
    assert [r["figure"] for r in peers.compare(figures, [peer], 2)] == [figures[1].name]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nothing here", "no line that begins with a brace"),
        ("{broken", "line 1 is not valid JSON"),
        ('{"speed": 3}', "has the keys speed"),
        ('\n{"ms_per_evaluated_rule": "fast"}', "line 2: ms_per_evaluated_rule = 'fast'"),
        ('{"ms_per_evaluated_rule": 0}', "must be a number above 0"),
        ('{"hebbarium": "1", "figures": []}', "`figures` is no object"),
    ],
)
def test_a_bad_line_is_refused(tmp_path, text, words):
    file = tmp_path / "peer.json"
    file.write_text(text)
    with pytest.raises(UserError, match=r"A peer's line is|must be") as refused:
        peers.read(file)
    assert words in str(refused.value)


def test_a_missing_file_and_an_unknown_part_are_refused(tmp_path):
    with pytest.raises(UserError, match="Cannot read the peer's file"):
        report.command("all", True, [tmp_path / "none.json"], json=True)
    with pytest.raises(UserError, match="Did you mean 'engine'"):
        report.command("engin", True, [], json=True)


def test_a_limit_of_another_size_is_refused():
    with pytest.raises(UserError, match="is of 100 updates a rule"):
        peers.compare(
            [], [{"kind": "limit", **LIMIT, "us_per_rule": 1, "million_updates_per_s": 100}], 2
        )


def test_the_published_search_is_that_of_the_configuration_file():
    given = validated(RunConfig, load(ROOT / "runs" / "mettler2021_pca.toml"), "")
    more = {"options": {"fitness": "angle"}, "genes": {"columns": 1000}}
    ours = published(FULL, **more, stop={"generations": 2000, "score": 0.9967})
    assert ours.flat() == given.flat()
    assert (updates(ours), updates(wide(FULL))) == (36_000, 400_000)


def test_random_rules_are_of_the_size_and_stay_finite():
    config = published(TINY)
    interpreter = Interpreter(training(config), config.machines, 8)
    graphs = random_rules(config, 8, interpreter)
    assert len(graphs) == 8 and all(5 <= len(g.nodes) <= 9 for g in graphs)
    codes = [interpreter.schedule(g) for g in graphs]
    assert not interpreter.score(codes).diverged.any()


def test_the_numpy_loop_learns_what_the_platform_learns():
    config = published(TINY)
    arena = training(config)
    w = engine.numpy_weights(from_rule(RULES["oja"]), arena)
    component = arena.episodes[0].target["component"][0, :, :, 0].T
    cosine = np.abs((w * component).sum(axis=1)) / np.linalg.norm(w, axis=1)
    interpreter = Interpreter(arena, config.machines, 1)
    scores = interpreter.score([interpreter.schedule(from_rule(RULES["oja"]))], full=True)
    np.testing.assert_allclose(cosine, scores.metrics["cos_end"][0, 0], atol=1e-4)


def test_the_first_generation_is_recognised_in_what_a_run_says():
    out = io.StringIO()
    view = Watch("pca, seed 0", Page(stream=out), generations=5)
    view.phase("searching")
    stats = GenerationStats(0.5, 0.4, children=4, evaluated=4, cached=0, silent=0, diverged=0)
    view.generation(Progress(stats, 0, 4, 0.1))
    first, said = start._first_generation(io.StringIO(out.getvalue()), 0.0)
    assert first is not None and "searching" in said
    assert start._first_generation(io.StringIO("nothing\n"), 0.0)[0] is None


def test_turns_and_ratios():
    order = []
    work = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = in_turns(work, 2)
    assert order == list("ababab") and all(len(s) == 2 for s in seconds.values())
    low, middle, high = ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    assert (low, middle, high) == (2.0, 2.0, 3.0)
