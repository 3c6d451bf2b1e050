"""The loop of a run: search, choose the champion on validation instances, measure it on test instances.

Nothing here knows where results go: a `Log` receives them while the run goes on, so that a run that is stopped or
dies has left what it had.
"""

import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from evolve import search
from evolve.ahead import Pilot
from evolve.config import RunConfig
from evolve.encode import encode
from evolve.evaluate import Arena
from evolve.hardware import judged
from evolve.interpreter import WIDTH, Interpreter
from evolve.pareto import knee
from evolve.rank import Row, measure, rank
from evolve.refine import refine
from evolve.search import Key, SearchState, Tally
from evolve.symbolic import rule_complexity, simplify_rule
from rules_zoo import RULES
from substrate.graph import from_rule, to_rule
from substrate.hardware import adapted, violations
from substrate.rule import Rule

#: The rule whose training score the progress display and the curves compare with.
REFERENCE = "oja"

#: Rules that are simplified before the shortest of them is chosen; simplifying takes time.
CLOSE = 8


@dataclass(frozen=True)
class Progress:
    """What a generation looked like, for displays and logs."""

    tally: Tally
    generation: int
    evaluations: int
    seconds: float  # since the search began


@dataclass(frozen=True)
class Candidate:
    """A rule of the final front: training and validation score, number of operators."""

    rule: Rule
    operators: int
    training: float
    validation: float
    scores: np.ndarray  # on validation instances
    tuned: bool = False


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


@dataclass
class Job:
    """One search on its way, among those that advance together."""

    config: RunConfig
    log: Log
    train: Arena
    pilot: Pilot
    history: list[Progress] = field(default_factory=list)
    over: bool = False

    def advance(self, scores: Mapping[Key, float], began: float) -> None:
        """Conclude generations until the scores are used up or a stop condition holds."""
        state = self.pilot.state
        for tally in self.pilot.advance(scores):
            seconds = time.perf_counter() - began
            self.history.append(Progress(tally, state.generation, state.evaluations, seconds))
            self.log.generation(self.history[-1])
            self.over = _over(self.config, self.history[-1])
            if self.over:
                return


def run(config: RunConfig, log: Log, founder: Rule | None = None) -> Result:
    """Search, choose the champion on validation instances, measure it on test instances.

    Parameters
    ----------
    config
        Decides the result to the last bit, unless it stops by the clock.
    log
        Told about every generation as it ends.
    founder
        A rule that every island starts from.
    """
    return run_together([config], [log], founder)[0]


def run_together(
    configs: Sequence[RunConfig], logs: Sequence[Log], founder: Rule | None = None
) -> list[Result]:
    """Run configurations that differ by their seed alone; their searches share every call of the interpreter."""
    logs[0].phase("drawing instances and compiling")
    first = configs[0]
    jobs = [
        Job(c, log, _arena(c, "train", c.instances.train), _pilot(c, founder))
        for c, log in zip(configs, logs, strict=True)
    ]
    plan = first.plan
    capacity = len(jobs) * plan.islands * max(plan.children, plan.parents)
    if len(jobs) > 1:
        capacity = len(jobs) * max(WIDTH, -(-capacity // len(jobs)))
    outputs, slow = first.grid.outputs, first.slow
    trains = [job.train for job in jobs]
    interpreter = Interpreter(trains, first.machines, capacity, outputs, slow)
    ranker = interpreter
    if len(jobs) > 1:
        ranker = Interpreter(trains[0], first.machines, 4 * WIDTH, outputs, slow)
    known = [_reference(job.train, ranker) for job in jobs]
    interpreter.warm()
    with Interrupt().armed() as interrupt:
        logs[0].phase("searching")
        seconds = _search(jobs, interpreter, interrupt)
        stopped = interrupt.asked
        logs[0].phase("choosing on validation instances and measuring on test instances")
        return [
            _finish(job, *reference, ranker, stopped and not job.over, seconds, len(jobs) == 1)
            for job, reference in zip(jobs, known, strict=True)
        ]


def _search(jobs: Sequence[Job], interpreter: Interpreter, interrupt: Interrupt) -> float:
    """Rounds of one compiled call for all searches, until the last is over; returns the seconds."""
    began = time.perf_counter()
    lanes = interpreter.lanes if len(jobs) == 1 else interpreter.width
    while not interrupt.asked and not all(job.over for job in jobs):
        wanted = [{} if job.over else job.pilot.wanted(lanes) for job in jobs]
        scores = interpreter.fitness_of_all([list(w.values()) for w in wanted])
        for job, keys, values in zip(jobs, wanted, scores, strict=True):
            if not job.over:
                values = judged(job.config, keys.values(), values)
                job.advance(dict(zip(keys, values.tolist(), strict=True)), began)
    return time.perf_counter() - began


def _finish(
    job: Job,
    reference: dict[str, float],
    fitness: dict[str, float],
    ranker: Interpreter,
    stopped: bool,
    seconds: float,
    thorough: bool,
) -> Result:
    """Choose the champion and measure it; a thorough finish also simplifies the rest of the front."""
    config, state = job.config, job.pilot.state
    front = _front(config, state, ranker)
    if config.tuned:
        job.log.phase("tuning the constants of the best few")
        front += _tuned(job, ranker, front)
    chosen = choose(front, config.variation.choice)
    short = {id(c): _simplified(c) for c in (front if thorough else [chosen])}
    front = [short.get(id(c), c) for c in front]
    champion = short[id(chosen)]
    test = _arena(config, "test", config.instances.test)
    known = [r for r in baselines(test) if not violations(config.profile, r)]
    rows = rank([adapted(config.profile, r) for r in (champion.rule, *known)], test, ranker)
    name = champion.rule.name
    own = measure([champion.rule], {name: (1.0,)}, job.train, ranker)[name]
    return Result(
        config=config,
        stopped=stopped,
        history=job.history,
        evaluations=state.evaluations,
        seconds=seconds,
        reference=reference,
        reached=_reached(job.history, reference),
        champion=champion,
        front=front,
        rows=rows,
        fitness={**fitness, "champion": float(np.mean(own.quality[0].sum(axis=-1)))},
    )


def choose(front: Sequence[Candidate], choice: str = "one_se") -> Candidate:
    """The champion of a front, by validation scores.

    `one_se` is the simplest rule that is at most one standard error, of the paired difference, behind the best
    (Breiman et al. 1984): what a longer rule gains within the noise is not worth its length, and is the first to be
    lost on inputs of another kind. `knee` is the rule that gains most score per operator among the good ones, each
    written as short as it goes.
    """
    if choice == "knee":
        written = {id(short): (short, c) for c in front for short in [_simplified(c)]}
        return written[id(knee(short for short, _ in written.values()))][1]
    best = max(front, key=lambda c: (c.validation, -c.operators))

    def close(candidate: Candidate) -> bool:
        gap = best.scores - candidate.scores
        return float(gap.mean()) <= float(gap.std(ddof=1)) / np.sqrt(gap.size)

    near = sorted(filter(close, front), key=lambda c: (c.operators, -c.validation))[:CLOSE]
    operators = {id(c): _simplified(c).operators for c in near}
    return min(near, key=lambda c: (operators[id(c)], -c.validation))


def baselines(arena: Arena) -> list[Rule]:
    """The zoo rules that an arena's networks can run."""
    return [rule for rule in RULES.values() if rule.reads <= arena.observables]


def _arena(config: RunConfig, split: str, instances: int) -> Arena:
    given = config.family, config.task_options, config.seed, split, instances
    return Arena(*given, config.profile)


def _reference(train: Arena, ranker: Interpreter) -> tuple[dict[str, float], dict[str, float]]:
    """Training score, and F (the sum of qualities over data sets), of Oja's rule and of doing nothing."""
    rules = [RULES["frozen"], *(r for r in baselines(train) if r.name == REFERENCE)]
    measured = measure(rules, {r.name: (1.0,) for r in rules}, train, ranker)
    scores = {name: float(s.fitness[0]) for name, s in measured.items()}
    sums = {name: float(np.mean(s.quality[0].sum(axis=-1))) for name, s in measured.items()}
    return scores, sums


def _pilot(config: RunConfig, founder: Rule | None) -> Pilot:
    founders = []
    if founder is not None:
        rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(0xF0,)))
        graph = from_rule(founder)
        founders = [encode(config.grid, graph, rng) for _ in range(config.plan.parents)]
    return Pilot(config.grid, config.plan, config.seed, config.stop.generations, founders)


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


def _front(config: RunConfig, state: SearchState, ranker: Interpreter) -> list[Candidate]:
    """Score the best of every size and the best of all on validation instances."""
    found = {i.phenotype.key: i for i in [*search.pareto(state), *state.hall]}
    graphs = [i.phenotype.graph for i in found.values()]
    arena = _arena(config, "validation", config.instances.validation)
    scores = judged(config, graphs, ranker.score_graphs(graphs, arena))
    candidates = []
    for individual, own in zip(found.values(), scores, strict=True):
        rule = to_rule(individual.phenotype.graph, "champion", config.slow)
        operators = rule_complexity(rule).operators
        score = float(own.mean())
        candidates.append(Candidate(rule, operators, individual.score, score, own))
    return candidates


def _tuned(job: Job, ranker: Interpreter, front: Sequence[Candidate]) -> list[Candidate]:
    """The rules that train best with better constants, as found and with simple numbers, if that improves them.

    What training instances like is not taken at its word: they stand beside the others on validation instances.
    """
    config = job.config
    best = [_simplified(c) for c in sorted(front, key=lambda c: -c.training)[: config.tuned]]
    settings = config.constants.model_dump(exclude={"best"})
    if not config.profile.ideal:  # rounding leaves no slopes to climb
        settings["method"] = "evolution"
    bounds = ranker.bounds(job.train)
    refined = refine([c.rule for c in best], job.train, bounds, seed=config.seed, **settings)
    versions = {
        str(rule.equations): (rule, score)
        for r in refined
        if r.peak > r.before
        for rule, score in ((r.tuned, r.peak), (r.rule, r.score))
    }
    rules = [rule.renamed(f"tuned {i}") for i, (rule, _) in enumerate(versions.values())]
    arena = _arena(config, "validation", config.instances.validation)
    measured = measure(rules, {r.name: (1.0,) for r in rules}, arena, ranker)
    return [
        Candidate(
            rule=rule.renamed("champion"),
            operators=rule_complexity(rule).operators,
            training=training,
            validation=float(measured[rule.name].score.mean()),
            scores=measured[rule.name].score[0].ravel(),
            tuned=True,
        )
        for rule, (_, training) in zip(rules, versions.values(), strict=True)
    ]


def _simplified(candidate: Candidate) -> Candidate:
    """Write the rule as short as it goes, without slow variables that no weight depends on."""
    if candidate.tuned:
        return candidate  # its numbers are simple in this form, and not in a shorter one
    rule = simplify_rule(candidate.rule)
    needed = {str(s) for e in rule.changes.values() for s in e.free_symbols}
    while (
        more := {str(s) for v in rule.slow if v.name in needed for s in v.rate.free_symbols}
        - needed
    ):
        needed |= more
    rule = replace(rule, slow=tuple(v for v in rule.slow if v.name in needed))
    return replace(candidate, rule=rule, operators=rule_complexity(rule).operators)
