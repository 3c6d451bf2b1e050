"""Fixtures that walk the registries: a new rule or task is covered because its file exists."""

import pytest

from substrate.devices import configure

configure()

from rules_zoo import RULES  # noqa: E402 - JAX must be set up first
from tasks import FAMILIES  # noqa: E402


@pytest.fixture(params=RULES.values(), ids=RULES.keys())
def rule(request):
    """Every rule of the zoo."""
    return request.param


@pytest.fixture(params=FAMILIES.values(), ids=FAMILIES.keys())
def family(request):
    """Every task family."""
    return request.param
