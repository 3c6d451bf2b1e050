"""The public face: its names, its examples, its types, and that importing it costs next to nothing."""

import ast
import doctest
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import evolve
from evolve import (
    RULES,
    Rule,
    RunConfig,
    UserError,
    export,
    find_rule,
    load_run,
    names,
    rank,
    run,
)
from evolve.exports import TARGETS
from evolve.running import loop
from evolve.running.log import RunView
from tests.support.runs import SMALL

ROOT = Path(__file__).parent.parent
PACKAGES = ("substrate", "tasks", "rules_zoo", "evolve")

#: Records and tables whose meaning stands with the functions that take or give them.
WITHOUT_EXAMPLE = {
    *("Draw", "Episode", "Instance", "Options", "Outcome", "Reading", "Trace"),
    *("Run", "SearchResult", "StoredRun", "UserError"),
}
#: What a script can import without waiting for JAX.
LIGHT = (
    *("run", "rank", "export", "find_rule", "load_run", "Run", "StoredRun"),
    *("RunConfig", "Search", "SearchConfig", "SearchResult", "UserError"),
    *("Rule", "Slow", "RULES", "VOCABULARY", "PRE", "POST", "W", "names"),
)


def python(code: str, **how) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, **how
    )


@pytest.mark.parametrize("name", evolve.__all__)
def test_every_public_name_is_there_and_where_it_says(name):
    value = getattr(evolve, name)
    assert value is getattr(importlib.import_module(evolve._HOME[name]), name)
    assert name in dir(evolve)


def test_types_and_values_come_from_the_same_place():
    """What a type checker reads and what is imported at run time, name by name."""
    tree = ast.parse(Path(evolve.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {a.name: n.module for n in block.body for a in n.names}
    assert typed == evolve._HOME
    assert sorted(evolve.__all__) == sorted(typed)


def test_what_is_no_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = evolve.nothing
    with pytest.raises(ImportError):
        from evolve import nothing  # noqa: F401


def test_importing_names_does_not_import_jax():
    code = f"import sys; from evolve import {', '.join(LIGHT)}; print('jax' in sys.modules)"
    done = python(code)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, evolve; print({'jax', 'sympy', 'numpy', 'mlflow', 'deap'} & set(sys.modules))"
    )
    done = python(code)
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_every_package_says_that_it_is_typed():
    import tomllib

    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").read_bytes() == b""
        assert f"/{package}" in build["targets"]["wheel"]["include"]  # whole folders


def examples():
    """Every public function and class with its docstring's examples."""
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=False)
    for name in ["", *evolve.__all__]:
        value = getattr(evolve, name) if name else evolve
        if inspect.isroutine(value) or inspect.isclass(value) or not name:
            (test,) = finder.find(value, name or "evolve", globs={})
            yield pytest.param(test, id=test.name)


@pytest.mark.parametrize("example", list(examples()))
def test_examples_give_what_they_say(example, tmp_path, monkeypatch):
    if not example.examples:
        assert example.name in WITHOUT_EXAMPLE, "a public name needs an example in its docstring"
        return
    monkeypatch.chdir(tmp_path)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    failed, tried = runner.run(example, out=report.append)
    assert tried and not failed, "".join(report)
    assert not list(tmp_path.iterdir()), "an example writes nothing"


def test_a_run_without_a_store_writes_nothing_and_finds_the_same(
    few_baselines, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    config, seen = RunConfig(seed=3, **SMALL), []
    found = run(config, on_generation=seen.append)
    plain = loop.run(config, RunView())
    assert not list(tmp_path.iterdir())
    assert found.id is None and not found.stopped
    assert (
        [p.stats for p in found.history]
        == [p.stats for p in plain.history]
        == [p.stats for p in seen]
    )
    assert found.champion == plain.champion.rule
    assert found.score == plain.champion_row.score
    assert [(r.rule, r.score) for r in found.rows] == [(r.rule, r.score) for r in plain.rows]
    assert len(found.front) == len(plain.front)
    assert str(found).startswith("pca, seed 3: ") and f"{found.score:.3f}" in str(found)


def test_a_stored_run_is_read_back(folder, few_baselines):
    found = run("pca", folder, seed=4, **SMALL | {"stop": {"generations": 10}})
    stored = load_run(found.id[:8], folder)
    assert (stored.id, stored.name, stored.task, stored.status) == (
        found.id,
        "pca-4",
        "pca",
        "finished",
    )
    assert stored.champion.equations == found.champion.equations
    assert stored.config.flat() == found.config.flat()
    assert stored.score == pytest.approx(found.score, abs=1e-6)
    assert stored.metrics["test_score"] == pytest.approx(found.score)
    best = stored.history("best")
    assert [g for g, _ in best] == list(range(11))
    assert [b for _, b in best] == pytest.approx([p.stats.best for p in found.history])
    assert stored.provenance["task"] == "pca" and "pca-4" in str(stored)
    table = rank(
        "pca", [stored.champion, found.id[:8]], instances=10, options=SMALL["options"], runs=folder
    )
    assert table.rows[0].score == table.rows[1].score
    assert export(found.id[:8], "json", runs=folder) == export(
        stored.champion, "json", provenance=stored.provenance
    )
    with pytest.raises(UserError, match=r"no metric 'nothing'\. It has: best"):
        stored.history("nothing")


def test_settings_are_laid_over_a_configuration():
    base = RunConfig(variation={"islands": 2, "selection": "nsga2"})
    from evolve.api.run import _configured

    changed = _configured(base, {"seed": 5, "variation": {"parents": 6}})
    assert (changed.seed, changed.variation.islands, changed.variation.parents) == (5, 2, 6)
    assert changed.variation.selection == "nsga2"
    assert _configured(base, {}) is base


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: run("pcaa"), "Did you mean 'pca'"),
        (lambda: run("pca", genes={"columns": 0}), "genes.columns"),
        (lambda: run("pca", variation={"start": "ojaa"}), "Did you mean 'oja'"),
        (lambda: rank("pca", instances=5), "instances = 5"),
        (lambda: rank("pca", ["ojaa"]), "Did you mean 'oja'"),
        (lambda: rank("pca", options={"nothing": 1}), "nothing"),
        (lambda: rank("pca", ["delta"], instances=10), "reads err"),
        (lambda: export("oja", "cobol"), "cobol"),
        (lambda: export("post*"), "no rule"),
        (lambda: find_rule("1a2b"), "where runs are kept"),
        (lambda: load_run("1a2b", "/nowhere"), "empty"),
    ],
)
def test_what_a_person_gets_wrong_is_one_message(call, says):
    with pytest.raises(UserError, match=says):
        call()


def test_rules_are_exported_to_every_target_by_name_and_by_value():
    for target in TARGETS:
        if target not in ("loihi", "bss2"):
            assert export("oja", target) == export(RULES["oja"], target)
    text = export(Rule("mine", names("pre")[0]), "python", provenance={"lab": "ours"})
    assert "lab: ours" in text
