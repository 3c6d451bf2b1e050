"""How does a rule leave? As text for other programs: one file a target, found when somebody looks."""

from collections.abc import Mapping

from evolve.exports.base import Target as Target
from substrate.errors import unknown
from substrate.registry import Registry
from substrate.rule import Rule

#: Every target by name, with those of installed packages and of a person's own files.
TARGETS = Registry("export target", "evolve.exports", "TARGET", Target, "hebbarium.exports")


def export(rule: Rule, target: str, provenance: Mapping[str, str] | None = None) -> str:
    """Write a rule in the language of a target.

    Parameters
    ----------
    rule
        Evolved or known.
    target
        A name in `TARGETS`.
    provenance
        Where the rule comes from, shown to the reader as it is: run, configuration, score.

    Raises
    ------
    UserError
        If there is no such target, or it cannot express the rule.
    """
    if target not in TARGETS:
        raise unknown("export target", target, TARGETS)
    return TARGETS[target].render(rule, dict(provenance or {}))
