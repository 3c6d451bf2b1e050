"""Signals wait while something is written, so that no Ctrl-C leaves half a run in the store."""

from collections.abc import Iterator
from contextlib import contextmanager

_depth = 0
_late = False


@contextmanager
def signals_held() -> Iterator[None]:
    """Let `interrupt_now` wait until the block, and every block around it, is over.

    Raises
    ------
    KeyboardInterrupt
        At the end of the outermost block, if one was asked for inside.
    """
    global _depth, _late
    try:
        _depth += 1
        yield
    finally:
        _depth -= 1
    if _late and not _depth:
        _late = False
        raise KeyboardInterrupt


def interrupt_now() -> None:
    """Raise KeyboardInterrupt, or leave it to the end of the block that holds signals; for signal handlers."""
    global _late
    if _depth:
        _late = True
    else:
        raise KeyboardInterrupt
