"""Files of a person that are called like our packages stand in nobody's way."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("substrate", "tasks", "rules_zoo", "evolve")


@pytest.fixture
def folder(tmp_path):
    """A folder with such files, each of which ends the program that imports it."""
    for name in OURS:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('{name} of mine')\n")
    return tmp_path


def python(folder, *words, **environment):
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


def test_python_m_evolve_finds_its_own_packages(folder):
    (folder / "evolve.py").unlink()
    done = python(folder, "-m", "evolve", "rules", "frozen")
    assert (done.returncode, done.stderr) == (0, "") and "dw = 0" in done.stdout


def test_the_script_finds_its_own_packages(folder):
    """As the script `hebbarium` does: Python puts the script's folder first, and not the current one."""
    done = python(folder, "-P", "-c", "from evolve.__main__ import main; main()", "--help")
    assert (done.returncode, done.stderr) == (0, "") and "presets" in done.stdout


@pytest.mark.parametrize("kind", ["file", "package", "folder"])
@pytest.mark.parametrize("name", OURS[:3])
def test_a_file_that_is_there_first_is_named(name, kind, tmp_path):
    """In a notebook, say, which has imported its own `tasks` before."""
    home = tmp_path / name
    if kind == "file":
        home = home.with_suffix(".py")
        home.write_text("x = 1\n")
    else:
        home.mkdir()
        if kind == "package":
            home /= "__init__.py"
            home.write_text("x = 1\n")
    code = f"import {name}, sys; sys.path.insert(0, {str(ROOT)!r}); import evolve"
    done = python(tmp_path, "-S", "-c", code, PYTHONPATH="")  # without what is installed
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith("ImportError: Hebbarium's package")
    assert str(home) in last and name in last and "Rename" in last
