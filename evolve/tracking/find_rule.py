"""A rule by what a person calls it: a name of the zoo, a rule file, a run, or the expression itself."""

import difflib
import re
from collections.abc import Iterable
from os.path import isfile
from pathlib import Path

from evolve.expressions.parser import parse, quoted
from evolve.expressions.rule_file import RuleFile, read_rule_file
from evolve.tracking.store import Store
from rules_zoo import RULES
from substrate.errors import UserError
from substrate.rule import Rule
from substrate.vocabulary import VOCABULARY

#: What a person may give, for messages.
ALLOWED = (
    "Give a zoo rule (`hebbarium rules` lists them), a run (`hebbarium runs`), a rule file (NAME.json), or an "
    "expression such as 'post*(pre - post*w)'"
)
#: Longest expression that serves as the name of its rule, in characters.
LONGEST_NAME = 60
#: What a run can be called. Anything else is meant as an expression.
_RUN = re.compile(r"[\w.-]*")


def find_rule(name: str, store: Store | None = None) -> Rule:
    """A rule by what a person calls it.

    Parameters
    ----------
    name
        A zoo rule, the path of a rule file, an expression over the observables such as `post*(pre - post*w)`, or
        a run, whose champion is meant: its name, or the beginning of its id.
    store
        Where runs are looked up; none are if it is not given.

    Raises
    ------
    UserError
        If it is none of these.
    """
    return RULES[name] if name in RULES else find_rule_file(name, store).rule.renamed(called(name))


def find_rule_file(name: str, store: Store | None = None) -> RuleFile:
    """The same, with what a file or a run says of where the rule comes from."""
    if name in RULES:
        return RuleFile(RULES[name], {})
    if name.endswith(".json") or ("/" in name and isfile(name)):
        return read_rule_file(Path(name))
    like_a_run = _RUN.fullmatch(name) is not None
    try:
        expression = parse(name, VOCABULARY)
    except UserError as error:
        return _champion(name, store, None if like_a_run else error)
    if like_a_run and not expression.free_symbols:  # 12345678 is the beginning of an id
        return _champion(name, store)
    return RuleFile(Rule(called(name), expression), {})


def find_rules(wanted: str | Iterable[str | Rule], store: Store | None = None) -> dict[str, Rule]:
    """Rules by their names.

    Parameters
    ----------
    wanted
        Rules, or what `find_rule` takes; or such words in one text, with commas between them.

    Raises
    ------
    UserError
        If there is none, one is unknown, or two different ones have the same name.
    """
    if isinstance(wanted, str):
        wanted = split(wanted)
    found: dict[str, Rule] = {}
    for one in wanted:
        if not isinstance(one, str | Rule):
            raise UserError(
                f"A rule is a `Rule` or text, not {type(one).__name__} ({quoted(str(one))}). {ALLOWED}."
            )
        rule = find_rule(one, store) if isinstance(one, str) else one
        if found.setdefault(rule.name, rule) != rule:
            raise UserError(
                f"Two different rules are called {quoted(rule.name)}. Give one another name: "
                "rule.renamed('another')."
            )
    if not found:
        raise UserError("No rule is named. Write for instance oja,hebb.")
    return found


def split(text: str) -> list[str]:
    """The words between commas; a comma inside brackets belongs to an expression."""
    words, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "," and depth <= 0:
            words.append("")
        else:
            words[-1] += character
    return [word.strip() for word in words if word.strip()]


def called(name: str) -> str:
    """What a rule is called that was named like this: the same, unless it is too long for a table."""
    one_line = " ".join(name.split())
    return one_line if len(one_line) <= LONGEST_NAME else f"{one_line[: LONGEST_NAME - 3]}..."


def _champion(name: str, store: Store | None, as_expression: UserError | None = None) -> RuleFile:
    """The champion of a run, or a refusal: of the expression, if it looks like one, or with the nearest name."""
    try:
        if store is None:
            raise UserError("no place is given where runs are kept.")
        found = store.find(name)
    except UserError as error:
        if as_expression is not None:
            raise UserError(f"{quoted(name)} is no rule. {ALLOWED}. {as_expression}") from None
        near = difflib.get_close_matches(name, RULES, n=1)
        if near:
            raise UserError(
                f"There is no rule {name!r}. Did you mean {near[0]!r}? {ALLOWED}."
            ) from None
        raise UserError(f"There is no rule {quoted(name)}. {ALLOWED}. As a run: {error}") from None
    return read_rule_file(store.artifact(found.id, "champion.json"))
