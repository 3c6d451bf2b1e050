"""Workers end with their parent, are begun again when they die, and are in nobody's way."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from evolve.running.processes import ProcessDiedError, Workers, results_of
from tests.support.processes import alive, gone

ROOT = Path(__file__).parents[3]
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


def square(link, number):
    link.tell(f"squaring {number}")
    return number**2


def fail(link, number):
    raise ValueError(f"no luck {number}")


def die(link, folder, times):
    """Dies without a word so many times, then answers."""
    before = len(list(folder.iterdir()))
    (folder / str(before)).touch()
    if before < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return before


def wait(link):
    """Tells who it is, and waits until it is asked to end."""
    link.tell(os.getpid())
    while not link.requested:
        time.sleep(0.01)
    return "asked"


def test_answers_and_messages_come_back_in_order():
    assert results_of(square, [(2,), (3,)]) == [4, 9]
    with Workers(square, [(2,), (3,)]) as workers:
        told = []
        while not workers.done:
            told += workers.told(0.1)
    assert sorted(told) == [(0, "squaring 2"), (1, "squaring 3")]


def test_a_worker_runs_the_code_of_its_parent(tmp_path, monkeypatch):
    """Not that of another version, which may be installed beside it."""
    (tmp_path / "evolve").mkdir()
    (tmp_path / "evolve" / "__init__.py").write_text("raise SystemExit('another version')")
    monkeypatch.syspath_prepend(tmp_path)
    assert results_of(square, [(2,)]) == [4]


def test_what_a_process_does_wrong_is_raised_here():
    with pytest.raises(ValueError, match="no luck"):
        results_of(fail, [(1,), (2,)])


@posix
@pytest.mark.parametrize("times", [1, 2])
def test_the_share_of_a_dead_process_is_done_again_and_the_others_are_kept(times, tmp_path):
    (tmp_path / "a").mkdir()
    with Workers(die, [(tmp_path / "a", times), (tmp_path, 0)]) as workers:
        while not workers.done:
            list(workers.told(0.1))
    assert workers.answers[1] == 1
    if times == 1:
        assert workers.answers[0] == 1
    else:
        assert isinstance(workers.errors[0], ProcessDiedError) and "SIGKILL" in str(
            workers.errors[0]
        )


def test_workers_can_be_asked_to_end():
    with Workers(wait, [()]) as workers:
        while not workers.done:
            for _ in workers.told(0.1):
                workers.stop()
    assert workers.answers == {0: "asked"}


def test_an_error_here_ends_the_workers():
    pids = []
    with pytest.raises(KeyboardInterrupt), Workers(wait, [(), ()]) as workers:
        while len(pids) < 2:
            pids += [pid for _, pid in workers.told(0.1)]
        raise KeyboardInterrupt
    assert gone(pids, 0.1)


@posix
@pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "pipe"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_workers_end_with_their_parent(number, kernel, tmp_path):
    """Also where the kernel knows nothing of it, as on macOS."""
    code = f"""
        import sys
        from evolve.running import processes
        from tests.evolve.running.test_processes import wait
        if not {kernel}:
            processes._PROGRAM = processes._PROGRAM.replace("import serve;", "import serve; sys.platform = 'darwin';")
        with processes.Workers(wait, [(), ()]) as workers:
            while True:
                for _, pid in workers.told(0.1):
                    print(pid, flush=True)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
    )
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(map(alive, pids))
    parent.send_signal(number)
    parent.communicate(timeout=10)
    assert gone(pids)


@pytest.mark.parametrize("name", ["signal", "queue", "json", "tasks", "evolve", "types"])
def test_modules_in_the_current_folder_are_in_nobodys_way(name, tmp_path, monkeypatch):
    (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    assert results_of(square, [(5,)]) == [25]
