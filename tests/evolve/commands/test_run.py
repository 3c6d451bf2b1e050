"""What a run records about the world around it."""

import shutil
import subprocess

import pytest

from evolve.commands import run

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder, *words):
    who = ("-c", "user.name=u", "-c", "user.email=u@example.org")
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    """Somebody's repository with one file."""
    git(tmp_path, "init", "-q")
    (tmp_path / "thesis.txt").write_text("thesis")
    (tmp_path / ".gitignore").write_text(".venv/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "thesis")
    return tmp_path


@pytest.mark.parametrize("where", [".venv/lib/evolve/commands", "evolve/commands"])
def test_the_commit_of_somebody_elses_repository_is_not_ours(where, repository, monkeypatch):
    """Whether it ignores the package or has not met it yet."""
    folder = repository / where
    folder.mkdir(parents=True)
    (folder / "run.py").touch()
    monkeypatch.setattr(run, "__file__", str(folder / "run.py"))
    assert run._commit() == ""


def test_the_commit_of_the_source_is_recorded_and_marked_if_it_has_changes(repository, monkeypatch):
    file = repository / "evolve" / "commands" / "run.py"
    file.parent.mkdir(parents=True)
    file.touch()
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "source")
    monkeypatch.setattr(run, "__file__", str(file))
    commit = run._commit()
    assert len(commit) == 12 and int(commit, 16)
    file.write_text("changed")
    assert run._commit() == f"{commit}-dirty"


def test_without_a_repository_there_is_none(tmp_path, monkeypatch):
    (tmp_path / "run.py").touch()
    monkeypatch.setattr(run, "__file__", str(tmp_path / "run.py"))
    assert run._commit() == ""
