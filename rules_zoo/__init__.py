"""Known rules, hand-designed and published: one file each, found by discovery."""

from substrate.registry import discover
from substrate.rule import Rule

RULES = discover("rules_zoo", "RULE", Rule)
