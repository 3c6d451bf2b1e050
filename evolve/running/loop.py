"""The loop of a run: search, choose the champion on validation instances, measure it on test instances.

Nothing here knows where results go: a `Log` receives them while the run goes on, so that a run that is stopped or
dies has left what it had.
"""

import gc
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from evolve.config.engine_choice import decide
from evolve.config.forecast import require_room
from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import Arena
from evolve.evaluation.best_rate import BestRate
from evolve.evaluation.compiled import Compiled
from evolve.evaluation.evaluator import Evaluator
from evolve.evaluation.fixed_projections import evolving_part, fixed_rules
from evolve.evaluation.interpreter import WIDTH, Interpreter
from evolve.evaluation.pending import PendingScores
from evolve.ranking.on_chip import apply_admission
from evolve.running.finding import best_so_far
from evolve.running.head_start import BATCH, ShortRules, give, list_short_rules, score
from evolve.running.interrupt import Interrupt, StopSignal
from evolve.running.log import Log
from evolve.running.result import Progress, Result
from evolve.running.select_champion import Searched, draw_arena, references, select_champions
from evolve.search.encode import encode
from evolve.search.islands import Key, score_threshold
from evolve.search.lookahead import Lookahead
from substrate.compilation.graph import Graph, from_rule
from substrate.devices import release_free_memory
from substrate.errors import UserError
from substrate.rule import FORWARD, Rule

#: Free memory is returned to the system after every so many rounds.
TIDY = 100


@dataclass(eq=False)
class Job:
    """One search on its way, among those that advance together."""

    config: RunConfig
    log: Log
    lookahead: Lookahead
    history: list[Progress] = field(default_factory=list)
    over: bool = False
    best: float = -float("inf")
    complete: int | None = None  # operations up to which every rule was scored before the search

    def advance(self, scores: Mapping[Key, float], began: float) -> None:
        """Complete generations until the scores are used up or a stop condition holds."""
        state = self.lookahead.state
        for stats in self.lookahead.advance(scores):
            seconds = time.perf_counter() - began
            self.history.append(Progress(stats, state.generation, state.evaluations, seconds))
            self.log.generation(self.history[-1])
            if stats.best > self.best:
                self.best = stats.best
                self.log.improved(partial(best_so_far, self.config, state))
            self.over = _over(self.config, self.history[-1])
            if self.over:
                return


def run(
    config: RunConfig, log: Log, founder: Rule | None = None, stop: StopSignal | None = None
) -> Result:
    """Search, choose the champion on validation instances, measure it on test instances.

    Parameters
    ----------
    config
        Decides the result to the last bit, unless it stops by the clock.
    log
        Told about every generation as it ends.
    founder
        A rule that every island starts from.
    stop
        May end the search early; Ctrl-C by default.
    """
    return run_together([config], [log], founder, stop)[0]


def run_together(
    configs: Sequence[RunConfig],
    logs: Sequence[Log],
    founder: Rule | None = None,
    stop: StopSignal | None = None,
) -> list[Result]:
    """Run configurations that differ by their seed alone; their searches share every call of the interpreter.

    `stop` may end them early; by default it is Ctrl-C.
    """
    first = configs[0]
    require_room(first, len(configs))
    short = list_short_rules(first)
    logs[0].phase("drawing instances and compiling")
    trains = [draw_arena(c, "train") for c in configs]
    jobs = [Job(c, log, begin_search(c, founder)) for c, log in zip(configs, logs, strict=True)]
    evaluator = build_evaluator(first, trains)
    evaluator.warm()
    with nullcontext(stop) if stop else Interrupt().armed() as interrupt:
        if isinstance(interrupt, Interrupt):
            interrupt.searching = True
        began = time.perf_counter()
        if short is not None:
            _survey(jobs, short, evaluator, interrupt)
        logs[0].phase("searching")
        seconds = _search(jobs, evaluator, interrupt, began)
        for job in jobs:
            job.log.searched()
        logs[0].phase("measuring known rules on training instances")
        known = references(first, trains, evaluator)
        searches = [
            Searched(
                j.config,
                j.log,
                train,
                j.lookahead.state,
                j.history,
                interrupt.requested and not j.over,
                r,
                j.complete,
            )
            for j, train, r in zip(jobs, trains, known, strict=True)
        ]
        return select_champions(searches, evaluator, seconds)


def build_evaluator(config: RunConfig, trains: Sequence[Arena]) -> Evaluator:
    """What scores the rules of searches that advance together."""
    engine = _engine(config, trains)
    return BestRate(engine) if config.at_best_rate else engine


def _engine(config: RunConfig, trains: Sequence[Arena]) -> Evaluator:
    if decide(config)[1].engine == "compiled":
        return Compiled(trains, config.slow)
    variation, outputs, slow = config.variation, config.grid.outputs, config.slow
    capacity = len(trains) * variation.islands * max(variation.children, variation.parents)
    if len(trains) > 1:
        capacity = len(trains) * max(WIDTH, -(-capacity // len(trains)))
    return Interpreter(trains, config.machines, capacity, outputs, slow)


def _survey(
    jobs: Sequence[Job], short: ShortRules, evaluator: Evaluator, interrupt: StopSignal
) -> None:
    """Score all short rules, and let every search begin with what is found."""
    what = f"scoring {len(short):,} rules, all of up to {short.complete} operations"
    if short.plain > short.complete:
        what += f" and sums and products of up to {short.plain}"
    jobs[0].log.phase(what, -(-len(short) // BATCH))

    def ended() -> bool:
        jobs[0].log.step()
        return interrupt.requested

    looked_at, found = score(short, [job.config for job in jobs], evaluator, ended)
    for job, scores in zip(jobs, found, strict=True):
        give(short, scores, looked_at, job.config, job.lookahead)
        if not interrupt.requested:
            job.complete = short.complete


def _search(
    jobs: Sequence[Job], evaluator: Evaluator, interrupt: StopSignal, began: float | None = None
) -> float:
    """Rounds of shared calls until the last search is over; returns the seconds since `began`, now by default.

    Where devices work asynchronously, two halves of the searches take turns: one breeds while the other is scored.
    """
    began = time.perf_counter() if began is None else began
    lanes = evaluator.lanes if len(jobs) == 1 else evaluator.width

    def begin(half: Sequence[Job]) -> tuple[list[dict[Key, Graph]], PendingScores]:
        wanted = [
            job.lookahead.wanted(lanes) if job in half and not job.over else {} for job in jobs
        ]
        graphs = [list(w.values()) for w in wanted]
        thresholds = None
        if evaluator.races:
            bars = [score_threshold(job.config.variation, job.lookahead.state) for job in jobs]
            thresholds = [list(map(bar, own)) for bar, own in zip(bars, graphs, strict=True)]
        return wanted, evaluator.begin(graphs, thresholds)

    with _few_collections():
        halves = (
            [half for half in (jobs[::2], jobs[1::2]) if half] if evaluator.asynchronous else [jobs]
        )
        turns = deque((half, *begin(half)) for half in halves)
        rounds = 0
        while turns:
            rounds += 1
            if rounds % TIDY == 0:
                release_free_memory()
            half, wanted, pending = turns.popleft()
            found = next(pending)
            if found is None:
                turns.append((half, wanted, pending))
                continue
            for job, keys, values in zip(jobs, wanted, found, strict=True):
                if job in half and not job.over:
                    values = apply_admission(job.config, keys.values(), values)
                    job.advance(dict(zip(keys, values.tolist(), strict=True)), began)
            if not interrupt.requested and not all(job.over for job in half):
                turns.append((half, *begin(half)))
    return time.perf_counter() - began


@contextmanager
def _few_collections() -> Iterator[None]:
    """Collect garbage seldom, and only among new objects: genomes and graphs form no reference cycles."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def begin_search(config: RunConfig, founder: Rule | None) -> Lookahead:
    """The search of a configuration at its beginning; a founder is a rule that every island starts from."""
    founders = []
    if founder is not None:
        rng = np.random.default_rng(np.random.SeedSequence(config.seed, spawn_key=(0xF0,)))
        graph = from_rule(_evolving(config, founder))
        founders = [encode(config.grid, graph, rng) for _ in range(config.variation.parents)]
    return Lookahead(config.grid, config.variation, config.seed, config.stop.generations, founders)


def _evolving(config: RunConfig, founder: Rule) -> Rule:
    """The part of a founder that the search can change."""
    other = fixed_rules(config.settings)
    own = evolving_part(founder, other)
    wanted = config.grid.outputs
    if own is not None and set(own.equations) != set(wanted):
        raise UserError(
            f"Rule {founder.name!r} has the equations {', '.join(founder.equations)}; a search for "
            f"{', '.join(wanted)} needs these. Give another rule, or other genes.equations."
        )
    if own is None and other is not None and tuple(founder.changes) == (FORWARD,):
        return founder
    if own is None:
        raise UserError(
            f"Rule {founder.name!r} changes {', '.join(founder.changes)}; a search on {config.task!r} starts from "
            f"a rule for {FORWARD!r}, beside {other}. Give that rule alone."
        )
    return own


def _over(config: RunConfig, last: Progress) -> bool:
    stop = config.stop
    return (
        last.generation >= stop.generations
        or (stop.evaluations is not None and last.evaluations >= stop.evaluations)
        or (stop.seconds is not None and last.seconds >= stop.seconds)
        or (stop.score is not None and last.stats.best >= stop.score)
    )
