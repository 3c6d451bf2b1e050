"""One writer for each store: a file lock that the operating system releases when the process dies.

The library `filelock` is not used: it empties the file before it has the lock, and so deletes the note on who holds
it; and it has no shared lock, with which readers ask here who writes without locking anybody out.
"""

import errno
import json
import os
import socket
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: Seconds that a writer waits: a reader that asks who writes shares the lock for some microseconds.
PATIENCE = 0.5


class Holder(NamedTuple):
    """Who holds a lock; the token is new each time, unlike a pid."""

    pid: int
    host: str
    token: str


class HeldError(Exception):
    """Another process has the lock; `holder` is None in the moment before it has written its note."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(holder)
        self.holder = holder


class Lock:
    """An exclusive lock on a file, signed with pid and host; the file stays when the lock goes."""

    def __init__(self, path: Path) -> None:
        self.holder = Holder(os.getpid(), socket.gethostname(), uuid.uuid4().hex)
        self._file = path.open("a+", encoding="utf-8")
        deadline = time.monotonic() + PATIENCE
        try:
            # None from a file system without locks: there, only the note says who writes.
            while _take(self._file, shared=False) is False:
                if time.monotonic() > deadline:
                    raise HeldError(_note(path))
                time.sleep(0.02)
        except BaseException:
            self._file.close()
            raise
        try:
            self._file.truncate(0)
            json.dump(self.holder._asdict(), self._file)
            self._file.flush()
        except BaseException:  # the disk is full
            with suppress(OSError):
                self._file.close()
            raise

    def release(self) -> None:
        """Let others write."""
        if not self._file.closed:
            with suppress(OSError):
                self._file.truncate(0)
            self._file.close()


def holder(path: Path) -> Holder | None:
    """Who holds the lock on this file now, if anybody does."""
    note = _note(path)
    if note is None:
        return None
    try:
        with path.open(encoding="utf-8") as file:
            free = _take(file, shared=True)
    except OSError:
        return None
    if free is None:
        free = note.host == socket.gethostname() and not _alive(note.pid)
    return None if free else note


def _note(path: Path) -> Holder | None:
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _take(file: IO[str], shared: bool) -> bool | None:
    """Try to lock: False if somebody is in the way, None where there are no locks."""
    try:
        if sys.platform == "win32":
            os.lseek(file.fileno(), 1 << 20, os.SEEK_SET)  # beyond the note, which others may read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK) else None
    return True


def _alive(pid: int) -> bool:
    """Whether a process of this machine lives; unknown counts as yes."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
