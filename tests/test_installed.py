"""The platform as people install it: from a wheel or a source archive, in an environment of its own."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("substrate", "tasks", "rules_zoo", "evolve")
PRESETS = {path.name for path in (ROOT / "runs").glob("*.toml")}


def call(*words, cwd, **environment):
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": "", "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def build(kind, source, folder):
    """The archive of a kind: `wheel` or `sdist`."""
    call(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder, cwd=source)
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def sources(folder):
    return {str(p.relative_to(folder)) for name in PACKAGES for p in (folder / name).rglob("*.py")}


def test_a_wheel_holds_the_packages_the_presets_the_licence_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert sources(ROOT) | {f"evolve/presets/{name}" for name in PRESETS} <= names
    tops = {name.split("/")[0] for name in names}
    assert {t for t in tops if not t.endswith(".dist-info")} == set(PACKAGES)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if name.endswith((".pyc", ".db"))]


def test_a_source_archive_gives_the_same_wheel(wheel, sdist, tmp_path):
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    again = zipfile.ZipFile(build("wheel", source, tmp_path / "built"))
    first = zipfile.ZipFile(wheel)
    assert set(again.namelist()) == set(first.namelist())
    assert {p.name for p in source.iterdir()} >= {"README.md", "LICENSE", "CHANGELOG.md", "tests"}
    assert not {p.name for p in (source / "runs").iterdir()} - PRESETS


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with the platform installed in it; it borrows the other packages from this one."""
    home = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", home, cwd=home)
    python = home / "bin" / "python"
    (own,) = (home / "lib").glob("python*/site-packages")
    (own / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    words = ("install", "-q", "--no-deps", "--no-index", wheel)
    call(sys.executable, "-m", "pip", "--python", python, *words, cwd=home)
    return home / "bin"


def test_an_installed_package_knows_its_presets(environment, tmp_path):
    listed = call(environment / "hebbarium", "presets", "--json", cwd=tmp_path)
    assert {f"{row['preset']}.toml" for row in json.loads(listed)["presets"]} == PRESETS
    where = call(
        environment / "python", "-c", "import evolve; print(evolve.__file__)", cwd=tmp_path
    )
    assert Path(where).is_relative_to(environment.parent)


@pytest.mark.slow
def test_an_installed_package_runs_a_preset_in_an_empty_folder(environment, tmp_path):
    few = ("--set", "genes.columns=12", "--generations", 4, "--set", "instances.test=10")
    words = ("run", "--preset", "mettler2021_pca", *few, "--json")
    record = json.loads(call(environment / "hebbarium", *words, cwd=tmp_path).splitlines()[-1])
    assert record["task"] == "pca" and record["baselines"]["frozen"] == 0
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]
    listed = json.loads(call(environment / "hebbarium", "runs", "--json", cwd=tmp_path))["runs"]
    assert [row["id"] for row in listed] == [record["run_id"]]


@pytest.mark.slow
def test_an_installed_package_takes_ones_own_parts_also_in_two_processes(environment, tmp_path):
    """In a folder with files that are called like the platform's packages and like one of Python's own."""
    own = ROOT / "tests" / "support" / "own_parts"
    folder = shutil.copytree(own, tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*PACKAGES, "signal"):
        (folder / f"{name}.py").write_text("raise SystemExit('not this one')\n")

    def hebbarium(*words):
        parts = ("leaky_delta", "slow_teacher", "tiny_chip", "markdown")
        load = [word for name in parts for word in ("--load", f"{name}.py")]
        return call(environment / "hebbarium", *words, *load, cwd=folder)

    few = ("--generations", 3, "--islands", 4, "--set", "options.steps=200", "--json")
    done = hebbarium("run", "slow_teacher", "--hardware", "tiny_chip", "--seeds", 8, *few)
    runs = json.loads(done.splitlines()[-1])["runs"]
    assert len(runs) == 8 and any(run["champion"]["score"] > 0.3 for run in runs)
    rules = f"leaky_delta,delta,{runs[0]['run_id']}"
    words = ("--task", "slow_teacher", "--rules", rules, "--instances", 10, "--json")
    assert len(json.loads(hebbarium("rank", *words))["rows"]) == 3
    assert "# leaky_delta" in hebbarium("export", "leaky_delta", "--to", "markdown")
