"""A limit on the time of a computation that may never end."""

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Value = TypeVar("Value")

_AGAIN = 0.05  # seconds; an exception raised inside a destructor is lost, so the alarm repeats


class _TimeUp(BaseException):
    """Not an Exception, so that no `except Exception` on the way out swallows it."""


def can_limit() -> bool:
    """Whether a running computation can be stopped here: on the main thread of a POSIX system."""
    main = threading.current_thread() is threading.main_thread()
    return main and hasattr(signal, "setitimer")


def within(seconds: float, job: Callable[[], Value]) -> Value | None:
    """Return the value of `job`; None if it takes longer than `seconds` or cannot be limited here.

    An alarm that somebody else has set still comes, at its own time or as soon as the job has
    ended.
    """
    if seconds <= 0 or not can_limit():
        return None
    running = True

    def alarm(number: int, frame: FrameType | None) -> None:
        if running:
            raise _TimeUp

    began = time.monotonic()
    handler: Any = signal.signal(signal.SIGALRM, alarm)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        try:
            return job()
        finally:  # an alarm that comes here, before it is told to be quiet, is caught below
            running = False
    except _TimeUp:
        return None
    finally:
        running = False
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        if left:
            rest = max(left - (time.monotonic() - began), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, rest, interval)
