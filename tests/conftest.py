"""How the suite runs; fixtures that walk the registries: a new rule or task is covered because its file exists."""

import gc
from collections.abc import Callable
from pathlib import Path

import jax
import pytest

from substrate.devices import configure, release_free_memory, usable_cores

# Two devices show what several do, and every further one makes compiling dearer.
configure(min(2, usable_cores()))

from rules_zoo import RULES  # noqa: E402 - JAX must be set up first
from tasks import FAMILIES  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """Plain `pytest` runs in up to four processes if pytest-xdist is there: compiling uses one core.

    Whatever names tests or says how to run them (`pytest FILE`, `-k`, `-n`, `-s`, `--pdb`) runs as it says.
    """
    option = config.option
    if (
        config.args_source == config.ArgsSource.TESTPATHS
        and config.pluginmanager.hasplugin("xdist")
        and not hasattr(config, "workerinput")
        and option.numprocesses is None
        and option.capture != "no"
        and not (option.keyword or option.usepdb or option.collectonly)
        and usable_cores() > 1
    ):
        # Runs of tests that follow each other, whose fixtures are shared; whoever has done with them helps others.
        option.numprocesses, option.dist = min(4, usable_cores()), "worksteal"


def pytest_collection_finish(session):
    """What has been imported stays: the collector need not look through it a thousand times."""
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """Programs compiled for a module go with it: kept, they are gigabytes by the end, and slow the rest down."""
    yield
    jax.clear_caches()
    release_free_memory()


@pytest.fixture(params=RULES.values(), ids=RULES.keys())
def rule(request):
    """Every rule of the zoo."""
    return request.param


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES.keys())
def family(request):
    """Every task family."""
    return request.param


@pytest.fixture
def few_baselines(monkeypatch):
    """Set a champion beside three known rules and not twenty: most of what a small run compiles."""
    from evolve.running import select_champion
    from tests.support.runs import few_baselines

    monkeypatch.setattr(select_champion, "baselines", few_baselines(select_champion.baselines))


@pytest.fixture(scope="session")
def new_store(tmp_path_factory) -> Callable[[Path], Path]:
    """Makes a folder an empty run store by copying one: MLflow takes more than a second to make its tables."""
    from evolve.tracking.store import Store

    made = tmp_path_factory.mktemp("made") / "runs"
    Store(made, write=True).close()
    database = (made / "mlflow.db").read_bytes()

    def new(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mlflow.db").write_bytes(database)
        return folder

    return new


@pytest.fixture
def folder(new_store, tmp_path) -> Path:
    """An empty run store."""
    return new_store(tmp_path / "with a space" / "runs")
