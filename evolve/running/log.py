"""Where the progress of a run goes: to a person who watches, and to the store."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from evolve.expressions.rule_file import to_json
from evolve.expressions.symbolic import main_text
from evolve.running.finding import Find, Finding
from evolve.running.result import Progress
from evolve.tracking.run_log import RunLog
from evolve.tracking.signals import signals_held

#: Generations up to this one are all logged; from there on their distance doubles with their number.
DENSE = 200


class Log(Protocol):
    """Receives a run as it goes."""

    def generation(self, progress: Progress) -> None:
        """One generation is done."""

    def improved(self, find: Find) -> None:
        """There is a better rule; `find` writes it down."""

    def searched(self) -> None:
        """The search is over: everything that waits is written now."""

    def phase(self, name: str, steps: int = 0) -> None:
        """What the run does now, in words for a person, and in how many steps if that is known."""

    def step(self) -> None:
        """A step of the phase is done."""

    def note(self, text: str) -> None:
        """Something failed that the run can do without."""


class RunView:
    """Where a person sees a run; the default shows nothing."""

    def generation(self, progress: Progress) -> None:
        """One generation is done."""

    def improved(self, find: Find) -> None:
        """There is a better rule."""

    def searched(self) -> None:
        """The search is over."""

    def phase(self, name: str, steps: int = 0) -> None:
        """What happens now."""

    def step(self) -> None:
        """A step of the phase is done."""

    def note(self, text: str) -> None:
        """Something is missing."""

    def detail(self, text: str) -> None:
        """A detail, for `--verbose`."""

    def stop(self) -> None:
        """The run is over; nothing more is shown."""


class Throttle:
    """Limits the share of time that is spent on something.

    Parameters
    ----------
    share
        Share of the time that may be spent on it.
    least
        Seconds between the end of one and the beginning of the next.
    """

    def __init__(self, share: float = 0.05, least: float = 0.1) -> None:
        self.share, self.least, self._due = share, least, -float("inf")

    @property
    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._due

    def spend(self, work: Callable[[], object]) -> None:
        """Do it, and measure how long it takes."""
        began = time.monotonic()
        try:
            work()
        finally:
            now = time.monotonic()
            self._due = now + max(self.least, (now - began) / self.share)


def is_logged(generation: int) -> bool:
    """Whether a generation without an improvement is logged: all up to `DENSE`, then 200 for every doubling."""
    distance = 1
    while generation > DENSE * distance:
        distance *= 2
    return generation % distance == 0


class Recorder:
    """Passes a run on to the store and to a view; once the run is open, an error in either does not end it.

    What cannot be written now is tried again later.

    Parameters
    ----------
    every
        Generations between those that are logged; the first and every better one are logged besides.
    """

    def __init__(self, log: RunLog, view: RunView, every: int = 1) -> None:
        self.log, self.view, self.every = log, view, every
        self.best, self.last = -float("inf"), -1
        self._find: Find | None = None  # what writes down a better rule than the store has
        self._skipped: Progress | None = None  # the latest generation, if it was not logged
        self._kept = -float("inf")  # score of the rule that the store has
        self._trouble = ""
        self._keeping = Throttle()

    def phase(self, name: str, steps: int = 0) -> None:
        """Show it; a phase is no metric."""
        self._show(lambda: self.view.phase(name, steps))

    def step(self) -> None:
        """Show it."""
        self._show(self.view.step)

    def note(self, text: str) -> None:
        """Keep it with the run."""
        self.log.note(text)

    def generation(self, progress: Progress) -> None:
        """Show a generation and log its numbers, unless a process that died has told about it before."""
        if progress.generation <= self.last:
            return
        self.last = progress.generation
        self._show(
            lambda: self.view.generation(progress)
        )  # before the log, which may have to be opened
        with signals_held():
            self.log.open()  # a store that cannot be used ends the run before it has found anything
        better = progress.stats.best > self.best
        self.best = max(self.best, progress.stats.best)
        if better or (progress.generation % self.every == 0 and is_logged(progress.generation)):
            self._log(progress)
        else:
            self._skipped = progress
        if self._keeping.due:
            self._keep()

    def improved(self, find: Find) -> None:
        """Keep the rule, now or as soon as that costs little of the time."""
        self._find = find
        if self._keeping.due:
            self._keep()

    def searched(self) -> None:
        """Write what waits: the best rule and the last generation."""
        if self._skipped is not None:
            self._log(self._skipped)
        self._keep()
        if self._find is not None:
            self.log.note(f"the best rule of the search could not be kept: {self._trouble}")

    def _log(self, progress: Progress) -> None:
        self._skipped = None
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
        with signals_held(), suppress(Exception):  # the log keeps them and writes them next time
            self.log.metrics(progress.generation, numbers)

    def _keep(self) -> None:
        """Store the best rule; one that cannot be stored now waits for the next time."""
        if self._find is not None:
            self._keeping.spend(self._try_to_keep)

    def _try_to_keep(self) -> None:
        find = self._find
        assert find is not None, "asked by the caller"
        try:
            with signals_held():
                finding = find()
                # A process that was started again may be behind the one that died.
                if finding is not None and finding.score >= self._kept:
                    self.log.keep(*self._texts(finding))
                    self._kept = finding.score
        except Exception as error:
            self._trouble = f"{type(error).__name__}: {error}"
        else:
            self._find = None

    def _texts(self, finding: Finding) -> tuple[str, dict[str, object], str]:
        """The rule file, the tags, and the better rules that cannot be written to a file."""
        rule, score = finding.rule, f"{finding.score:.6f}"
        provenance = {
            "run": self.log.id,
            "training score": f"{score}, best of the search at generation {finding.generation}",
        }
        tags: dict[str, object] = {"champion": main_text(rule), "training_score": score}
        return to_json(rule, provenance), tags, finding.unwritable

    def _show(self, what: Callable[[], None]) -> None:
        """Show something; a closed terminal does not end the run."""
        try:
            what()
        except Exception as error:
            self.view = RunView()
            self.log.note(f"progress could not be shown: {type(error).__name__}: {error}")
