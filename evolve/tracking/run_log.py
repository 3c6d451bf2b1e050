"""What one run writes while it goes on, and how it is closed whatever happens."""

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
from substrate.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Status = Literal["finished", "stopped", "failed"]

#: Seconds between two writes of metrics: a write costs 5 ms, as much as a fast generation.
PAUSE = 0.5


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

    Parameters
    ----------
    run
        Its id, or what opens the run and returns its id; called when something is first written, or asks for `id`.
    last
        The last step that was logged before; it and earlier ones are not logged again.
    pause
        Seconds between two writes of metrics.
    """

    def __init__(
        self, sink: Sink, run: str | Callable[[], str], last: int = -1, pause: float = PAUSE
    ) -> None:
        self._run, self._sink = run, sink
        self._last, self._pause = last, pause
        self._waiting: list[Point] = []
        self._due = 0.0
        self._open = True

    @cached_property
    def id(self) -> str:
        """The run's id."""
        return self._run if isinstance(self._run, str) else self._run()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the numbers of one step, without those that are not finite.

        They are written twice a second at most (see `pause`), all that wait in one call.
        """
        if step <= self._last:
            return
        now = int(time.time() * 1000)
        for key, value in values.items():
            if math.isfinite(value):
                self._waiting.append(Point(key, float(value), now, step))
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Write the metrics that wait."""
        if self._waiting:
            self._sink.log(self.id, metrics=self._waiting)
        self._waiting = []
        self._due = time.monotonic() + self._pause

    def tags(self, values: Mapping[str, object]) -> None:
        """Set what may change while a run goes on; `champion` and `score` are shown in lists."""
        self._sink.log(self.id, metrics=self._waiting, tags=values)
        self._waiting = []

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
        self.flush()
        try:
            files.write(self._sink.files.artifacts(self.id) / name, content)
        except OSError as error:
            raise UserError(
                f"Cannot keep {name!r} of run {self.id[:8]}: {error.strerror}."
            ) from error

    def finish(self, status: Status) -> None:
        """Close the run; only the first call counts."""
        if self._open:
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
        if error is None:
            self.finish("finished")
            return
        with suppress(Exception):  # the error that ended the run is the one to be seen
            if isinstance(error, KeyboardInterrupt | SystemExit):
                self.finish("stopped")
            elif self._open:
                self.tags({"error": f"{type(error).__name__}: {error}"})
                self.text("error.txt", "".join(traceback.format_exception(error)))
                self.finish("failed")
