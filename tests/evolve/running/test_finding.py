"""The best rule of a search in a form that can be kept, also where the very best has none."""

import os
import signal
import sys
from types import SimpleNamespace

import pytest

from evolve.commands.run import launch
from evolve.config.run_config import RunConfig, Stop
from evolve.report import artifacts
from evolve.running import finding, select_champion
from evolve.running.finding import best_so_far, refusal
from evolve.running.log import RunView
from evolve.search.individual import Individual
from evolve.tracking.find_rule import find_rule
from evolve.tracking.store import Store
from substrate.compilation.graph import Graph, Node
from substrate.errors import UserError
from tests.support.runs import SMALL

pytestmark = pytest.mark.usefixtures("few_baselines")


def individual(score, *nodes):
    graph = Graph(nodes, {"dw": len(nodes) - 1})
    return Individual((), SimpleNamespace(graph=graph, key=graph), score)


PRODUCT = individual(0.4, Node("mul", "pre", "post"))
SUM = individual(0.3, Node("add", "pre", "w"))
#: Stands for a rule that has no form that can be kept, see `refusing`.
TOWER = individual(0.9, Node("mul", "w", "w"), *(Node("mul", i, i) for i in range(39)))


@pytest.fixture
def refusing(monkeypatch):
    """Rule files that hold no power of w."""
    write = finding.to_json

    def limited(rule, *words):
        if "w**" in str(rule.equations["dw"]):
            raise UserError("no file holds this power")
        return write(rule, *words)

    monkeypatch.setattr(finding, "to_json", limited)


def state(hall, front=()):
    return SimpleNamespace(hall=hall, front={i.size: i for i in front}, generation=7)


def test_the_best_rule_is_found_with_its_score():
    found = best_so_far(RunConfig(), state([PRODUCT, SUM]))
    assert (str(found.rule.equations["dw"]), found.score, found.generation) == ("post*pre", 0.4, 7)
    assert found.unwritable == "" and refusal(found.rule) is None


@pytest.mark.parametrize("front", [(), (PRODUCT,)])
def test_a_better_rule_that_no_file_holds_is_kept_as_text(front, refusing):
    found = best_so_far(RunConfig(), state([TOWER] if front else [TOWER, PRODUCT], front))
    assert found.score == 0.4
    score, reason, text = found.unwritable.split("\t")
    assert float(score) == 0.9 and "no file holds" in reason and "w**" in text


def test_where_nothing_can_be_kept_there_is_nothing(refusing):
    assert best_so_far(RunConfig(), state([TOWER])) is None


def test_a_rule_that_cannot_even_be_written_is_described_by_its_operations(monkeypatch):
    def broken(config, individual):
        raise RecursionError("too deep")

    monkeypatch.setattr(finding, "written", broken)
    assert "('mul', 'pre', 'post')" in finding._described(RunConfig(), PRODUCT)


def small(**genes):
    return RunConfig(seed=1, **{**SMALL, "genes": {**SMALL["genes"], **genes}})


class Noted(RunView):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_rules_of_the_front_that_nothing_can_run_are_left_out(folder, monkeypatch):
    """Whatever the reason; the run ends with the best of the others, and says so."""
    count = select_champion.rule_complexity

    def refusing(rule):
        found = count(rule)
        if found.operators > 1:
            raise OverflowError("a power that nothing can run")
        return found

    monkeypatch.setattr(select_champion, "rule_complexity", refusing)
    monkeypatch.setattr(artifacts, "draw_pictures", lambda *words: None)
    view = Noted()
    run_id, result = launch(small(), folder, view)
    assert result.champion.operators <= 1
    assert any("is left out (OverflowError: a power" in note for note in view.notes)
    row = Store(folder).find(run_id)
    assert row.status == "finished" and row.score is not None
    assert "left out" in (Store(folder).artifact(run_id, "notes.txt")).read_text()


class Asking(RunView):
    """Sends this process a signal when the search is under way."""

    def __init__(self, number):
        self.number = number

    def generation(self, progress):
        if progress.generation == 5:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_search_and_keeps_what_it_found(name, folder, monkeypatch):
    """As a batch system or a closed terminal sends it; `test_faults` has every phase and fault."""
    number = getattr(signal, name, None)
    if number is None or sys.platform == "win32":
        pytest.skip(f"no {name} here")
    monkeypatch.setattr(artifacts, "draw_pictures", lambda *words: None)
    every = select_champion.baselines
    monkeypatch.setattr(select_champion, "baselines", lambda arena, *_: every(arena, ("oja",)))
    config = small().model_copy(update={"stop": Stop(generations=1_000_000)})
    run_id, result = launch(config, folder, Asking(number))
    assert result.stopped and len(result.history) < 20
    row = Store(folder).find(run_id)
    assert (row.status, row.score is not None) == ("stopped", True)
    assert str(find_rule(run_id, Store(folder)).dw) == str(result.champion.rule.dw)


@pytest.mark.parametrize("broken", ["summary", "front_csv", "export", "tags"])
def test_an_artifact_that_fails_costs_itself_alone(broken, folder, monkeypatch):
    def fail(*words, **named):
        raise MemoryError("of all things")

    if broken == "tags":
        monkeypatch.setattr("evolve.tracking.run_log.RunLog.tags", fail)
    else:
        monkeypatch.setattr(artifacts, broken, fail)
    view = Noted()
    run_id, _ = launch(small(), folder, view)
    assert any("MemoryError: of all things" in note for note in view.notes)
    store = Store(folder)
    assert store.find(run_id).status == "finished"
    assert find_rule(run_id, store).equations.keys() == {
        "dw"
    }  # of the search, if the champion failed
    kept = {p.name for p in store.files.artifacts(run_id).iterdir()}
    assert {"champion.json", "curve.png", "notes.txt"} <= kept


@pytest.mark.parametrize(
    "broken", ["choose_champion", "_ranked", "_fronts"], ids=lambda name: name.strip("_")
)
def test_where_choosing_or_measuring_fails_the_best_rule_of_the_search_is_kept(
    broken, folder, monkeypatch
):
    def fail(*words, **named):
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(select_champion, broken, fail)
    with pytest.raises(ValueError, match=r"of all things.*kept in run .*hebbarium export"):
        launch(small(), folder, RunView())
    (row,) = Store(folder).list()
    assert row.status == "stopped" and row.champion
    assert find_rule(row.id, Store(folder)).equations
    assert "of all things" in Store(folder).artifact(row.id, "error.txt").read_text()
