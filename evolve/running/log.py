"""Who is told about a run while it goes on: a person who watches, and the store."""

from typing import Protocol

from evolve.running.result import Progress
from evolve.tracking.run_log import RunLog


class Log(Protocol):
    """Receives a run as it goes."""

    def generation(self, progress: Progress) -> None:
        """One generation is done."""

    def phase(self, name: str) -> None:
        """What the run does now, in words for a person."""


class RunView:
    """Where a person sees a run; the default shows nothing."""

    def generation(self, progress: Progress) -> None:
        """One generation is done."""

    def phase(self, name: str) -> None:
        """What happens now."""

    def detail(self, text: str) -> None:
        """What only the curious want to know."""

    def stop(self) -> None:
        """Nothing more comes."""


class Recorder:
    """Passes a run on to the store and to a view.

    Parameters
    ----------
    every
        Generations between those that are logged; the first and every better one are logged besides.
    """

    def __init__(self, log: RunLog, view: RunView, every: int = 1) -> None:
        self.log, self.view, self.every = log, view, every
        self.best = -float("inf")

    def phase(self, name: str) -> None:
        """Show it; a phase is no metric."""
        self.view.phase(name)

    def generation(self, progress: Progress) -> None:
        """Show a generation and log its numbers."""
        self.view.generation(progress)  # before the log, which may have to be opened
        stats = progress.stats
        numbers = {
            "best": stats.best,
            "median": stats.median,
            "evaluations": progress.evaluations,
            "cached_share": stats.cached / stats.children,
            "silent_share": stats.silent / stats.children,
            "diverged_share": stats.diverged / stats.children,
            "seconds": progress.seconds,
        }
        if progress.generation % self.every == 0 or stats.best > self.best:
            self.log.metrics(progress.generation, numbers)
        self.best = stats.best
