"""Who imports whom: packages and rooms form floors, and an import goes down; importing does nothing else."""

import ast
import importlib
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
#: The rooms of a package, from the ground up: a room imports from its own floor and those before it.
ROOMS = {
    "evolve": (
        "expressions",
        "exports",
        "tracking",
        "evaluation",
        "search",
        "tuning",
        "config",
        "ranking",
        "survey",
        "running",
        "report",
        "bench",
        "commands",
        "api",
    ),
}
FILES = sorted(f for p in PACKAGES for f in (ROOT / p).rglob("*.py"))
ALL = sorted([*FILES, *(ROOT / "tests").rglob("*.py")])


def imported(path: Path) -> set[str]:
    """Dotted names of the modules that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = str(node.module)
            folder = ROOT / module.replace(".", "/")
            found |= {
                f"{module}.{alias.name}"
                if (folder / alias.name).is_dir() or (folder / f"{alias.name}.py").exists()
                else module
                for alias in node.names
            }
    return found


def room(dotted: str) -> str | None:
    """The room of a module, None outside rooms."""
    package, *rest = dotted.split(".")
    return rest[0] if rest and rest[0] in ROOMS.get(package, ()) else None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path):
    package = path.relative_to(ROOT).parts[0]
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops & set(PACKAGES) <= ALLOWED[package]
    assert package == "evolve" or not tops & ONLY_EVOLVE
    assert "tests" not in tops


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_import_from_their_own_floor_and_below(path):
    dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    package, own = dotted.split(".")[0], room(dotted)
    if own is None:
        return
    floors = ROOMS[package]
    above = {
        name
        for name in imported(path)
        if name.split(".")[0] == package
        and (room(name) is None or floors.index(str(room(name))) > floors.index(own))
    }
    assert not above, f"{own} is below the rooms of {above}"


@pytest.mark.parametrize("package", ROOMS)
def test_every_folder_is_a_room_that_says_what_it_answers(package):
    folders = {f.name for f in (ROOT / package).iterdir() if (f / "__init__.py").exists()}
    assert folders == set(ROOMS[package])
    for name in folders:
        words = (importlib.import_module(f"{package}.{name}").__doc__ or "").splitlines()[0]
        assert "?" in words, f"{package}/{name} asks no question: {words}"


def test_no_file_stands_in_a_circle():
    graph = {}
    for path in FILES:
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        graph[dotted] = {name for name in imported(path) if name.split(".")[0] in PACKAGES}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join((*path, name))}"
        if name in graph and name not in done:
            for other in graph[name]:
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", ALL, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_test_imports_another_test(path):
    assert not {n for n in imported(path) if n.startswith("tests") and ".test_" in n}


def test_importing_prints_and_compiles_nothing():
    code = (
        f"import {', '.join(PACKAGES)}, evolve.running.loop, jax\n"
        "assert not jax._src.xla_bridge.backends_are_initialized(), 'a backend was started'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
