"""Searches with many seeds on every core: each process takes a share of them, and tells by a file how they go.

What a search does depends on nothing that is scored beside it, so shares give the results that all seeds would give
in one process.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple
from json import dumps, loads
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax

from evolve.config.run_config import RunConfig
from evolve.running.interrupt import Interrupt, StopFile
from evolve.running.log import Log
from evolve.running.loop import run_together
from evolve.running.result import Progress, Result
from evolve.search.islands import GenerationStats
from substrate.devices import configure
from substrate.rule import Rule

#: A process takes some seconds to start and to compile: so many searches are worth it.
LEAST = 4
#: Seconds between two looks at the files, and between two lines of a search that nothing new has come of.
PAUSE = 0.1


def run_seeds(
    configs: Sequence[RunConfig], logs: Sequence[Log], founder: Rule | None = None
) -> list[Result]:
    """As `run_together`, on every core; what comes between two improvements reaches the logs only now and then."""
    count = shares_of(len(configs))
    if count == 1:
        return run_together(configs, logs, founder)
    with TemporaryDirectory() as folder, Interrupt().armed() as interrupt:
        file_logs = [FileLog(Path(folder) / str(i)) for i in range(len(configs))]
        stop_file = StopFile(Path(folder) / "end")
        logs[0].phase(f"starting {count} processes")
        shares = [
            (configs[i::count], file_logs[i::count], founder, stop_file) for i in range(count)
        ]
        followers = [file_log.follow(log) for file_log, log in zip(file_logs, logs, strict=True)]
        with run_in_processes(_share, shares) as found:
            while not found.done():
                time.sleep(PAUSE)
                if interrupt.requested:
                    stop_file.write()
                for follower in followers:
                    next(follower)
        for follower in followers:
            next(follower)
        results: list[Result] = [None] * len(configs)  # type: ignore[list-item]
        for i, own in enumerate(found.result()):
            results[i::count] = own
    return results


def shares_of(searches: int) -> int:
    """Into how many processes searches are dealt: accelerators take them all at once."""
    devices = jax.devices()
    cores = len(devices) if devices[0].platform == "cpu" else 1
    return max(1, min(cores, searches // LEAST))


@contextmanager
def run_in_processes(
    work: Callable[..., Any], shares: Sequence[tuple[Any, ...]]
) -> Iterator[Future[list[Any]]]:
    """Do some work for every share in a process of its own; the processes are kept for the next time."""
    import joblib  # late: a single search never comes here
    from joblib.externals.loky import get_reusable_executor

    # One by one: shares may wait for each other, and two in one process would wait for ever.
    parallel = joblib.Parallel(n_jobs=len(shares), backend="loky", batch_size=1)
    tasks = [joblib.delayed(work)(*share) for share in shares]
    with ThreadPoolExecutor(1) as thread:
        try:
            yield thread.submit(parallel, tasks)
        except BaseException:
            get_reusable_executor().shutdown(wait=False, kill_workers=True)
            raise


def _share(
    configs: Sequence[RunConfig],
    file_logs: Sequence["FileLog"],
    founder: Rule | None,
    stop_file: StopFile,
) -> list[Result]:
    """What one process does."""
    prepare_worker()
    return run_together(configs, file_logs, founder, stop_file)


def prepare_worker() -> None:
    """Set a process up for its share; that somebody presses Ctrl-C it is told by whom it works for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure(cores=1)


class FileLog:
    """A log that writes lines to a file, for another log to follow: improvements, and a sign of life now and then."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.best, self.told = -float("inf"), -float("inf")

    def phase(self, name: str) -> None:
        """Pass it on."""
        self._tell(name)

    def generation(self, progress: Progress) -> None:
        """Pass on what is new."""
        now = time.monotonic()
        if progress.stats.best > self.best or now - self.told > PAUSE:
            self.best, self.told = progress.stats.best, now
            self._tell(astuple(progress))

    def _tell(self, what: object) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(dumps(what) + "\n")

    def follow(self, log: Log) -> Iterator[None]:
        """Tell a log what is new in the file, every time that somebody looks."""
        place = 0
        while True:
            if self.file.exists():
                with self.file.open(encoding="utf-8") as file:
                    file.seek(place)
                    text = file.read()
                whole = text[: text.rfind("\n") + 1]
                place += len(whole.encode())
                for line in whole.splitlines():
                    what = loads(line)
                    if isinstance(what, str):
                        log.phase(what)
                    else:
                        stats, *rest = what
                        log.generation(Progress(GenerationStats(*stats), *rest))
            yield None
