"""Fixtures that walk the registries: a new rule or task is covered because its file exists."""

from collections.abc import Callable
from pathlib import Path

import jax
import pytest

from substrate.devices import configure, give_back

configure()

from rules_zoo import RULES  # noqa: E402 - JAX must be set up first
from tasks import FAMILIES  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """Programs compiled for a module go with it: kept, they are gigabytes by the end, and slow the rest down."""
    yield
    jax.clear_caches()
    give_back()


@pytest.fixture(params=RULES.values(), ids=RULES.keys())
def rule(request):
    """Every rule of the zoo."""
    return request.param


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES.keys())
def family(request):
    """Every task family."""
    return request.param


@pytest.fixture(scope="session")
def new_store(tmp_path_factory) -> Callable[[Path], Path]:
    """Makes a folder an empty run store by copying one: MLflow takes more than a second to make its tables."""
    from evolve.tracking import Store

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
