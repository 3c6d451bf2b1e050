"""What a run writes while it goes on, and how it is closed after any kind of end."""

import io
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, Self

from evolve.tracking import files
from evolve.tracking.signals import signals_held
from substrate.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Status = Literal["finished", "stopped", "failed"]

#: Seconds between two writes of metrics: a write costs 5 ms, as much as a fast generation.
PAUSE = 0.5

#: The same while they fail; and points that are kept until one succeeds.
LONGEST_PAUSE, MOST_WAITING = 60.0, 100_000


class Point(NamedTuple):
    """One number of one step."""

    key: str
    value: float
    time: int  # ms since 1970
    step: int


class Sink(Protocol):
    """Where a run is written."""

    files: files.Files

    def log(
        self, run: str, metrics: Sequence[Point] = (), tags: Mapping[str, object] | None = None
    ) -> None:
        """Write metrics and tags of a run."""

    def end(self, run: str, status: Status) -> None:
        """Close a run."""


class RunLog:
    """One run; as a context manager it notes how the run ended: finished, stopped or failed.

    A run is failed only if it has kept no rule. One that has kept a rule and ends with an error is stopped, since the
    rule can be used; its tags and `error.txt` give the error.

    Parameters
    ----------
    run
        Its id, or what opens the run and returns its id; called when something is first written, or asks for `id`.
    last
        The last step that was logged before; it and earlier ones are not logged again.
    pause
        Seconds between two writes of metrics; longer after one that failed.
    """

    def __init__(
        self, sink: Sink, run: str | Callable[[], str], last: int = -1, pause: float = PAUSE
    ) -> None:
        self._run, self._sink = run, sink
        self._last, self._pause = last, pause
        self._points: list[Point] = []
        self._tags: dict[str, object] = {}
        self._due, self._wait = 0.0, pause
        self._open = True
        self._status: Status = "finished"
        self.found = False
        self.notes: list[str] = []

    @cached_property
    def id(self) -> str:
        """The run's id."""
        return self._run if isinstance(self._run, str) else self._run()

    @property
    def folder(self) -> Path:
        """Where the artifacts are."""
        return self._sink.files.artifacts(self.id)

    def open(self) -> None:
        """Have the run in the store, if it is not there yet."""
        _ = self.id

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the numbers of one step, without those that are not finite.

        They are written twice a second at most (see `pause`), all that wait in one call; what could not be written
        waits for the next time.
        """
        if step <= self._last:
            return
        now = int(time.time() * 1000)
        for key, value in values.items():
            if math.isfinite(value):
                self._points.append(Point(key, float(value), now, step))
        del self._points[:-MOST_WAITING]
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Write the metrics and tags that wait."""
        if not (self._points or self._tags):
            return
        self._due = float("inf")  # whatever happens now
        try:
            self._sink.log(self.id, metrics=self._points, tags=self._tags)
            self._points, self._tags, self._wait = [], {}, self._pause
        except BaseException:
            self._wait = min(2 * self._wait, LONGEST_PAUSE)
            raise
        finally:
            self._due = time.monotonic() + self._wait

    def tags(self, values: Mapping[str, object]) -> None:
        """Set what may change while a run goes on; `champion` and `score` are shown in lists."""
        self._tags |= values
        self.flush()

    def keep(self, rule_file: str, tags: Mapping[str, object], beyond: str = "") -> None:
        """Keep the best rule so far, as a file at once; its tags are written with the next metrics.

        Parameters
        ----------
        rule_file
            In place of an earlier one.
        beyond
            Better rules that no rule file can hold, as text.
        """
        self.text("champion.json", rule_file)
        first, self.found = not self.found, True
        self._tags |= tags
        if beyond:
            self.text("unwritable.txt", beyond + "\n")
        if first:
            self.flush()

    def note(self, text: str) -> None:
        """Record that something is missing which the run can do without: in its tags and in `notes`."""
        if text not in self.notes:
            self.notes.append(text)
            self._tags["note"] = "; ".join(self.notes)

    def attempt(self, what: str, step: Callable[[], object]) -> None:
        """Take a step that the run can do without; if it fails, note why."""
        try:
            step()
        except Exception as error:
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            self.note(f"{what} is missing ({kind}{error})")

    def text(self, name: str, content: str) -> None:
        """Keep a text as an artifact, in place of an earlier one of this name."""
        self.data(name, content.encode())

    def figure(self, name: str, figure: "Figure") -> None:
        """Keep a picture as an artifact; the ending of its name decides the format."""
        image = io.BytesIO()
        figure.savefig(image, format=Path(name).suffix.lstrip(".") or "png", dpi=200)
        self.data(name, image.getvalue())

    def data(self, name: str, content: bytes) -> None:
        """Keep bytes as an artifact; a crash leaves the old or the new ones, never half of them."""
        try:
            files.write(self.folder / name, content)
        except OSError as error:
            raise UserError(
                f"Cannot keep {name!r} of run {self.id[:8]}: {error.strerror or error}."
            ) from error

    def finish(self, status: Status) -> None:
        """Close the run; only the first call that succeeds counts."""
        if self._open:
            self._status = status
            with suppress(Exception):  # the end of the run matters more than a point of a curve
                self.flush()
            self._sink.end(self.id, status)
            self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with signals_held():
            if error is None and self.found:
                self.attempt("the mark that the run has ended", lambda: self.finish(self._status))
            elif error is None:
                self.finish(self._status)
            elif self._open:
                self.give_up(error)

    def give_up(self, error: BaseException) -> None:
        """Close the run after an error; failures in here are not raised, so that they do not hide that error."""
        wanted = isinstance(error, KeyboardInterrupt | SystemExit)
        if wanted and not isinstance(self._run, str) and "id" not in vars(self):
            self._open = False  # it was never written to the store
            return
        if not wanted:
            self._tags["error"] = f"{type(error).__name__}: {error}"
            with suppress(Exception):
                self.text("error.txt", "".join(traceback.format_exception(error)))
        with suppress(Exception):
            self.finish("stopped" if wanted or self.found else "failed")
