"""How many rules there will be is known before they are listed, and what does not fit is refused."""

import numpy as np
import pytest

from evolve.config.run_config import RunConfig
from evolve.config.survey_config import SurveyConfig
from evolve.survey import forecast
from evolve.survey.formulas import Formulas, formulas
from substrate.errors import UserError
from substrate.functions import PRIMITIVES
from substrate.memory import Room


@pytest.mark.parametrize("primitives", [("add", "sub", "mul"), ("sub",), tuple(PRIMITIVES)])
def test_candidates_are_counted_without_making_them(primitives):
    found = Formulas(("pre", "post"), primitives)
    for size in (1, 2, 3):
        made = sum(len(a) for _, a, _ in found._candidates(size))
        assert found.candidates(size) == made
        found.extend()


def test_the_next_size_is_guessed_within_a_factor_of_two():
    found = Formulas(("pre", "post", "w"), ("add", "sub", "mul", "div"))
    for _ in range(4):
        guess = found.expected(found.size + 1)[-1]
        found.extend()
        assert found.counts[-1] / 2 < guess < 2 * found.counts[-1]


def test_much_larger_sizes_are_extrapolated():
    found = formulas(("pre", "post", "w"), ("add", "sub", "mul"), 3)
    *_, five, six = found.expected(6)
    assert 61_479 / 2 < five < 2 * 61_479
    assert 508_718 / 3 < six < 3 * 508_718


def test_rules_with_slow_variables_are_counted_over_all_equations():
    counts = formulas(("pre", "w"), ("add",), 2).counts
    a, b, c = counts
    assert forecast._rules(counts, 1) == a + b + c
    assert forecast._rules(counts, 2) == a * a + 2 * a * b + 2 * a * c + b * b


def test_a_survey_of_more_than_a_day_is_refused_unless_time_is_limited(monkeypatch):
    config = RunConfig()
    monkeypatch.setattr(forecast, "DAY", 0.5)
    with pytest.raises(UserError, match=r"too large.*size 4.*--seconds") as refused:
        forecast.listed(config, SurveyConfig(size=6))
    assert "3, 19, 128, 952" in str(refused.value)
    rules, expected = forecast.listed(config, SurveyConfig(size=4, seconds=1))
    assert expected.rules == len(rules) == 8604


def test_a_survey_that_does_not_fit_into_memory_is_refused(monkeypatch):
    def tightest(address_space, memory):
        return (Room(100_000, "a test"), memory) if memory > 100_000 else None

    monkeypatch.setattr(forecast, "tightest", tightest)
    with pytest.raises(UserError, match=r"of memory, and .* can be had.*size 3"):
        forecast.listed(RunConfig(), SurveyConfig(size=5))


def test_counts_of_the_documentation():
    """Three terminals to size 5 and six to size 3, with sums, differences and products."""
    assert formulas(("pre", "post", "w"), ("add", "sub", "mul"), 5).counts[-1] == 61_479
    six = ("pre", "post", "w", "u", "w_norm", "pre_norm")
    assert np.sum(formulas(six, ("add", "sub", "mul"), 3).counts) == 15_580
