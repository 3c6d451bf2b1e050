"""Every rule of the zoo says what it is, and what it says is what runs."""

import importlib
import pkgutil
import re
from types import ModuleType

import pytest
import sympy
from sympy.parsing.sympy_parser import (
    implicit_multiplication,
    parse_expr,
    standard_transformations,
)

import rules_zoo
from rules_zoo import RULES
from substrate import VOCABULARY, Locality, Rule

#: An indented line `[rule:] name = expression` of a docstring.
EQUATION = re.compile(r"^ {4}(?:(?P<rule>\w+): )?(?P<left>\w+) *= (?P<right>.+)$", re.MULTILINE)

#: A constant with its unit, as in "`tau` [steps] is ...".
CONSTANT = re.compile(r"`(\w+)` \[[^\]]+\]")


def homes() -> dict[str, ModuleType]:
    """The module of each rule."""
    found = {}
    for info in pkgutil.iter_modules(rules_zoo.__path__):
        module = importlib.import_module(f"rules_zoo.{info.name}")
        entries = getattr(module, "RULE", ())
        found |= {r.name: module for r in (entries if isinstance(entries, tuple) else (entries,))}
    return found


HOMES = homes()


@pytest.fixture(params=RULES.values(), ids=RULES)
def rule(request) -> Rule:
    return request.param


def printed(rule: Rule) -> dict[str, sympy.Expr]:
    """The equations of the docstring that concern this rule, with its abbreviations filled in."""
    texts = {
        match["left"]: match["right"]
        for match in EQUATION.finditer(HOMES[rule.name].__doc__ or "")
        if match["rule"] in (None, rule.name)
    }
    own = [*VOCABULARY, *rule.constants, *(slow.name for slow in rule.slow), *texts]
    symbols = {name: sympy.Symbol(name) for name in own}
    rules = (*standard_transformations, implicit_multiplication)
    parsed = {k: parse_expr(v, symbols, transformations=rules) for k, v in texts.items()}
    return {k: v.subs({symbols[name]: parsed[name] for name in texts}) for k, v in parsed.items()}


def test_docstring_equations_are_the_ones_that_run(rule):
    shown = printed(rule)
    for name, expression in rule.equations.items():
        # A slow variable `theta` is written `dtheta` on paper.
        on_paper = name if name in shown else name.replace("d_", "d", 1)
        assert on_paper in shown, f"write the line `    {on_paper} = ...` into the docstring"
        assert sympy.simplify(shown[on_paper] - expression) == 0, f"{on_paper} differs"


def test_constants_are_documented_with_units(rule):
    documented = set(CONSTANT.findall(HOMES[rule.name].__doc__ or ""))
    assert rule.constants.keys() <= documented, "write: `name` [unit] is ..."


def test_source_is_given(rule):
    assert rule.reference == "control" or re.search(r"\b(19|20)\d\d\b", rule.reference), (
        f"the reference of {rule.name} has no year: {rule.reference!r}. Write author, journal and "
        "year, such as 'Oja 1982', or 'control' for a rule that has no source"
    )


def test_signals_from_afar_are_announced(rule):
    announced = "non-local" in rule.note.lower()
    assert announced == (rule.locality == Locality.NONLOCAL)


def test_first_line_is_one_sentence(rule):
    first, blank, *_ = (HOMES[rule.name].__doc__ or "").splitlines()
    assert first.endswith(".") and not blank


def test_a_list_shows_every_rule_on_one_line():
    """Of 80 columns, beside the longest name."""
    longest = max(map(len, RULES))
    for rule in RULES.values():
        assert 0 < len(rule.summary) <= 80 - longest - 2, rule.name
    assert len({rule.summary for rule in RULES.values()}) == len(RULES)
