"""Who imports whom, how long files are, and that importing does nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("substrate", "tasks", "rules_zoo", "evolve")
ALLOWED = {
    "substrate": {"substrate"},
    "tasks": {"substrate", "tasks"},
    "rules_zoo": {"substrate", "rules_zoo"},
    "evolve": set(PACKAGES),
}
ONLY_EVOLVE = {"deap", "joblib", "mlflow"}
FILES = sorted(f for p in PACKAGES for f in (ROOT / p).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level names that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path):
    package = path.relative_to(ROOT).parts[0]
    names = imported(path)
    assert names & set(PACKAGES) <= ALLOWED[package]
    assert package == "evolve" or not names & ONLY_EVOLVE
    assert "tests" not in names


def test_files_are_short():
    long = {f.name: n for f in FILES if (n := len(f.read_text().splitlines())) > 400}
    assert not long


def test_importing_prints_and_compiles_nothing():
    code = (
        f"import {', '.join(PACKAGES)}, evolve.running.loop, jax\n"
        "assert not jax._src.xla_bridge.backends_are_initialized(), 'a backend was started'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
