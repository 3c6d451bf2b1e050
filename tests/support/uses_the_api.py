"""A script as a user writes it, with every public name in it; `mypy --strict` must find nothing to complain of."""

from pathlib import Path
from typing import assert_type

import numpy as np

from evolve import (
    FAMILIES,
    POST,
    PRE,
    PROFILES,
    RULES,
    TARGETS,
    VOCABULARY,
    Draw,
    Episode,
    Family,
    Instance,
    Network,
    Options,
    Outcome,
    Proposal,
    Reading,
    Rule,
    Run,
    RunConfig,
    Search,
    SearchConfig,
    SearchResult,
    Setting,
    Slow,
    StoredRun,
    Trace,
    UserError,
    W,
    export,
    find_rule,
    load_run,
    lower,
    names,
    numpy_functions,
    rank,
    run,
    simulate,
)


def write() -> Rule:
    """Rules by symbols, by name, with a slow variable."""
    pre, theta = names("pre theta")
    bcm = Rule("bcm", pre * POST * (POST - theta), slow=(Slow("theta", POST**2 - theta, "post"),))
    oja: Rule = RULES["oja"]
    assert find_rule("post*(pre - post*w)", runs=None).reads == oja.reads <= VOCABULARY.keys()
    return Rule("mine", 3 * POST * (PRE - POST * W) + bcm.changes["forward"])


def work(rule: Rule, folder: Path) -> list[str]:
    """The commands."""
    found: Run = run(
        RunConfig(task="pca", seed=2), folder, on_generation=lambda p: print(p.stats.best)
    )
    again: StoredRun = load_run(found.id or "", folder)
    assert_type(again.champion, Rule)
    assert_type(again.config, RunConfig)
    assert_type(found.score, float)
    table = rank("pca", [rule, "oja", found.champion], instances=50, options={"samples": 100})
    print([(row.rule, row.score) for row in table.rows], found.history[-1].generation)
    return [export(rule, target) for target in TARGETS]


def ask_and_tell(config: RunConfig) -> SearchResult:
    """Scores from elsewhere."""
    with Search(config, batch=8, runs="runs") as search:
        while not search.done:
            proposals: list[Proposal] = search.ask()
            scores = [float(np.sum(p.dw(pre=1.0, post=2.0, w=0.0))) for p in proposals]
            search.tell(scores)
            search.tell(dict(zip(proposals, scores, strict=True)))
            search.tell({p.text: np.float32(0) for p in proposals})
        print(search.best.rule, search.front, search.generation)
        Search(SearchConfig(genes=config.genes))
        return search.result


def network_and_task(network: Network, episode: Episode, reading: Reading, draw: Draw) -> Family:
    """The parts of a task of one's own."""
    trace: Trace = simulate(network, lower(RULES["oja"]), episode, np.ones((1, 1)), reading, 1)  # type: ignore[arg-type]
    print(
        numpy_functions(RULES["oja"])["dw"](pre=1.0, post=1.0, w=1.0), trace.alive, PROFILES["bss2"]
    )

    def sample(draw: Draw) -> Instance:
        return Instance(draw.rng.normal(size=(10, 2)), np.ones((1, 2)), {})

    def score(episode: Episode, trace: Trace) -> Outcome:
        return Outcome(trace.state, trace.state, {})

    def build(options: Options) -> tuple[Setting, ...]:
        return (Setting("mine", network, 0.1, sample, reading, score),)

    try:
        return FAMILIES["pca"]
    except UserError:
        return Family("mine", "asks", "solved", "reference", Options, build)
