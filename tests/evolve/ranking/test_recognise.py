"""Multiples of known rules are recognised, and nothing else is."""

from fractions import Fraction

import pytest
import sympy

from evolve.ranking.recognise import Match, factor, recognise
from rules_zoo import RULES
from substrate.rule import Rule
from substrate.vocabulary import POST, PRE, W


@pytest.mark.parametrize("times", [1, 2, 4, Fraction(1, 3), -1, -Fraction(3, 7), 0.25, 1 / 3])
def test_a_multiple_of_oja_is_oja(times):
    times = sympy.Rational(times) if isinstance(times, Fraction) else sympy.sympify(times)
    form = times * POST * PRE - times * POST**2 * W
    found = recognise(Rule("champion", form), RULES.values())
    assert found.name == "oja"
    assert float(found.factor) == pytest.approx(float(times))


@pytest.mark.parametrize("form", [POST * (PRE - W), 2 * POST * (PRE - POST * W) + PRE / 1000])
def test_what_differs_in_more_than_a_factor_does_not_match(form):
    assert factor(Rule("champion", form), RULES["oja"]) is None


def test_every_rule_of_the_zoo_is_itself_and_its_double_is_twice_it(rule):
    assert factor(rule, rule) == 1
    double = Rule("double", {p: 2 * e for p, e in rule.changes.items()}, rule.constants, rule.slow)
    assert factor(double, rule) == (1 if rule.name == "frozen" else 2)


def test_the_match_says_what_was_found():
    assert str(Match("oja", Fraction(1))) == "This is the known rule oja."
    assert "3 times the learning rate" in str(Match("oja", Fraction(3)))
    assert "other sign" in str(Match("hebb", Fraction(-2)))
    assert recognise(Rule("x", 5 * PRE * POST), RULES.values()) == Match("hebb", Fraction(5))
