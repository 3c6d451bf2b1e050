"""How a person ends a search early and keeps what it has found."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self


class Wish(Protocol):
    """Whether an end has been asked for."""

    @property
    def asked(self) -> bool:
        """Looked at between generations."""


class Interrupt:
    """Ctrl-C asks for an end after the current generation; a second one insists."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def armed(self) -> Iterator[Self]:
        """Listen while the block runs; signals can only be handled on the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return

        def handle(number: int, frame: object) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True

        before = signal.signal(signal.SIGINT, handle)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)


class Note:
    """A file that appears asks for an end: for searches in other processes."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def asked(self) -> bool:
        """Whether the file is there."""
        return self.file.exists()

    def write(self) -> None:
        """Ask."""
        self.file.touch()
