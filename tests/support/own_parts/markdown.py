"""Markdown: a rule as a note to read."""

from evolve.exports.base import Target, line
from evolve.expressions.printer import TEXT


def render(rule, provenance):
    """A heading, the equations, and where the rule comes from; `line` keeps foreign text on its line."""
    equations = [f"    {name} = {TEXT.write(e)}" for name, e in rule.equations.items()]
    constants = [f"    {name} = {value!r}" for name, value in rule.constants.items()]
    remarks = {"reference": rule.reference, "note": rule.note, **provenance}
    about = [f"- {line(key)}: {line(words)}" for key, words in remarks.items() if words]
    return "\n".join([f"# {line(rule.name)}", "", *equations, *constants, "", *about]) + "\n"


TARGET = Target(name="markdown", suffix=".md", summary="a note to read", render=render)
