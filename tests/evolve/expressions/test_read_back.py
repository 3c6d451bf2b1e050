"""What is written is read back: the same rule, the same text, the same size, for all that a search can make."""

import json
import math
import os
import time

import numpy as np
import pytest
import sympy
from hypothesis import given, settings

from evolve.config.run_config import RunConfig
from evolve.config.settings import load, validated
from evolve.exports import export
from evolve.expressions import printer
from evolve.expressions.latex import latex, latex_rule
from evolve.expressions.naming import MAX_NAMES
from evolve.expressions.one_line import equations
from evolve.expressions.parser import parse
from evolve.expressions.rule_file import read_rule, rule_from_json, to_json, write_rule
from evolve.expressions.symbolic import rule_complexity, simplify_rule, text
from evolve.search.genome import Grid, express, random_genome
from substrate import Rule, Slow, UserError, names
from substrate.compilation.graph import Graph, Node, Number, to_rule
from substrate.functions import PRIMITIVES
from tests.support.random_rules import FINITE, expressions

pre, post, w = names("pre post w")

#: Rules of each kind: a cut, HEBBARIUM_TEST_RULES asks for more.
RULES = int(os.environ.get("HEBBARIUM_TEST_RULES", 12))


def check(rule: Rule) -> None:
    """Write a rule, read it, and write it again."""
    written = to_json(rule)
    back = rule_from_json(written)
    assert back.equations == rule.equations
    assert to_json(back) == written
    assert rule_complexity(back) == rule_complexity(rule)
    assert equations(back) == equations(rule)


SEEN = ("pre", "post", "w")
KINDS = {
    "small": Grid((*SEEN, "s"), PRIMITIVES, 16, outputs=("dw", "d_s")),
    "numbers": Grid((*SEEN, Number(1.0), Number(-0.3)), PRIMITIVES, 16, evolved=16),
    "long": Grid((*SEEN, Number(2.0)), PRIMITIVES, 40, levels_back=6),
    "polynomials": Grid(SEEN, ("add", "sub", "mul"), 60, levels_back=4),
    "large": Grid((*SEEN, "s"), PRIMITIVES, 2000, outputs=("dw", "d_s"), evolved=4),
    "wide": Grid((*SEEN, Number(1e6)), PRIMITIVES, 2000, rows=100, levels_back=400, evolved=16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_of_a_genome_is_read_back(kind):
    grid = KINDS[kind]
    rng = np.random.default_rng(RULES)
    slow = tuple(Slow(n.removeprefix("d_"), sympy.Integer(0)) for n in grid.outputs[1:])
    done = 0
    while done < (RULES if kind != "wide" else min(RULES, 3)):
        graph = express(grid, random_genome(grid, rng)).graph
        if not graph.nodes or len(graph.nodes) > 256:  # more than is scored
            continue
        check(to_rule(graph, "r", slow))
        done += 1


@pytest.mark.parametrize("kind", ["small", "numbers", "long", "polynomials"])
def test_every_simplified_rule_is_read_back(kind):
    grid = KINDS[kind]
    rng = np.random.default_rng(7)
    slow = tuple(Slow(n.removeprefix("d_"), sympy.Integer(0)) for n in grid.outputs[1:])
    done = 0
    while done < RULES // 3:
        graph = express(grid, random_genome(grid, rng)).graph
        if 3 < len(graph.nodes) < 15:
            check(simplify_rule(to_rule(graph, "r", slow)).rule)
            done += 1


@settings(max_examples=100, deadline=None, derandomize=True)
@given(expressions())
def test_every_random_expression_is_read_back(expression):
    check(Rule("r", expression))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(FINITE)
def test_every_constant_is_read_back(number):
    check(to_rule(Graph((Node("mul", Number(number), "w"), Node("add", 0, "pre")), {"dw": 1}), "r"))
    check(Rule("r", sympy.Symbol("c") * w, {"c": number}))


@pytest.mark.parametrize("number", [0.0, 5e-324, 1e-300, 2.2e-308, 1.7976931348623157e308, 1e22])
def test_extreme_constants_are_read_back(number):
    for sign in (1, -1):
        check(to_rule(Graph((Node("mul", Number(sign * number), "w"),), {"dw": 0}), "r"))
        check(Rule("r", sympy.Symbol("c") * w, {"c": sign * number}))


def chain(depth: int, *steps: tuple[str, str]) -> Rule:
    """So many rounds of operations on the value before (`.`) and on the one before that (`:`)."""
    nodes = [Node("max", "w", "pre")]
    for _ in range(depth):
        for function, other in steps:
            last = len(nodes) - 1
            second = {".": last, ":": max(last - 1, 0)}.get(other, other)
            nodes.append(Node(function, last, second))
    return to_rule(Graph(tuple(nodes), {"dw": len(nodes) - 1}), "deep")


DEEP = {
    "tanh": (("tanh", "."), ("add", "post")),
    "quotients": (("div", "pre"), ("add", "w")),
    "squares": (("mul", "."), ("add", "pre")),
    "powers": (("mul", "."),),
    "maxima": (("max", "post"), ("mul", "pre")),
    "signs": (("sign", "."), ("sub", "w"), ("mul", "post")),
}


@pytest.mark.parametrize("steps", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("depth", [64, 120])
def test_deep_rules_are_read_back_and_exported(steps, depth):
    rule = chain(depth, *steps)
    check(rule)
    compile(export(rule, "python"), "rule", "exec")
    assert len(export(rule, "latex")) < 100_000
    assert simplify_rule(rule).note == ""


def test_a_doubling_rule_is_written_in_linear_length():
    rule = chain(60, ("tanh", "."), ("min", ":"))
    written = [to_json(rule), export(rule, "python"), export(rule, "latex")]
    assert max(map(len, written)) < 20_000
    check(rule)


def test_nested_divisions_do_not_explode():
    expression = parse("div(pre, " * 60 + "w" + ")" * 60, ("pre", "w"))
    rule = Rule("r", expression)
    assert len(export(rule, "latex")) < 10_000
    assert len(latex_rule(Rule("r", parse("div(pre, div(pre, w))", ("pre", "w"))))) == 1
    with pytest.raises(UserError, match="characters"):
        latex(expression)


def test_parts_mean_what_they_stand_for():
    rule = chain(40, ("tanh", "."), ("add", "post"))
    plain = text(rule.changes["forward"])
    assert "parts" not in json.loads(to_json(rule))
    deep = chain(90, ("tanh", "."), ("add", "post"))
    record = json.loads(to_json(deep))
    assert record["parts"] and all(len(t) < printer.LONG + 100 for t in record["parts"].values())
    space: dict = {}
    exec(export(deep, "python"), space)
    value = np.maximum(0.3, 0.2)
    for _ in range(90):
        value = np.tanh(value) + 0.1
    assert space["dw"](0.2, 0.1, 0.3) == pytest.approx(value, rel=1e-12)
    assert "tanh" in plain


def test_a_part_may_use_only_those_before_it():
    record = json.loads(to_json(Rule("r", pre)))
    record["dw"] = {"forward": "b*w"}
    record["parts"] = {"a": "pre + w", "b": "tanh(a)"}
    assert rule_from_json(json.dumps(record)).dw == w * sympy.tanh(pre + w, evaluate=False)
    record["parts"] = {"b": "tanh(a)", "a": "pre + w"}
    with pytest.raises(UserError, match="'a' is no name"):
        rule_from_json(json.dumps(record))
    record["parts"] = {"pre": "w"}
    with pytest.raises(UserError, match="another meaning"):
        rule_from_json(json.dumps(record))


def test_a_sign_in_front_belongs_to_the_whole_product():
    rule = Rule("r", parse("-((post*w + 1)*(w - pre - post))", SEEN))
    assert text(rule.dw) == "-(post*w + 1)*(w - pre - post)"
    check(rule)


def test_files_with_a_byte_order_mark_are_read(tmp_path):
    write_rule(tmp_path / "r.json", Rule("r", pre * w))
    (tmp_path / "r.json").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "r.json").read_bytes())
    assert read_rule(tmp_path / "r.json").dw == pre * w
    (tmp_path / "run.toml").write_bytes(b"\xef\xbb\xbf" + b'task = "pca"\n')
    assert load(tmp_path / "run.toml") == {"task": "pca"}


@pytest.mark.parametrize("name", ["\u03b8", "a" * 70, "1a", "a b", "pre", ""])
def test_a_name_that_no_rule_file_holds_is_refused_before_the_search(name):
    with pytest.raises(UserError, match=r"genes\.slow"):
        validated(RunConfig, {"genes": {"slow": [name]}}, "run")


@pytest.mark.parametrize(
    ("record", "fragment"),
    [
        ({"constants": {f"c{i}": 1.0 for i in range(22_000)}}, f"at most {MAX_NAMES}"),
        ({"slow": [{"name": f"s{i}", "rate": "w"} for i in range(5_000)]}, f"at most {MAX_NAMES}"),
        ({f"k{i}": 1 for i in range(22_000)}, "has unknown"),
        ({"constants": {"c": 10**4000}}, "finite number"),
    ],
)
def test_a_file_with_too_much_is_refused_at_once(record, fragment):
    written = json.dumps({**json.loads(to_json(Rule("r", pre))), **record})
    began = time.thread_time()
    with pytest.raises(UserError, match=fragment) as refused:
        rule_from_json(written)
    assert time.thread_time() - began < 1 and len(str(refused.value)) < 1000


@pytest.mark.parametrize(
    "words",
    ["1/2*pre", "2/3*pre*post", "pre/3 - post/7", "1/(2*pre)", "(1/2)**2*w", "w**-2", "-w**2",
     "(-w)**2", "2**-1*w", "w**0.5", "pre**(1/2)", "pre**(3/2)", "-2**2*w", "w/2/3", "w/(2/3)",
     "1e3*w", "0.1*w*3", "pre - -post", "pre--post", "+pre", "2*-w", "w**2**3"],
)  # fmt: skip
def test_fractions_and_signs_survive_every_form(words):
    rule = Rule("r", parse(words, SEEN))
    check(rule)
    values = {"pre": 2.25, "post": 0.7, "w": 1.3}
    for form in (rule, simplify_rule(rule).rule):
        space: dict = {}
        exec(export(form, "python"), space)
        got = space["dw"](**{n: values[n] for n in form.reads})
        assert got == pytest.approx(eval(words, {}, values), rel=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(FINITE)
def test_the_bits_of_a_number_survive_every_form(number):
    rule = Rule("r", parse(f"c*pre + w*{number!r}", (*SEEN, "c")), {"c": number})
    space: dict = {}
    exec(export(rule, "python"), space)
    if number:  # 0*w is gone
        assert space["dw"](pre=0.0, w=1.0) == number
    assert math.copysign(1, rule_from_json(to_json(rule)).constants["c"]) == math.copysign(
        1, number
    )
