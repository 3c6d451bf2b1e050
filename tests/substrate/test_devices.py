"""Where compiled programs are kept: in a folder of one's own, or nowhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from substrate import devices
from substrate.errors import UserError

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(sys.platform == "win32", reason="about owners and modes")


@posix
@pytest.mark.parametrize("mode", [0o777, 0o707, 0o1777])
def test_a_folder_that_others_may_write_to_is_refused(mode, tmp_path):
    tmp_path.chmod(mode)
    with pytest.raises(
        UserError, match=rf"{tmp_path} can be written by others.*HEBBARIUM_CACHE=off"
    ):
        devices.require_private(tmp_path)


@posix
def test_a_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if tmp_path.stat().st_uid == 0:
        os.chown(tmp_path, 4321, -1)
    with pytest.raises(UserError, match="by others"):
        devices.require_private(tmp_path)


@posix
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o775])
def test_a_folder_of_ones_own_is_used(mode, tmp_path):
    tmp_path.chmod(mode)
    devices.require_private(tmp_path)


@posix
def test_a_new_folder_is_for_its_owner_alone(tmp_path):
    folder = tmp_path / "a" / "b"
    devices.require_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_file_in_its_place_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be used"):
        devices.require_private(tmp_path / "file" / "cache")


CUT = """
import jax, sys
from pathlib import Path
from substrate import devices
devices.configure()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
for length in (None, 1000, 0):
    jax.clear_caches()
    kept = [p for p in devices.cache_folder().rglob("*-cache")]
    for path in kept:
        if length is not None:
            path.write_bytes(path.read_bytes()[:length])
    print(len(kept), jax.jit(lambda x: jax.numpy.tanh(x) @ x.T)(jax.numpy.arange(6.0).reshape(2, 3)).sum())
"""


def test_cut_files_in_the_cache_cost_a_compilation_and_no_result(tmp_path):
    """As two runs at once, a full disk or a killed run may leave them."""
    done = subprocess.run(
        [sys.executable, "-c", CUT],
        env={**os.environ, "HEBBARIUM_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [int(kept) > 0 for kept, _ in lines] == [False, True, True]
    assert len({value for _, value in lines}) == 1
    assert "Traceback" not in done.stderr


@posix
def test_an_empty_home_is_none_and_not_the_current_folder(tmp_path):
    code = "from substrate import devices; devices.configure(cache=False); print(devices.cache_folder())"
    kept = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "HEBBARIUM_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "HOME": "", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    where = Path(done.stdout.strip())
    assert where.is_absolute() and where.parts[-2:] == ("hebbarium", "xla") and len(where.parts) > 3
    assert not list(tmp_path.iterdir())
