"""`hebbarium ui` serves while it lives, leaves nothing behind, and refuses in a sentence what it cannot serve."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from evolve.commands import ui
from substrate.errors import UserError
from tests.support.processes import children, gone

ROOT = Path(__file__).parents[3]
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "reason"),
    [("127.0.0.1", "in use"), ("203.0.113.7", "assign"), ("no.such.host.invalid", "")],
)
def test_an_address_that_cannot_be_served_is_refused(host, reason, folder, monkeypatch):
    monkeypatch.setattr(ui, "_started", lambda command: pytest.fail("nothing may be started"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"{host}:{port} .*{reason}.*--port"):
            ui.serve(folder, host, port)


def test_a_server_that_ends_by_itself_is_reported(folder, monkeypatch):
    monkeypatch.setattr(
        ui, "ui_command", lambda *words: [sys.executable, "-c", "raise SystemExit(3)"]
    )
    with pytest.raises(UserError, match="exit code 3"):
        ui.serve(folder, "127.0.0.1", free_port())


@posix
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 0),
        (signal.SIGINT, 0),
        (signal.SIGHUP, 0),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_the_server_and_its_children_end_with_the_command(number, code, tmp_path):
    """A stand-in for MLflow, whose start takes long: a process that starts the one that listens."""
    port = free_port()
    (tmp_path / "server.py").write_text(
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-m', 'http.server', '{port}', '--bind', '127.0.0.1'])\n"
    )
    (tmp_path / "command.py").write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from evolve.commands import ui\n"
        f"ui.ui_command = lambda *words: [sys.executable, {str(tmp_path / 'server.py')!r}]\n"
        f"sys.exit(ui.serve(Path('somewhere'), '127.0.0.1', {port}))\n"
    )
    command = subprocess.Popen(
        [sys.executable, tmp_path / "command.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    )
    try:
        assert "Serving" in command.stdout.readline()
        family = [command.pid]
        for pid in family:
            family += children(pid)
        assert len(family) == 4, "the command, the guard, the server, its child"
        command.send_signal(number)
        command.communicate(timeout=15)
        assert command.returncode == code
        assert gone(family)
    finally:
        command.kill()
        command.wait()


@pytest.mark.slow
@posix
def test_the_real_pages_end_with_the_command(folder):
    port = free_port()
    command = subprocess.Popen(
        [sys.executable, "-m", "evolve", "ui", "--runs", str(folder), "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    try:
        assert any("Serving" in line for line in command.stdout)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=30) as answer:
            assert answer.read() == b"OK"
        family = [command.pid]
        for pid in family:
            family += children(pid)
        time.sleep(0.5)
        command.send_signal(signal.SIGTERM)
        command.communicate(timeout=30)
        assert command.returncode == 0 and gone(family)
    finally:
        command.kill()
        command.wait()
