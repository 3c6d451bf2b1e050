"""Fixtures that walk the registries: a new rule or task is covered because its file exists."""

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
