"""A rule on one line."""

from evolve.expressions.printer import TEXT, Parts
from substrate.errors import UserError
from substrate.rule import Rule
from substrate.vocabulary import VOCABULARY


def equations(rule: Rule) -> str:
    """All equations of a rule, each with its name."""
    return "; ".join(f"{name} = {text}" for name, text in _texts(rule).items())


def expression(rule: Rule) -> str:
    """The same, without the name where `dw` is the only equation."""
    texts = _texts(rule)
    return texts["dw"] if list(texts) == ["dw"] else equations(rule)


def _texts(rule: Rule) -> dict[str, str]:
    """Equations by name, followed by the parts that they are written with; a sentence if there is no text."""
    parts = Parts({*VOCABULARY, *rule.constants, *(s.name for s in rule.slow)})
    try:
        texts = TEXT.write_all(rule.equations, parts)
    except UserError as error:
        return dict.fromkeys(rule.equations, f"({error})")
    return {**texts, **parts.written}
