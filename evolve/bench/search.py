"""The search: what a rule costs with all bookkeeping, and how soon Oja's level is reached.

Starting up is not counted: instances are drawn and programs compiled before the clock runs.
"""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from evolve.bench.figures import Figure, Say
from evolve.bench.workloads import Sizes, published, training
from evolve.config.run_config import RunConfig
from evolve.config.settings import merge, validated
from evolve.evaluation.arena import Arena
from evolve.evaluation.interpreter import WIDTH, Interpreter
from evolve.running.interrupt import Interrupt
from evolve.running.log import RunView
from evolve.running.loop import Job, _search
from evolve.running.parallel_seeds import shares_of
from evolve.running.processes import Link, results_of
from evolve.running.result import Progress
from evolve.search.lookahead import Lookahead
from rules_zoo import RULES
from substrate.devices import configure

#: The published search is done when it has reached this rule's training score.
RIVAL = "oja"


class Way(NamedTuple):
    """One search, or several together, from the first generation to the last."""

    seconds: float
    busy: float  # cores kept busy on average; on a shared machine less than there are
    evaluations: int
    histories: list[list[Progress]]  # of every search


def measure(sizes: Sizes, say: Say) -> list[Figure]:
    """All figures of the search."""
    return [*_costs(sizes, say), *_to_oja(sizes, say)]


class Ready(NamedTuple):
    """Searches that can begin: instances drawn, programs compiled."""

    interpreter: Interpreter
    arenas: list[Arena]


def prepare(configs: Sequence[RunConfig]) -> Ready:
    """Draw instances and compile for searches that differ by their seed alone."""
    first, arenas = configs[0], [training(c) for c in configs]
    capacity = (
        len(configs)
        * first.variation.islands
        * max(first.variation.children, first.variation.parents)
    )
    if len(configs) > 1:
        capacity = len(configs) * max(WIDTH, -(-capacity // len(configs)))
    interpreter = Interpreter(arenas, first.machines, capacity, first.grid.outputs, first.slow)
    interpreter.warm()
    ready = Ready(interpreter, arenas)
    go(ready, [_stopping(c, generations=1) for c in configs])
    return ready


def _stopping(config: RunConfig, **stop: float) -> RunConfig:
    return config.model_copy(update={"stop": config.stop.model_copy(update=stop)})


def go(ready: Ready, configs: Sequence[RunConfig]) -> Way:
    """Run the searches from the first generation to the last."""
    view: Any = RunView()
    jobs = [
        Job(c, view, Lookahead(c.grid, c.variation, c.seed, c.stop.generations)) for c in configs
    ]
    before = time.process_time()
    seconds = _search(jobs, ready.interpreter, Interrupt())
    busy = (time.process_time() - before) / seconds
    evaluations = sum(j.lookahead.state.evaluations for j in jobs)
    return Way(seconds, busy, evaluations, [j.history for j in jobs])


def go_spread(configs: Sequence[RunConfig]) -> Way:
    """Run the searches as `run --seeds` does, on every core; the clock runs while any of them does."""
    count = shares_of(len(configs))
    if count == 1:
        return go(_prepared(tuple(configs)), configs)
    with TemporaryDirectory() as folder:
        shares = [(tuple(configs[i::count]), Path(folder), count) for i in range(count)]
        began, ended, ways = zip(*results_of(_share, shares), strict=True)
    seconds = max(ended) - min(began)
    return Way(
        seconds,
        sum(w.busy * w.seconds for w in ways) / seconds,
        sum(w.evaluations for w in ways),
        [history for w in ways for history in w.histories],
    )


def _share(
    link: Link, configs: tuple[RunConfig, ...], folder: Path, count: int
) -> tuple[float, float, Way]:
    """What one process does, and from when to when: all begin when the last is ready."""
    configure(cores=1)
    ready = _prepared(configs)
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < count:
        time.sleep(0.001)
    began = time.time()
    way = go(ready, configs)
    return began, time.time(), way


_READY: dict[str, Ready] = {}


def _prepared(configs: tuple[RunConfig, ...]) -> Ready:
    """What this process has prepared before."""
    key = "\n".join(_stopping(c, generations=1).model_dump_json() for c in configs)
    if key not in _READY:
        _READY[key] = prepare(configs)
    return _READY[key]


def _costs(sizes: Sizes, say: Say) -> list[Figure]:
    """Microseconds of an evaluated rule in the published search, alone and together, timed in turns."""
    ways: dict[tuple[str, int, int], Callable[[], Way]] = {}
    for fitness in sizes.fitness:
        for columns, single, shared in sizes.searches:
            for count in (1, sizes.together):
                say(f"compiling the published search: {columns} columns, {fitness}, {_runs(count)}")
                generations = single if count == 1 else shared
                more = {
                    "options": {"fitness": fitness},
                    "genes": {"columns": columns},
                    "stop": {"generations": generations},
                }
                configs = [published(sizes, 1 + seed, **more) for seed in range(count)]
                if count == 1:
                    ways[fitness, columns, count] = partial(go, prepare(configs), configs)
                else:
                    ways[fitness, columns, count] = partial(go_spread, configs)
                    go_spread([_stopping(c, generations=1) for c in configs])
    went: dict[tuple[str, int, int], list[Way]] = {key: [] for key in ways}
    for turn in range(sizes.repeats):
        say(f"running the published searches, {turn + 1} of {sizes.repeats}")
        for key, way in ways.items():
            went[key].append(way())
    return [figure for key, runs in went.items() for figure in _cost(*key, runs)]


def _runs(count: int) -> str:
    return "one run" if count == 1 else f"{count} runs together"


def _cost(fitness: str, columns: int, count: int, ways: Sequence[Way]) -> list[Figure]:
    """Microseconds a rule that was run, and a rule that was judged: who keeps no table runs all of the latter."""
    history = [p.stats for own in ways[0].histories for p in own]
    children, silent = (sum(getattr(t, key) for t in history) for key in ("children", "silent"))
    notes = {
        "columns": columns,
        "fitness": fitness,
        "runs": count,
        "generations": ways[0].histories[0][-1].generation,
        "rules": ways[0].evaluations,
        "children": children,
        "silent": silent,
        "known": sum(t.cached for t in history),
        "cores_busy": round(median(w.busy for w in ways), 2),
    }
    name = f"search.published.{fitness}.{columns}.{'single' if count == 1 else 'together'}"
    what = f"{columns} columns, {fitness}, {_runs(count)}"
    judged = children - silent
    return [
        Figure(
            name,
            what,
            "us a rule",
            "less",
            tuple(1e6 * w.seconds / w.evaluations for w in ways),
            notes,
        ),
        Figure(
            f"{name}.judged",
            f"{what}, known rules counted",
            "us a rule",
            "less",
            tuple(1e6 * w.seconds / judged for w in ways),
            {**notes, "judged": judged},
        ),
    ]


def _to_oja(sizes: Sizes, say: Say) -> list[Figure]:
    """Seconds and evaluated rules to Oja's training score, in the default and in the published search."""
    figures = []
    kinds: dict[str, dict[str, Any]] = {
        "default": sizes.default,
        "published": published(sizes, genes={"columns": sizes.searches[0][0]}).model_dump(),
    }
    for kind, settings in kinds.items():
        reached = []
        generations = sizes.to_oja * (1 if kind == "default" else 10)
        for seed in range(1, 1 + sizes.seeds):
            say(f"{kind} search for Oja's level, seed {seed}")
            own = merge(settings, {"seed": seed, "stop": {"generations": generations}})
            reached.append(_reach(validated(RunConfig, own, "Benchmark")))
        found = [r for r in reached if r is not None]
        notes = {"seeds": sizes.seeds, "reached": len(found), "generations": generations}
        for place, (name, unit) in enumerate((("seconds", "s"), ("evaluations", "rules"))):
            figures.append(
                Figure(
                    f"search.to_oja.{kind}.{name}",
                    f"{kind} search, {len(found)} of {sizes.seeds} seeds",
                    unit,
                    "less",
                    tuple(r[place] for r in found),
                    notes,
                )
            )
    return figures


def _reach(config: RunConfig) -> tuple[float, float] | None:
    """Seconds and rules until a search is as good as Oja's rule on its training instances; None if it never is."""
    ready = prepare([config])
    (measured,) = ready.interpreter.measure([[RULES[RIVAL]]], ready.arenas[:1])
    level = float(measured[RIVAL].fitness[0])
    last = go(ready, [_stopping(config, score=level)]).histories[0][-1]
    return (last.seconds, float(last.evaluations)) if last.stats.best >= level else None
