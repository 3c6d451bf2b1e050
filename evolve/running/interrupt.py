"""How a person ends a search early and keeps what it has found."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self


class StopSignal(Protocol):
    """Whether an end has been asked for."""

    @property
    def requested(self) -> bool:
        """Looked at between generations."""


class Interrupt:
    """Ctrl-C asks for an end after the current generation; a second one insists."""

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def armed(self) -> Iterator[Self]:
        """Listen while the block runs; signals can only be handled on the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return

        def handle(number: int, frame: object) -> None:
            if self.requested:
                raise KeyboardInterrupt
            self.requested = True

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)


class StopFile:
    """A file that appears asks for an end: for searches in other processes."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def requested(self) -> bool:
        """Whether the file is there."""
        return self.file.exists()

    def write(self) -> None:
        """Ask."""
        self.file.touch()
