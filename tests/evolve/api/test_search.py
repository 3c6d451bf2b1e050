"""Ask and tell: the same search as `run` to the last bit, and scores from anywhere."""

import math
from dataclasses import replace

import numpy as np
import pytest

from evolve import RunConfig, Search, SearchConfig, UserError, find_rule, load_run
from evolve.running import loop
from evolve.running.log import RunView
from evolve.running.select_champion import draw_arena
from evolve.search.islands import pareto
from substrate.hardware import graph_violations
from tests.support.runs import SMALL

TANH = {"primitives": ["sub", "mul", "tanh"], "columns": 12}
NSGA2 = {"selection": "nsga2", "islands": 2, "parents": 4, "children": 4}
WAYS = {
    "score": {},
    "nsga2": {"variation": NSGA2},
    "islands drawn anew": {"variation": {"islands": 2, "patience": 5, "migration": 3}},
    "from a rule": {"variation": {"islands": 2, "start": "post*(pre - post*w)"}},
    "slow variables": {"genes": {"slow": ["s"], "columns": 12}, "stop": {"generations": 15}},
}


def small(**settings) -> RunConfig:
    """A run that begins with random rules, as a search that is driven from outside does."""
    config = RunConfig(**{**SMALL, "seed": 3, **settings})
    variation = config.variation.model_copy(update={"survey": 0})
    return config.model_copy(update={"variation": variation})


class Platform:
    """Scores proposals as `run` does."""

    def __init__(self, config):
        self.train = draw_arena(config, "train")
        self.evaluator = loop.build_evaluator(config, [self.train])
        self.evaluator.warm()

    def __call__(self, proposals):
        graphs = [[p._graph for p in proposals]]
        thresholds = [[p.threshold for p in proposals]] if self.evaluator.races else None
        pending = self.evaluator.begin(graphs, thresholds)
        while (found := next(pending)) is None:
            pass
        return found[0]


def individuals(some):
    return [(i.genome, i.phenotype.key, i.score) for i in some]


def told_length(config, **how) -> Search:
    """A search whose scores reward length, up to 5 operators."""
    search = Search(config, **how)
    while not search.done:
        search.tell([min(len(p._graph.nodes), 5) / 5 for p in search.ask()])
    return search


@pytest.mark.parametrize("way", WAYS)
def test_the_same_scores_give_the_same_search_to_the_last_bit(way, monkeypatch):
    """History, islands, archives, random state and what is remembered, whatever the batch."""
    config, choose = small(**WAYS[way]), loop.select_champions
    monkeypatch.setattr(loop, "select_champions", lambda searches, *_: searches)
    start = config.variation.start
    theirs = loop.run(config, RunView(), find_rule(start) if start else None)
    platform = Platform(config)
    for batch in (1, platform.evaluator.lanes):
        search, asked = Search(config, batch=batch), 0
        while not search.done:
            proposals = search.ask()
            assert proposals and search.ask() == proposals
            asked += len(proposals)
            search.tell(platform(proposals))
        ours, state = search._search.state, theirs.state
        assert [p.stats for p in search.history] == [p.stats for p in theirs.history]
        assert search.generation == config.stop.generations
        assert asked >= search.evaluations == state.evaluations
        assert individuals(ours.hall) == individuals(state.hall)
        assert individuals(pareto(ours)) == individuals(pareto(state))
        assert list(map(individuals, ours.islands)) == list(map(individuals, state.islands))
        assert ours.known._scores == state.known._scores
        assert ours.rng.bit_generator.state == state.rng.bit_generator.state
    if way == "score":  # the same champion, and not only the same archives
        results = [
            choose([replace(theirs, state=s)], platform.evaluator, 0.0)[0] for s in (ours, state)
        ]
        champions = [(r.champion.rule, r.champion_row.score) for r in results]
        assert champions[0] == champions[1]


def test_the_chip_admits_what_it_admits_in_a_run():
    """With penalties, every reason why the chip cannot run a rule costs its score."""
    settings = {"hardware": "bss2", "admission": "penalise", "penalty": 0.25}
    config = small(**settings, variation={"islands": 16}, genes=TANH)
    search = Search(config)
    proposals = search.ask()
    search.tell([0.5] * len(proposals))
    reasons = [len(graph_violations(config.profile, p._graph)) for p in proposals]
    assert [p.score for p in proposals] == [max(0.5 - 0.25 * n, -1.0) for n in reasons]
    assert len(set(reasons)) > 1


def test_every_formula_is_asked_once_and_ahead_if_there_is_room():
    config = small()
    texts: dict[int, list[str]] = {}
    for batch in (1, 64):
        search, rounds = Search(config, batch=batch), 0
        texts[batch] = []
        while not search.done:
            proposals = search.ask()
            texts[batch] += [p.text for p in proposals]
            rounds += 1
            search.tell([min(len(p._graph.nodes), 5) / 5 for p in proposals])
        if batch == 1:
            assert len(texts[1]) == len(set(texts[1])) == search.evaluations
            slow = rounds
    assert rounds < 0.7 * slow
    assert set(texts[1]) <= set(texts[64])


@pytest.mark.parametrize("dead", [math.nan, -math.inf, np.float32("nan"), -1e308])
def test_a_diverged_rule_counts_less_than_any_score(dead):
    search = Search(small(stop={"generations": 30}))
    while not search.done:
        proposals = search.ask()
        search.tell([-500.0 * len(p._graph.nodes) if "post" in p.text else dead for p in proposals])
        assert all("post" in p.text or p.score == -math.inf for p in proposals)
    assert "post" in search.best.text and search.best.score > -math.inf


def test_when_everything_diverges_the_search_ends_all_the_same():
    search = Search(small(stop={"generations": 5}))
    while not search.done:
        search.tell([math.nan] * len(search.ask()))
    assert search.best.score == -math.inf
    assert search.history[-1].stats.best == search.history[-1].stats.median == -math.inf


def test_what_is_wrong_is_refused_and_changes_nothing():
    search = Search(small())
    with pytest.raises(UserError, match="no best rule before"):
        _ = search.best
    proposals = search.ask()
    good = [float(i) for i in range(len(proposals))]
    for wrong, says in (
        (good[:-1], f"{len(good) - 1} scores were told for {len(good)} rules"),
        ([*good, 1.0], f"{len(good) + 1} scores"),
        ([*good[:-1], None], "is None. Give a finite number"),
        ([*good[:-1], "much"], "is 'much'"),
        ([*good[:-1], math.inf], "is inf"),
        ([*good[:-1], [1, 2]], r"is \[1, 2\]"),
        (dict(zip(proposals[1:], good, strict=False)), "scores of 1 of .* are missing"),
        ({**dict(zip(proposals, good, strict=True)), "pre*pre*pre*w": 1.0}, "not asked for"),
        ({**dict(zip(proposals, good, strict=True)), 3: 1.0}, "not asked for"),
        (dict.fromkeys(["\x1b[31m"], 1.0), r"\\x1b"),
    ):
        with pytest.raises(UserError, match=says):
            search.tell(wrong)
        assert search.ask() == proposals and all(p.score is None for p in proposals)
    search.tell(dict(zip((p.text for p in proposals), good, strict=True)))
    assert [p.score for p in proposals] == good
    assert search.best.text == proposals[-1].text
    with pytest.raises(UserError, match="batch = 0"):
        Search(small(), batch=0)
    with pytest.raises(UserError, match="no rule"):
        Search(small(variation={"start": "ojaa", "islands": 2}))
    done = told_length(small(stop={"generations": 2}))
    assert done.ask() == []
    with pytest.raises(UserError, match="done"):
        done.tell([])


def test_what_was_found_can_be_asked_for_at_any_time():
    search = Search(small())
    search.tell([float(len(p._graph.nodes)) for p in search.ask()])
    result = search.result
    assert result.stopped and result.id is None and result.evaluations == search.evaluations
    sizes = [len(p._graph.nodes) for p in result.front]
    assert sizes == sorted(sizes) and result.champion.text == result.front[-1].text
    assert [p.score for p in result.front] == sizes
    whole = told_length(small()).result
    assert not whole.stopped and len(whole.history) == 41


@pytest.mark.parametrize(
    ("stop", "generation"),
    [({"score": 0.4}, None), ({"evaluations": 40}, None), ({"seconds": 1e-9}, 0)],
)
def test_stop_conditions_hold(stop, generation):
    search = told_length(small(stop={"generations": 100, **stop}))
    assert search.generation < 100
    assert generation is None or search.generation == generation


def test_a_search_in_a_store_can_be_loaded(folder):
    seen = []
    with Search(small(), runs=folder, on_generation=seen.append) as search:
        while not search.done:
            search.tell([min(len(p._graph.nodes), 5) / 5 for p in search.ask()])
        run = search.result.id
    search.close()
    stored = load_run(run[:8], folder)
    assert stored.status == "finished" and stored.score == search.best.score
    assert stored.champion.equations == search.best.rule.equations
    assert stored.config.flat() == search.config.flat()
    assert [g for g, _ in stored.history("best")] == [p.generation for p in seen] == list(range(41))
    with Search(small(), runs=folder) as search:
        search.tell([0.0] * len(search.ask()))
        run = search.result.id
    assert load_run(run, folder).status == "stopped"


def test_a_search_that_cannot_begin_leaves_the_store_to_others(folder):
    for _ in range(2):
        with pytest.raises(UserError, match="no rule"):
            Search(small(variation={"start": "ojaa", "islands": 2}), runs=folder)


def test_a_layered_network_is_told_the_whole_rule():
    proposal = Search(RunConfig(task="digits", variation={"islands": 2})).ask()[0]
    assert set(proposal.rule.changes) == {"forward", "readout"}
    assert set(proposal.functions) == {"dw_forward", "dw_readout"}
    assert proposal.dw is proposal.functions["dw_forward"]


def test_without_a_task_a_rule_may_read_any_observable(folder):
    """Beside that, the search is the one that a run's configuration gives."""
    genes = {"terminals": ["pre", "post", "w", "reward", "rbar"], "columns": 12}
    with pytest.raises(ValueError, match="reads rbar, reward"):
        RunConfig(genes=genes)
    config = SearchConfig(genes=genes, variation={"islands": 16}, stop={"generations": 3}, seed=5)
    with Search(config, runs=folder) as search:
        while not search.done:
            search.tell([float("reward" in p.text) for p in search.ask()])
        assert "reward" in search.best.dw.reads
    stored = load_run("elsewhere-5", folder)
    assert stored.champion.equations == search.best.rule.equations
    assert stored.config == config
    pca = {**SMALL, "variation": {"islands": 4}}
    searches = [Search(RunConfig(**pca)), Search(SearchConfig(**{**pca, "options": {}}))]
    assert searches[0].ask()[0].text == searches[1].ask()[0].text
    for wrong in ({"genes": {"terminals": ["nothing"]}}, {"hardware": "nothing"}, {"nothing": 1}):
        with pytest.raises(ValueError, match="nothing"):
            SearchConfig(**wrong)
