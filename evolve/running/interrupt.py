"""How a person, or the system, ends a search early and keeps what it has found."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol, Self

from evolve.tracking.signals import interrupt_now

#: Ctrl-C, `kill` or the end of a batch job, and a closed terminal; not every system has all of these signals.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class StopSignal(Protocol):
    """Whether an end has been asked for."""

    @property
    def requested(self) -> bool:
        """Read between generations."""


class Interrupt:
    """The first signal ends the search after the current generation; the same one again ends the process at once.

    Before the search begins nothing has been found, so the first signal ends the process too; `searching` is set
    when the search begins. A signal that this process was started to ignore, as SIGHUP by `nohup`, stays ignored.
    """

    def __init__(self) -> None:
        self.requested = self.searching = False

    @contextmanager
    def armed(self) -> Iterator[Self]:
        """Listen while the block runs; signals can only be handled on the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        seen: set[int] = set()

        def handle(number: int, frame: FrameType | None) -> None:
            self.requested = True
            if number in seen or not self.searching:
                interrupt_now()
            seen.add(number)

        before = {
            number: signal.signal(number, handle)
            for number in SIGNALS
            if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN
        }
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
