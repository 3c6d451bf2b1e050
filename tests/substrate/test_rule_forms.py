"""A rule has one form, whichever way it was written or changed."""

import pytest

from evolve.expressions.symbolic import simplify_rule
from evolve.tuning.parametrise import extract_constants, substituted
from rules_zoo import RULES
from substrate import POST, PRE, Rule
from substrate.hardware import as_implemented, profile
from substrate.rule import FORWARD

CHIP = profile("fixed_point")
CHANGES = {
    "extract_constants": extract_constants,
    "substituted": substituted,
    "simplify_rule": lambda rule: simplify_rule(rule).rule,
    "as_implemented": lambda rule: as_implemented(CHIP, rule),
}


def test_a_mapping_with_the_usual_projection_alone_is_its_expression():
    assert Rule("a", {FORWARD: PRE * POST}) == Rule("a", PRE * POST)
    assert Rule("a", {FORWARD: PRE * POST}).equations == {"dw": PRE * POST}
    assert Rule("a", {"feedback": PRE * POST}).equations == {"dw_feedback": PRE * POST}


@pytest.mark.parametrize("change", CHANGES)
def test_changing_equations_keeps_their_names(change):
    few = [r for r in RULES.values() if len(r.changes) > 1 or FORWARD not in r.changes]
    assert len(few) > 3
    for rule in [*few, *list(RULES.values())[:10]]:
        changed = CHANGES[change](rule)
        assert list(changed.equations) == list(rule.equations), rule.name
