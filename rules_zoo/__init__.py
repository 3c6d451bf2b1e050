"""Known rules, hand-designed and published: one file each, imported when first asked for."""

from substrate.registry import Registry
from substrate.rule import Rule

#: Every rule by name, with those of installed packages and of a person's own files.
RULES = Registry("rule", "rules_zoo", "RULE", Rule, "hebbarium.rules")
