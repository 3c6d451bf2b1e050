"""Worker processes that each do a share of some work, report progress, and end with the process that started them.

Everything goes through pipes, so nothing is left on a disk or in shared memory whichever way a process ends. A worker
reads its standard input all the time: a byte asks it to come to an end, and the end of the input means that its
parent has gone, also after SIGKILL. On Linux the kernel ends it besides.

A worker ignores Ctrl-C, SIGTERM and SIGHUP, which reach every process of a terminal or a batch job: its parent
decides what to do. It does not look for modules in the current folder before Python's own, so that a
`signal.py` there is not in its way.
"""

import ctypes
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from evolve.running.interrupt import SIGNALS

#: How often a share is started again after its process has died.
RETRIES = 1

#: The program of a worker: where to look for modules, then everything else.
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from evolve.running.processes import serve; serve(int(sys.argv[2]))"
)


class ProcessDiedError(RuntimeError):
    """A process ended without an answer each time that it was started."""


class Link:
    """A worker's connection to its parent."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self.requested = False

    def tell(self, what: object) -> None:
        """Send something to the parent."""
        self._send("told", what)

    def _send(self, kind: Literal["told", "answer", "error"], what: object) -> None:
        import cloudpickle  # here and not at the top: importing this module is light

        data = cloudpickle.dumps((kind, what))
        with self._lock:
            _write(self._pipe, len(data).to_bytes(8, "little") + data)

    def _listen(self) -> None:
        """Note when the parent asks for an end; exit at once when the parent has gone."""
        while os.read(0, 1):
            self.requested = True
        os._exit(1)


class _Message(NamedTuple):
    share: int
    kind: Literal["told", "answer", "error", "gone"]
    what: Any


class Workers:
    """A process for each share of some work.

    Parameters
    ----------
    work
        Called in a worker with a `Link` and the arguments of a share.
    shares
        Arguments.
    """

    def __init__(self, work: Callable[..., Any], shares: Sequence[tuple[Any, ...]]) -> None:
        self._work, self._shares = work, shares
        self._messages: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._begun = [0] * len(shares)
        self._stopping = self._ended = False
        self.processes: list[subprocess.Popen[bytes]] = []
        self._readers: list[threading.Thread] = []
        self.answers: dict[int, Any] = {}
        self.errors: dict[int, Exception] = {}

    @property
    def done(self) -> bool:
        """Whether every share has an answer or an error."""
        return len(self.answers) + len(self.errors) == len(self._shares)

    def told(self, seconds: float) -> Iterator[tuple[int, Any]]:
        """The messages of workers since the last call, each with its share; waits at most so long for the first."""
        with suppress(queue.Empty):
            message = self._messages.get(timeout=seconds)
            while True:
                if message.kind == "told":
                    yield message.share, message.what
                else:
                    self._conclude(message)
                message = self._messages.get_nowait()

    def stop(self) -> None:
        """Ask all workers to end; only the first call does so."""
        if not self._stopping:
            self._stopping = True
            for process in self.processes:
                _ask(process)

    def __enter__(self) -> Self:
        try:
            self.processes = [self._begin(share) for share in range(len(self._shares))]
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _conclude(self, message: _Message) -> None:
        share = message.share
        if share in self.answers or share in self.errors:
            return  # "gone", after the answer
        if message.kind == "answer":
            self.answers[share] = message.what
        elif message.kind == "error":
            self.errors[share] = message.what
        elif self._begun[share] <= RETRIES and not (self._stopping or self._ended):
            _close(self.processes[share])
            self.processes[share] = self._begin(share)
        else:
            code = self.processes[share].wait()
            self.errors[share] = ProcessDiedError(f"its process has died ({_cause(code)})")

    def _begin(self, share: int) -> "subprocess.Popen[bytes]":
        import cloudpickle

        self._begun[share] += 1
        options: dict[str, Any] = {} if sys.platform == "win32" else {"process_group": 0}
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, json.dumps(_module_folders()), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            **options,
        )
        reader = threading.Thread(target=self._read, args=(share, process), daemon=True)
        reader.start()
        self._readers.append(reader)
        data = cloudpickle.dumps((self._work, self._shares[share]))
        assert process.stdin is not None, "a pipe was asked for"
        with suppress(OSError):  # it has died, which the reader reports
            _write(process.stdin.fileno(), len(data).to_bytes(8, "little") + data)
        return process

    def _read(self, share: int, process: "subprocess.Popen[bytes]") -> None:
        """Pass on what a process sends until it ends; runs on a thread."""
        assert process.stdout is not None, "a pipe was asked for"
        with process.stdout as pipe, suppress(Exception):
            while data := _receive(pipe.fileno()):
                self._messages.put(_Message(share, *pickle.loads(data)))
        self._messages.put(_Message(share, "gone", None))

    def _end(self) -> None:
        """End all processes and wait until they are gone."""
        self._ended = True
        for process in self.processes:
            process.kill()
        for process in self.processes:
            _close(process)
        for reader in self._readers:
            reader.join()


def results_of(work: Callable[..., Any], shares: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Do some work for every share in a process of its own; the first error of any is raised."""
    with Workers(work, shares) as workers:
        while not workers.done:
            for _ in workers.told(0.1):
                pass
            for error in workers.errors.values():
                raise error
        return [workers.answers[share] for share in range(len(shares))]


def serve(parent: int) -> None:
    """Be a worker: take a share from standard input, and send what comes of it to standard output."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    _end_with(parent)
    link = Link(os.dup(1))
    os.dup2(2, 1)  # keep printed text out of the answers
    data = _receive(0)
    threading.Thread(target=link._listen, daemon=True).start()
    try:
        work, share = pickle.loads(data)
        link._send("answer", work(link, *share))
    except Exception as error:
        error.add_note("".join(traceback.format_exception(error)))
        try:
            link._send("error", error)
        except Exception:
            link._send("error", RuntimeError(f"{type(error).__name__}: {error}"))
    sys.stderr.flush()
    os._exit(0)  # without waiting for threads of libraries


def _end_with(parent: int) -> None:
    """Have the kernel end this process with its parent, where it can."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it ended before this call
            os._exit(1)


def _module_folders() -> list[str]:
    """Where a worker looks for modules: where this process does, but for the current folder, and beside `evolve`.

    Python's own come first; another `evolve`, installed or on the path of a person, comes after this one.
    """
    here, root = Path.cwd(), Path(__file__).parents[2]
    folders = [f for f in sys.path if f and Path(f) not in (here, root)]
    others = (i for i, folder in enumerate(folders) if (Path(folder) / "evolve").is_dir())
    folders.insert(next(others, len(folders)), str(root))
    return folders


def _close(process: "subprocess.Popen[bytes]") -> None:
    """Forget a process that has ended or is about to."""
    assert process.stdin is not None, "a pipe was asked for"
    process.stdin.close()
    process.wait()


def _ask(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None, "a pipe was asked for"
    with suppress(OSError):
        os.write(process.stdin.fileno(), b".")


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _write(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]


def _receive(pipe: int) -> bytes:
    """The next block; empty if the other side has gone."""
    length = _read_all(pipe, 8)
    return _read_all(pipe, int.from_bytes(length, "little")) if length else b""


def _read_all(pipe: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(pipe, min(size, 1 << 20))
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
