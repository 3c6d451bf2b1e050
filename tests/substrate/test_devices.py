"""Where compiled programs are kept: in a folder of one's own, or nowhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from substrate import devices
from substrate.errors import UserError

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


@posix
def test_an_empty_home_is_none_and_not_the_current_folder(tmp_path):
    code = "from substrate import devices; devices.configure(cache=False); print(devices.cache_folder())"
    kept = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "HEBBARIUM_CACHE")}
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "HOME": "", "PYTHONPATH": root},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    where = Path(done.stdout.strip())
    assert where.is_absolute() and where.parts[-2:] == ("hebbarium", "xla") and len(where.parts) > 3
    assert not list(tmp_path.iterdir())
