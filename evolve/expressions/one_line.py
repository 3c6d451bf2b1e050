"""A rule on one line."""

from evolve.expressions.symbolic import text
from substrate.rule import Rule


def equations(rule: Rule) -> str:
    """All equations of a rule, each with its name."""
    return "; ".join(f"{name} = {text(e)}" for name, e in rule.equations.items())


def expression(rule: Rule) -> str:
    """The same, without the name where `dw` is the only equation."""
    if list(rule.equations) == ["dw"]:
        return text(rule.equations["dw"])
    return equations(rule)
