"""What `hebbarium ui` does: serve MLflow's pages of a store for as long as this process lives."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from evolve.report.terminal import Page
from evolve.running.interrupt import Interrupt, StopSignal
from evolve.tracking.store import ui_command, ui_environment
from substrate.errors import UserError

#: Seconds that the server is given to come up, and to end when it is asked to.
START, END = 120.0, 5.0

#: Leads the server's processes: ends them all when its own input ends, that is, when its parent has gone.
_GUARD = """
import os, signal, subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
def end():
    while os.read(0, 1):
        pass
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    server.kill()
    os._exit(1)
threading.Thread(target=end, daemon=True).start()
sys.exit(server.wait())
"""


def serve(runs: Path, host: str, port: int) -> int:
    """Serve the pages until a signal comes or the server ends; returns the exit code.

    Raises
    ------
    UserError
        If nothing can be served at this address.
    """
    command = ui_command(runs, host, port)
    _require_free(host, port)
    with Interrupt().armed() as stop:
        stop.searching = True  # a first signal asks, a second one insists
        server = _started(command)
        try:
            if _answers(server, host, port, stop):
                Page().line(f"Serving {runs} on http://{_shown(host)}:{port}, Ctrl-C to end")
            while server.poll() is None and not stop.requested:
                time.sleep(0.1)
            if stop.requested:
                return 0
        finally:
            _end(server)
    raise UserError(
        f"The server of the pages has ended by itself (exit code {server.returncode}); its own words stand above. "
        "Try another --port, or start `hebbarium ui` again."
    )


def _require_free(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as listener:
            if sys.platform != "win32":  # where it would let two listen
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
    except OSError as error:
        raise UserError(
            f"Cannot serve on {_shown(host)}:{port} ({error.strerror or error}). Give another --port, or an address "
            "of this machine with --host, such as 127.0.0.1."
        ) from None


def _started(command: list[str]) -> "subprocess.Popen[bytes]":
    """Start the server in a process group of its own, which a guard leads."""
    group = {} if sys.platform == "win32" else {"process_group": 0}
    guard = [sys.executable, "-P", "-c", _GUARD, *command]
    return subprocess.Popen(guard, env=ui_environment(), stdin=subprocess.PIPE, **group)  # type: ignore[call-overload]


def _answers(server: "subprocess.Popen[bytes]", host: str, port: int, stop: StopSignal) -> bool:
    """Wait until somebody listens."""
    deadline = time.monotonic() + START
    while server.poll() is None and not stop.requested and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((_reachable(host), port), timeout=1):
            return True
        time.sleep(0.1)
    return False


def _end(server: "subprocess.Popen[bytes]") -> None:
    """Ask all of the server's processes to end, and see to it."""
    assert server.stdin is not None, "a pipe was asked for"
    if sys.platform != "win32":
        with suppress(OSError):
            os.killpg(server.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            server.wait(END)
        with suppress(OSError):
            os.killpg(server.pid, signal.SIGKILL)
    with suppress(OSError):
        server.stdin.close()
    server.wait()


def _reachable(host: str) -> str:
    """An address that is listened on, where the given one means all of them."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
