"""JSON: a rule file, which `evolve.expressions.rule_file.read_rule` reads back."""

from evolve.exports.base import Target
from evolve.expressions.rule_file import to_json

TARGET = Target(
    name="json",
    suffix=".json",
    summary="a rule file that this platform reads back",
    render=to_json,
)
