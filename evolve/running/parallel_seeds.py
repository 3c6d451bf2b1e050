"""Searches with many seeds on every core: each process runs a share of them, and reports their progress.

What a search does depends on nothing that is scored beside it, so shares give the results that all seeds would give
in one process, and the share of a process that has died can be done again.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import jax

from evolve.config.own_parts import load_recorded
from evolve.config.run_config import RunConfig
from evolve.running.finding import Find, Finding
from evolve.running.interrupt import Interrupt, StopSignal
from evolve.running.log import Log, Throttle
from evolve.running.loop import run_together
from evolve.running.processes import Link, Workers
from evolve.running.result import Progress, Result
from evolve.tracking.signals import signals_held
from substrate.devices import configure
from substrate.errors import UserError
from substrate.rule import Rule

#: A process takes some seconds to start and to compile, so it gets at least this many searches.
LEAST = 4
#: Seconds to wait for messages, and between two messages of a search without an improvement.
PAUSE = 0.1


def run_seeds(
    configs: Sequence[RunConfig],
    logs: Sequence[Log],
    founder: Rule | None = None,
    stop: StopSignal | None = None,
) -> list[Result | Exception]:
    """As `run_together`, on every core; generations between two improvements reach the logs only now and then.

    If a process has died twice, its searches have the error in place of a result.

    Raises
    ------
    Exception
        If no search has a result: the error of the first.
    """
    count = shares_of(len(configs))
    if count == 1:
        return list(run_together(configs, logs, founder, stop))
    if stop is None:
        with Interrupt().armed() as interrupt:
            return run_seeds(configs, logs, founder, interrupt)
    logs[0].phase(f"starting {count} processes")
    shares = [
        (list(range(len(configs)))[i::count], configs[i::count], founder) for i in range(count)
    ]
    workers = Workers(_share, shares)
    try:
        with workers:
            while not workers.done:
                if stop.requested:
                    workers.stop()
                for _, (seed, message) in workers.told(PAUSE):
                    _pass_on(logs[seed], message)
                    if isinstance(stop, Interrupt) and isinstance(message, Progress):
                        stop.searching = True
    except BaseException:
        with signals_held():  # keep what has been reported until now
            for _, (seed, message) in workers.told(0):
                _pass_on(logs[seed], message)
        raise
    if not workers.answers:
        raise workers.errors[0]
    results: list[Result | Exception] = [UserError("no answer")] * len(configs)
    for i in range(count):
        lost = [workers.errors.get(i)] * len(shares[i][0])
        results[i::count] = workers.answers.get(i, lost)
    return results


def shares_of(searches: int) -> int:
    """The number of processes that share the searches; an accelerator runs all of them in one."""
    devices = jax.devices()
    cores = len(devices) if devices[0].platform == "cpu" else 1
    return max(1, min(cores, searches // LEAST))


def _share(
    link: Link, seeds: Sequence[int], configs: Sequence[RunConfig], founder: Rule | None
) -> list[Result]:
    """Run one share; called in a worker."""
    configure(cores=1)
    load_recorded(configs[0].load)
    return run_together(configs, [LinkLog(link, seed) for seed in seeds], founder, link)


class Said(NamedTuple):
    """A call of a method of the log."""

    method: str
    arguments: tuple[str | int, ...] = ()


class LinkLog:
    """The log of a search in a worker: reports improvements to the parent at once, the rest now and then."""

    def __init__(self, link: Link, seed: int) -> None:
        self._link, self._seed = link, seed
        self._best, self._told = -float("inf"), -float("inf")
        self._find: Find | None = None
        self._finding = Throttle(least=PAUSE)
        self._latest: Progress | None = None

    def phase(self, name: str, steps: int = 0) -> None:
        """Pass it on."""
        self._say("phase", name, steps)

    def step(self) -> None:
        """Pass it on."""
        self._say("step")

    def note(self, text: str) -> None:
        """Pass it on."""
        self._say("note", text)

    def generation(self, progress: Progress) -> None:
        """Pass on an improvement, and the latest generation now and then."""
        self._latest = progress
        now = time.monotonic()
        if progress.stats.best > self._best or now - self._told > PAUSE:
            self._best, self._told = progress.stats.best, now
            self._tell_latest()
        if self._finding.due:
            self._tell_finding()

    def improved(self, find: Find) -> None:
        """Pass on the rule, now or as soon as that costs little of the time."""
        self._find = find
        if self._finding.due:
            self._tell_finding()

    def searched(self) -> None:
        """Pass on what has waited."""
        self._tell_latest()
        self._tell_finding()
        self._say("searched")

    def _tell_latest(self) -> None:
        if self._latest is not None:
            self._link.tell((self._seed, self._latest))
        self._latest = None

    def _tell_finding(self) -> None:
        find, self._find = self._find, None
        if find is not None:
            self._finding.spend(lambda: self._link.tell((self._seed, find())))

    def _say(self, method: str, *arguments: str | int) -> None:
        self._link.tell((self._seed, Said(method, arguments)))


def _pass_on(log: Log, message: Progress | Said | Finding | None) -> None:
    """Repeat on a log what the log of a worker was called with."""
    if isinstance(message, Progress):
        log.generation(message)
    elif isinstance(message, Said):
        getattr(log, message.method)(*message.arguments)
    elif message is not None:
        log.improved(lambda: message)
