"""The loop of a run: search, choose the champion on validation instances, measure it on test instances.

Nothing here knows where results go: a `Log` receives them while the run goes on, so that a run that is stopped or
dies has left what it had.
"""

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from evolve import search
from evolve.config import RunConfig
from evolve.encode import encode
from evolve.evaluate import Arena, Interpreter
from evolve.rank import Row, measure, rank
from evolve.search import Individual, SearchState, Tally
from evolve.symbolic import rule_complexity, simplify_rule
from rules_zoo import RULES
from substrate.graph import from_rule, to_rule
from substrate.rule import Rule

#: The rule whose training score the progress display and the curves compare with.
REFERENCE = "oja"


@dataclass(frozen=True)
class Progress:
    """What a generation looked like, for displays and logs."""

    tally: Tally
    generation: int
    evaluations: int
    seconds: float  # since the search began


@dataclass(frozen=True)
class Candidate:
    """A rule of the final front: training and validation score, complexity after simplification."""

    rule: Rule
    operators: int
    training: float
    validation: float
    scores: np.ndarray  # on validation instances


@dataclass
class Result:
    """Everything a run found out."""

    config: RunConfig
    stopped: bool  # by a person, before any stop condition held
    history: list[Progress]
    evaluations: int
    seconds: float
    reference: dict[str, float]  # training scores of known rules
    reached: Progress | None  # when the reference's training score was reached
    champion: Candidate
    front: list[Candidate]
    rows: list[Row]  # champion and baselines on test instances, best first
    fitness: dict[str, float] = field(default_factory=dict)  # F on the training instances

    @property
    def champion_row(self) -> Row:
        """The champion's test results."""
        return next(r for r in self.rows if r.rule == self.champion.rule.name)


class Log(Protocol):
    """Receives a run as it goes."""

    def generation(self, progress: Progress) -> None:
        """One generation is done."""

    def phase(self, name: str) -> None:
        """What the run does now, in words for a person."""


class Interrupt:
    """Ctrl-C asks for an end after the current generation; a second one insists."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def armed(self) -> Iterator["Interrupt"]:
        """Listen while the block runs; signals can only be handled on the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return

        def handle(number: int, frame: object) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)


def run(config: RunConfig, log: Log, founder: Rule | None = None) -> Result:
    """Search, choose, and measure.

    Parameters
    ----------
    config
        Decides the result to the last bit, unless it stops by the clock.
    log
        Told about every generation as it ends.
    founder
        A rule that every island starts from.
    """
    log.phase("drawing instances and compiling")
    train = _arena(config, "train", config.instances.train)
    plan = config.plan
    capacity = plan.islands * max(plan.children, plan.parents)
    interpreter = Interpreter(train, config.machine, capacity, config.grid.outputs, config.slow)
    reference, fitness = _reference(train, interpreter)
    with Interrupt().armed() as interrupt:
        log.phase("searching")
        began = time.perf_counter()
        state, history = _search(config, interpreter, log, interrupt, founder)
        seconds = time.perf_counter() - began
        stopped = interrupt.asked
        log.phase("choosing the champion on validation instances")
        front = _front(config, state, interpreter)
        champion = choose(front)
        log.phase("measuring on test instances")
        test = _arena(config, "test", config.instances.test)
        rows = rank([champion.rule, *baselines(test)], test, interpreter)
    own = measure([champion.rule], {champion.rule.name: (1.0,)}, train, interpreter)
    fitness["champion"] = float(np.mean(own[champion.rule.name].quality[0].sum(axis=-1)))
    return Result(
        config=config,
        stopped=stopped,
        history=history,
        evaluations=state.evaluations,
        seconds=seconds,
        reference=reference,
        reached=_reached(history, reference),
        champion=champion,
        front=front,
        rows=rows,
        fitness=fitness,
    )


def choose(front: Sequence[Candidate]) -> Candidate:
    """The simplest rule that is at most one standard error, of the paired difference, behind the best.

    The one-standard-error rule (Breiman et al. 1984): what a longer rule gains within the noise is not worth its
    length, and is the first to be lost on inputs of another kind.
    """
    best = max(front, key=lambda c: (c.validation, -c.operators))

    def close(candidate: Candidate) -> bool:
        gap = best.scores - candidate.scores
        return float(gap.mean()) <= float(gap.std(ddof=1)) / np.sqrt(gap.size)

    return min(filter(close, front), key=lambda c: (c.operators, -c.validation))


def baselines(arena: Arena) -> list[Rule]:
    """The zoo rules that an arena's networks can run."""
    return [rule for rule in RULES.values() if rule.reads <= arena.observables]


def _arena(config: RunConfig, split: str, instances: int) -> Arena:
    return Arena(config.family, config.task_options, config.seed, split, instances)


def _reference(train: Arena, interpreter: Interpreter) -> tuple[dict[str, float], dict[str, float]]:
    """Training score, and F (the sum of qualities over data sets), of Oja's rule and of doing nothing."""
    rules = [RULES["frozen"], *(r for r in baselines(train) if r.name == REFERENCE)]
    measured = measure(rules, {r.name: (1.0,) for r in rules}, train, interpreter)
    scores = {name: float(s.fitness[0]) for name, s in measured.items()}
    sums = {name: float(np.mean(s.quality[0].sum(axis=-1))) for name, s in measured.items()}
    return scores, sums


def _search(
    config: RunConfig,
    interpreter: Interpreter,
    log: Log,
    interrupt: Interrupt,
    founder: Rule | None,
) -> tuple[SearchState, list[Progress]]:
    """Advance generation by generation until a stop condition holds."""
    grid, plan, began = config.grid, config.plan, time.perf_counter()
    founders = _founders(config, founder)
    history: list[Progress] = []

    def note(state: SearchState, tally: Tally) -> None:
        seconds = time.perf_counter() - began
        history.append(Progress(tally, state.generation, state.evaluations, seconds))
        log.generation(history[-1])

    state, tally = search.start(grid, plan, config.seed, interpreter.fitness, founders)
    note(state, tally)
    while not interrupt.asked and not _over(config, history[-1]):
        note(state, search.step(grid, plan, state, interpreter.fitness))
    return state, history


def _founders(config: RunConfig, founder: Rule | None) -> list[search.Genome]:
    if founder is None:
        return []
    rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(0xF0,)))
    return [encode(config.grid, from_rule(founder), rng) for _ in range(config.plan.parents)]


def _over(config: RunConfig, last: Progress) -> bool:
    stop = config.stop
    return (
        last.generation >= stop.generations
        or (stop.evaluations is not None and last.evaluations >= stop.evaluations)
        or (stop.seconds is not None and last.seconds >= stop.seconds)
        or (stop.score is not None and last.tally.best >= stop.score)
    )


def _reached(history: Sequence[Progress], reference: dict[str, float]) -> Progress | None:
    level = reference.get(REFERENCE, np.inf)
    return next((p for p in history if p.tally.best >= level), None)


def _front(config: RunConfig, state: SearchState, interpreter: Interpreter) -> list[Candidate]:
    """Simplify the best of every size and the best of all, and score them on validation instances."""
    archive: dict[str, tuple[Rule, Individual]] = {}
    for individual in [*search.pareto(state), *state.hall]:
        rule = simplify_rule(to_rule(individual.phenotype.graph, "champion", config.slow))
        archive.setdefault(str(rule.equations), (rule, individual))
    rules = [rule.renamed(f"candidate {i}") for i, (rule, _) in enumerate(archive.values())]
    arena = _arena(config, "validation", config.instances.validation)
    measured = measure(rules, {r.name: (1.0,) for r in rules}, arena, interpreter)
    return [
        Candidate(
            rule=rule.renamed("champion"),
            operators=rule_complexity(rule).operators,
            training=individual.score,
            validation=float(measured[rule.name].score.mean()),
            scores=measured[rule.name].score[0].ravel(),
        )
        for rule, (_, individual) in zip(rules, archive.values(), strict=True)
    ]
