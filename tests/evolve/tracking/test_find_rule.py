"""A rule by what a person calls it: every way of naming one, and a refusal that helps for what is none."""

import pytest

from evolve.expressions.rule_file import write_rule
from evolve.tracking.find_rule import LONGEST_NAME, find_rule, find_rule_file, find_rules, split
from evolve.tracking.store import Store
from rules_zoo import RULES
from substrate import POST, PRE, Rule, W
from substrate.errors import UserError

OJA = POST * (PRE - POST * W)


@pytest.mark.parametrize(
    "text", ["post*(pre - post*w)", "post*(pre-post*w)", " post*(pre - post*w) "]
)
def test_an_expression_is_a_rule_of_that_name(text):
    rule = find_rule(text)
    assert rule.changes == {"forward": OJA}
    assert rule.name == text.strip()
    assert find_rule_file(text).provenance == {}


def test_a_long_expression_gets_a_name_that_fits_a_table():
    rule = find_rule(" + ".join(["pre*post"] * 30))
    assert len(rule.name) == LONGEST_NAME and rule.name.endswith("...")


def test_a_file_is_read_and_called_by_its_path(tmp_path):
    path = tmp_path / "mine.json"
    write_rule(path, Rule("mine", OJA), {"run": "1a2b"})
    assert find_rule(str(path)).changes == {"forward": OJA}
    assert find_rule_file(str(path)).provenance == {"run": "1a2b"}


def test_zoo_rules_come_first_and_need_no_store():
    assert find_rule("oja") is RULES["oja"]
    assert find_rule_file("oja").rule is RULES["oja"]


def test_digits_are_the_beginning_of_a_run_and_not_a_constant(folder):
    with pytest.raises(UserError, match="no run '12345678'"):
        find_rule("12345678", Store(folder))
    with pytest.raises(UserError, match="where runs are kept"):
        find_rule("1e5")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ojaa", r"no rule 'ojaa'\. Did you mean 'oja'\?.*post\*\(pre - post\*w\)"),
        ("hebbb", "Did you mean 'hebb'"),
        ("3*post*(pre - post*ww)", "'ww' is no name.*Did you mean 'w'"),
        ("post*(pre", r"Expected '\)'"),
        ("folder/without/ending", "'folder' is no name"),
        ("zzzzzz", "hebbarium rules.*hebbarium runs"),
        ("none.json", "cannot be read"),
        ("pre^2", "Write"),
        ("", "no rule"),
    ],
)
def test_what_is_none_is_refused_in_one_short_message(name, says, folder):
    with pytest.raises(UserError, match=says) as refused:
        find_rule(name, Store(folder))
    assert len(str(refused.value)) < 900 and "\n" not in str(refused.value)


def test_commas_inside_brackets_belong_to_the_expression():
    assert split("oja, max(pre, min(post, w)) ,hebb,,") == ["oja", "max(pre, min(post, w))", "hebb"]
    assert split(")oja,hebb") == [")oja", "hebb"]
    assert list(find_rules("oja,max(pre, post),hebb")) == ["oja", "max(pre, post)", "hebb"]


def test_rules_and_names_may_be_mixed_but_two_rules_need_two_names():
    mine = Rule("mine", OJA)
    assert find_rules([mine, "oja", mine]) == {"mine": mine, "oja": RULES["oja"]}
    with pytest.raises(UserError, match=r"'mine'.*renamed"):
        find_rules([mine, Rule("mine", PRE)])
    with pytest.raises(UserError, match="not int"):
        find_rules([3])
    for nothing in ("", ",", []):
        with pytest.raises(UserError, match="No rule is named"):
            find_rules(nothing)
