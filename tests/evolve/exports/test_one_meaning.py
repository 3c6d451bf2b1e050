"""Every form of a rule has the value that exact arithmetic has, but for the rounding that is written down."""

import pytest

from tests.support.forms import compare


def test_all_forms_of_random_rules_agree():
    seen, found, examples = compare(20, seed=1)
    assert not found, "\n".join(examples)
    assert seen["rules"] == 20 and seen["polynomials"] > 3
    assert seen["points with a bound below 1e-3"] > 0.7 * seen["points"]


@pytest.mark.slow
def test_all_forms_of_ten_thousand_random_rules_agree():
    _, found, examples = compare(10_000)
    assert not found, "\n".join(examples)
