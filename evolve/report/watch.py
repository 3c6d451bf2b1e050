"""What a person sees on standard error while a command works: one moving line, or a line now and then in a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evolve.report.terminal import Page
from evolve.running.log import RunView
from evolve.running.result import Progress

if TYPE_CHECKING:
    from rich.status import Status

#: Without a terminal, a line about the search this often, in seconds.
LINE_EVERY = 5.0

#: Characters of the moving sign before a line.
SIGN = 2


class Watch(RunView):
    """Shows phases and generations on a page.

    Parameters
    ----------
    label
        What the work is about, such as `pca, seed 0`.
    generations
        Of the search, at most.
    verbose
        Whether details are shown too.
    """

    def __init__(
        self, label: str, page: Page, generations: int | None = None, verbose: bool = False
    ) -> None:
        self.label, self.page, self.generations, self.verbose = label, page, generations, verbose
        self.status: Status | None = None
        self.name, self.began, self.told = "", 0.0, 0.0
        self.line = ""  # of the last generation of this phase
        self.steps, self.done = 0, 0

    def phase(self, name: str, steps: int = 0) -> None:
        """Say what happens now."""
        self.stop()
        self.name, self.began, self.line = name, time.monotonic(), ""
        self.steps, self.done = steps, 0
        if self.page.terminal and not self.page.quiet:
            from rich.text import Text

            text = self.page.fitted(self._about(name, SIGN))
            self.status = self.page.console().status(Text(text), spinner="line")
            self.status.start()
        else:
            self.page.say(f"{self.label}: {name}", style="dim")

    def detail(self, text: str) -> None:
        """Say something that only the curious want to know."""
        if self.verbose:
            self.page.say(f"{self.label}: {text}", style="dim")

    def generation(self, progress: Progress) -> None:
        """Show where the search is."""
        stats = progress.stats
        parts = [
            f"generation {progress.generation:>5} of {self.generations}",
            f"best {stats.best:7.4f}",
            f"median {stats.median:7.4f}",
            f"{progress.evaluations:>6} rules",
            f"{progress.seconds:5.1f} s",
        ]
        if self.status:
            from rich.text import Text

            self.line = _fitting(parts, (self.page.width or 80) - SIGN)
            self.status.update(Text(self.line))
        elif time.monotonic() - self.told > LINE_EVERY or not self.told:
            self.told = time.monotonic()
            self.page.say("   ".join(parts))

    def step(self) -> None:
        """Show how far the phase is, and how long the rest may take."""
        self.done += 1
        now = time.monotonic()
        left = (now - self.began) / self.done * max(0, self.steps - self.done)
        line = f"{self.name}: {self.done} of {self.steps}, some {left:.0f} s left"
        if self.status:
            from rich.text import Text

            self.status.update(Text(self.page.fitted(self._about(line, SIGN))))
        elif now - self.told > LINE_EVERY:
            self.told = now
            self.page.say(self._about(line))

    def note(self, text: str) -> None:
        """Say what is missing, also where nothing else is shown."""
        self.stop()
        Page(stderr=True).say(f"note: {text}")

    def stop(self) -> None:
        """End the phase; on a terminal a line stays that says what it took."""
        if self.status:
            self.status.stop()
            self.status = None
            took = f"{self.name}, {time.monotonic() - self.began:.1f} s"
            self.page.say(self._about(took), style="dim")
            if self.line:
                self.page.say(self.line)

    def _about(self, text: str, taken: int = 0) -> str:
        """A text with what it is about, or without where that has no room on the line."""
        line = f"{self.label}: {text}"
        return line if len(line) + taken <= (self.page.width or len(line) + taken) else text


def _fitting(parts: list[str], width: int) -> str:
    """As many parts as fit on one line; the first always does."""
    line = parts[0]
    for part in parts[1:]:
        if len(line) + 2 + len(part) > width:
            break
        line += f"  {part}"
    return line


@contextmanager
def watching(
    label: str, quiet: bool, generations: int | None = None, verbose: bool = False
) -> Iterator[RunView]:
    """A view on standard error for as long as some work lasts."""
    view = Watch(label, Page(stderr=True, quiet=quiet), generations, verbose)
    try:
        yield view
    finally:
        view.stop()
