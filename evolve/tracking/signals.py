"""Hold signals back while something is written, so that Ctrl-C leaves no half-written run in the store."""

from collections.abc import Iterator
from contextlib import contextmanager

_depth = 0
_late = False


@contextmanager
def signals_held() -> Iterator[None]:
    """Delay `interrupt_now` until the block, and every block around it, is over.

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
    """Raise KeyboardInterrupt, now or at the end of the block that holds signals; for signal handlers."""
    global _late
    if _depth:
        _late = True
    else:
        raise KeyboardInterrupt
