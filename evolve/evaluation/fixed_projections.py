"""The rule of a search and the rules beside it: one projection evolves, the others follow a known rule.

A genome writes `dw` of the projection `forward`. Where a task fixes the rules of other projections, say the delta
rule for the readout, a rule that people see has all of them, so that it means the same wherever it runs.
"""

from collections.abc import Sequence
from dataclasses import replace

from substrate.compilation.lowering import lower
from substrate.plasticity import Plasticity
from substrate.rule import FORWARD, Rule
from tasks.base import Setting


def fixed_rules(settings: Sequence[Setting]) -> Rule | None:
    """The rule of the projections that do not evolve; the same in all settings of a task."""
    return settings[0].fixed_rules if settings else None


def with_fixed(plasticity: Plasticity, other: Rule | None) -> Plasticity:
    """A plasticity that also changes the projections with fixed rules."""
    if other is None:
        return plasticity
    return plasticity._replace(dw={**lower(other).dw, **plasticity.dw}, reads=None)


def full_rule(rule: Rule, other: Rule | None) -> Rule:
    """A rule with the fixed rules written into it."""
    return rule if other is None else replace(rule, dw={**rule.changes, **other.changes})


def evolving_part(rule: Rule, other: Rule | None) -> Rule | None:
    """A rule without the fixed rules, or None if its other projections follow different ones."""
    if other is None:
        return rule
    rest = {p: e for p, e in rule.changes.items() if p != FORWARD}
    if rest != other.changes or FORWARD not in rule.changes:
        return None
    return replace(rule, dw=rule.changes[FORWARD])
