"""A rule by what a person calls it: a name of the zoo, a file, a run."""

from pathlib import Path

from evolve.expressions.rule_file import RuleFile, read_rule_file
from evolve.tracking.store import Store
from rules_zoo import RULES
from substrate.errors import UserError
from substrate.rule import Rule


def find_rule(name: str, store: Store) -> Rule:
    """A zoo rule by name, a rule file by path, or a run's champion by the beginning of the run's id.

    Raises
    ------
    UserError
        If it is none of these.
    """
    return RULES[name] if name in RULES else find_rule_file(name, store).rule.renamed(name)


def find_rule_file(name: str, store: Store) -> RuleFile:
    """The same for a file or a run, with what it says of where the rule comes from."""
    if name.endswith(".json") or "/" in name:
        return read_rule_file(Path(name))
    try:
        found = store.find(name)
    except UserError as error:
        zoo = ", ".join(RULES)
        raise UserError(f"{name!r} is no zoo rule ({zoo}), no rule file, and: {error}") from None
    return read_rule_file(store.artifact(found.id, "champion.json"))
