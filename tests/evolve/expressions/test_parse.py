"""Rule text and rule files are data: they mean what they say, and nothing in them is executed."""

import ast
import contextlib
import json
import math
import time
from functools import reduce

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.expressions.construct import ARITY
from evolve.expressions.parser import MAX_NESTING, MAX_TEXT, parse
from evolve.expressions.printer import TEXT
from evolve.expressions.rule_file import (
    MAX_FILE,
    read_rule,
    read_rule_file,
    rule_from_json,
    to_json,
    write_rule,
)
from rules_zoo import RULES
from substrate import VOCABULARY, Rule, Slow, UserError, names
from substrate.functions import pdiv
from tests.support.random_rules import FINITE, NUMPY, expressions, rules, value

pre, post, w, a = names("pre post w a")
NAMES = [*VOCABULARY, "a", "tau"]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("1e200", "2e200", 0.5),
        ("1.5e-200", "2e200", 0.75e-400),
        ("1e300", "2e200", 0.5e100),
        ("10**200", "2*10**200", 0.5),
        ("1.5", "0.0", 0.0),
        ("1.5", "5e-324", 0.0),
        ("1.5", "1e-3", 750.0),
        ("-1.5", "2.0", -0.75),
    ],
)
def test_a_division_of_numbers_overflows_only_where_its_value_does(a, b, expected):
    assert float(parse(f"div({a}, {b})", ())) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("post*(pre - post*w)", post * (pre - post * w)),
        (" pre+\tpost\n- w ", pre + post - w),
        ("pre - post - w", pre - post - w),
        ("pre/post/w", pre / post / w),
        ("pre/post*w", pre / post * w),
        ("-w**2", -(w**2)),
        ("2**3*w", 8 * w),
        ("w**2**3", w**8),
        ("w**-1", 1 / w),
        ("w**0.5 + sqrt(pre)", sympy.sqrt(w) + sympy.sqrt(pre)),
        ("w**2.0", w**2),
        ("+-+-w", w),
        ("1/3*w", w / 3),
        (".5*w + 1e-3 + 2.", 0.5 * w + sympy.Float(1e-3) + sympy.Float(2.0)),
        ("pdiv(pre, w) - div(pre, w)", sympy.Integer(0)),
        ("sqrt(2*w + 2*w)", 2 * sympy.sqrt(w)),
        ("div(pre, w)", pdiv(pre, w)),
        ("Min(pre, w) + min(pre, w, a)", sympy.Min(pre, w) + sympy.Min(pre, w, a)),
        ("Max(pre, w)*max(1, 2)", 2 * sympy.Max(pre, w)),
        ("Abs(w)*abs(pre)", sympy.Abs(w) * sympy.Abs(pre)),
        ("Heaviside(w, 0) + step(pre)", sympy.Heaviside(w, 0) + sympy.Heaviside(pre, 0)),
        ("sign(w) + tanh(pre) + exp(a)", sympy.sign(w) + sympy.tanh(pre) + sympy.exp(a)),
        ("tau", sympy.Symbol("tau")),
    ],
)
def test_the_grammar_means_what_mathematics_means(text, expected):
    assert sympy.simplify(parse(text, NAMES) - expected) == 0
    assert parse(TEXT.write(parse(text, NAMES)), NAMES) == parse(text, NAMES)


def test_brackets_stay_as_they_were_written():
    assert TEXT.write(parse("2*(pre + post)", NAMES)) == "2*(pre + post)"
    assert TEXT.write(parse("(pre + w)*2*(post - w)", NAMES)) == "2*(post - w)*(pre + w)"


def test_numbers_without_names_become_doubles():
    assert parse("sqrt(2)*w", NAMES) == sympy.Float(math.sqrt(2)) * w
    assert parse("sqrt(9/4)*w", NAMES) == sympy.Rational(3, 2) * w
    assert parse("tanh(1) + w", NAMES) == sympy.Float(math.tanh(1)) + w


@pytest.mark.parametrize(
    ("text", "column", "fragment"),
    [
        ("__import__('os').system('touch pwned')", 1, "no function"),
        ("w.__class__", 2, "'.' has no place"),
        ("().__class__", 2, "Expected a number"),
        ("w[0]", 2, "'[' has no place"),
        ("lambda x: x", 1, "no name"),
        ("'w'", 1, "no place"),
        ('"""w"""', 1, "no place"),
        ("w if pre else post", 3, "Expected an operator"),
        ("[w for w in pre]", 1, "no place"),
        ("w := 3", 3, "no place"),
        ("w; pre", 2, "no place"),
        ("w = 1", 3, "no place"),
        ("w < 1", 3, "no place"),
        ("pre @ w", 5, "no place"),
        ("pre // w", 6, "found '/'"),
        ("pre % w", 5, "no place"),
        ("w^2", 2, "Write ** for a power"),
        ("w\\n", 2, "no place"),
        ("w # comment", 3, "no place"),
        ("\x00w", 1, "no place"),
        ("ｗ + 1", 1, "no place"),
        ("w\u00b2", 2, "no place"),
        ("\u0663*w", 1, "no place"),
        ("exec(w)", 1, "no function"),
        ("eval", 1, "no name"),
        ("Symbol(w)", 1, "no function"),
        ("psot", 1, "Did you mean 'post'?"),
        ("tnah(w)", 1, "Did you mean 'tanh'?"),
        ("post(pre - w)", 1, "write * for a product"),
        ("tanh", 1, "no name"),
        ("nan", 1, "no name"),
        ("inf", 1, "no name"),
        ("zoo", 1, "no name"),
        ("1e400", 1, "not finite"),
        ("-w*1e999999999", 4, "not finite"),
        ("9" * 309, 1, "not finite"),
        ("9" * 9000, 1, "not finite"),
        ("1_000", 2, "found '_000'"),
        ("0x10", 2, "found 'x10'"),
        ("1j*w", 2, "found 'j'"),
        ("2w", 2, "found 'w'"),
        ("w**10**400", None, "beyond the range"),
        ("w**64**64**64", None, "beyond the range"),
        ("9**64**64", None, "beyond the range"),
        ("9**1e300", None, "beyond the range"),
        ("2**-9999", None, "beyond the range"),
        ("((9**64)**64)**64", 11, "beyond the range"),
        ("((9**64*w)**64)**64", 13, "beyond the range"),
        ("*".join(["10**64"] * 9), 56, "beyond the range"),
        ("1e300*1e300*w", 12, "not finite"),
        ("w**pre", 4, "exponent"),
        ("w**(1/3)", 4, "whole number or half"),
        ("w**1e308", 4, "whole number or half"),
        ("w**10**302", 4, "at most 2**1000"),
        ("(w**10**300)**10**300", None, "at most 2**1000"),
        ("1/0", 2, "division by zero"),
        ("w/(pre - pre)", 2, "division by zero"),
        ("0**-1", 4, "division by zero"),
        ("sqrt(-1)*w", 1, "no finite real number"),
        ("(-1)**0.5*w", 7, "no finite real number"),
        ("exp(1000)*w", 1, "no finite real number"),
        ("exp(exp(exp(100)))", 5, "no finite real number"),
        ("min(w)", 1, "two or more"),
        ("tanh()", 6, "Expected a number"),
        ("tanh(w, pre)", 1, "It takes 1 argument"),
        ("div(w)", 1, "It takes 2 arguments"),
        ("Heaviside(w, 1)", 1, "It takes 1 argument"),
        ("(w, pre)", 3, "Expected ')'"),
        ("(w", 3, "for the '(' in column 1"),
        ("w)", 2, "Expected an operator"),
        ("w*", 3, "end of the text"),
        ("*w", 1, "Expected a number"),
        ("", 1, "end of the text"),
        ("   ", 4, "end of the text"),
        ("(" * 65 + "w" + ")" * 65, 65, "At most 64"),
        ("tanh(" * 65 + "w" + ")" * 65, 325, "At most 64"),
        ("2**" * 70 + "1", 194, "At most 64"),
        ("(" * MAX_TEXT, 65, "At most 64"),
        ("(" * 10**6, None, f"at most {MAX_TEXT}"),
        ("-" * 10**6, None, f"at most {MAX_TEXT}"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_its_place(text, column, fragment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    began = time.thread_time()
    with pytest.raises(UserError) as refused:
        parse(text, NAMES, "Rule 'r', dw")
    message = str(refused.value)
    assert message.startswith("Rule 'r', dw") and fragment in message
    assert column is None or f"column {column} of" in message
    assert len(message) < 600 and message.isprintable()
    assert time.thread_time() - began < 0.5
    assert not [*tmp_path.iterdir()]


PIECES = [
    "",
    "",
    "",
    "pre",
    "w",
    "1",
    "2.5",
    "1e3",
    "(",
    ")",
    "+",
    "-",
    "*",
    "**",
    "/",
    ",",
    ".",
    " ",
]
PIECES += [
    "tanh(",
    "min(",
    "__class__",
    "lambda",
    "eval(",
    "None",
    "0x1",
    "1_0",
    "1j",
    " if ",
    "\u00b2",
]
PIECES += [*"[]{}'\";:=<>%^!@#&|~\\\n\x00"]


def calls(inner):
    """Texts of functions of what is given, with the number of arguments that they take."""
    several = st.lists(inner, min_size=2, max_size=3).map(", ".join)
    kinds = {None: several, 1: inner, 2: st.tuples(inner, inner).map(", ".join)}
    return st.sampled_from([*ARITY]).flatmap(lambda f: kinds[ARITY[f]].map(f"{f}({{}})".format))


FORMULAS = st.recursive(
    st.sampled_from(["pre", "post", "w", "a", "2", "0.5", "1e3"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["+", " - ", "*", "/"]), inner).map("".join)
        | st.tuples(inner, st.sampled_from(["**2", "**-1", "**0.5", "**3"])).map("".join)
        | inner.map("({})".format)
        | inner.map("-{}".format)
        | calls(inner)
    ),
    max_leaves=6,
)
#: Formulas with something put in somewhere, and any text.
ODD = st.text(max_size=20) | st.builds(
    lambda text, piece, place: text[:place] + piece + text[place:],
    FORMULAS,
    st.sampled_from(PIECES),
    st.integers(0, 40),
)
VALUES = {name: np.float64(0.1 + 0.07 * i) for i, name in enumerate(NAMES)}


def meaning(text):
    """What Python says that a formula is worth; refuses whatever is no formula."""
    tree = ast.parse(text.strip(), mode="eval")
    allowed = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Load, ast.Constant)
    signs = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd)
    for node in ast.walk(tree):
        assert isinstance(node, (*allowed, *signs)), ast.dump(node)
        if isinstance(node, ast.Call):
            assert node.func.id in ARITY and not node.keywords
        if isinstance(node, ast.Name):
            assert node.id in VALUES or node.id in ARITY
        if isinstance(node, ast.Constant):
            assert type(node.value) in (int, float)
            node.value = float(node.value)  # powers of whole numbers would take for ever
    several = {name: lambda *a, f=NUMPY[name]: reduce(f, a) for name in ("min", "max")}
    return eval(compile(tree, "text", "eval"), {**NUMPY, **several, **VALUES})


@settings(max_examples=500, deadline=None, derandomize=True)
@given(ODD)
def test_odd_text_is_refused_or_means_what_python_means(text):
    began = time.thread_time()
    try:
        expression = parse(text, NAMES)
    except UserError as refused:
        assert str(refused).isprintable() and len(str(refused)) < 1000
        return
    finally:
        assert time.thread_time() - began < 0.5
    with np.errstate(all="ignore"), contextlib.suppress(OverflowError, ZeroDivisionError):
        expected = meaning(text)
        if np.isrealobj(expected) and np.isfinite(expected):
            assert value(expression, VALUES) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_what_is_no_text_is_refused():
    with pytest.raises(UserError, match="not int"):
        parse(3, NAMES)


@pytest.mark.parametrize(
    "pattern",
    [
        "tanh({})",
        "abs({} - w)**2",
        "min({}*w + pre, post)",
        "max({}, w, pre*post)",
        "sqrt({} + w)/w",
        "-tanh(-{})",
        "div({}, w - 1)",
        "(w + pre*{})",
        "w*({} + 1)**2",
    ],
)
def test_deep_nesting_takes_no_time(pattern):
    text = "w"
    for _ in range(MAX_NESTING - 1):
        text = pattern.format(text)
    began = time.thread_time()
    assert parse(TEXT.write(parse(text, NAMES)), NAMES) == parse(text, NAMES)
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        "+".join(f"{i}*w**{i % 60}" for i in range(900)),
        "*".join(f"(w+{i})" for i in range(1200)),
        "min(" + ",".join(f"w*{i}+pre" for i in range(900)) + ")",
        "-".join(["pre*w"] * 1600),
        "-" * 9000 + "w",
    ],
)
def test_long_text_takes_little_time(text):
    assert len(text) <= MAX_TEXT
    began = time.thread_time()
    parse(text, NAMES)
    assert time.thread_time() - began < 2


@settings(max_examples=100, deadline=None, derandomize=True)
@given(expressions())
def test_text_reads_back_identically(expression):
    assert parse(TEXT.write(expression), NAMES) == expression


@settings(max_examples=200, deadline=None, derandomize=True)
@given(FINITE)
def test_floats_read_back_to_the_last_bit(number):
    expression = parse(TEXT.write(sympy.Float(number) * w + 1), NAMES)
    read = expression.coeff(w)
    assert float(read) == number


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rules())
def test_a_rule_file_reads_back_identically(rule):
    provenance = {"run": rule.note, "": '"""'}
    text = to_json(rule, provenance)
    read = rule_from_json(text)
    assert read.equations == rule.equations
    assert (read.name, read.reference, read.note) == (rule.name, rule.reference, rule.note)
    assert dict(read.constants) == dict(rule.constants)
    assert [(s.name, s.scope, s.initial) for s in read.slow] == [
        (s.name, s.scope, s.initial) for s in rule.slow
    ]
    assert to_json(read, provenance) == text


def test_every_known_rule_survives_a_file(rule, tmp_path):
    write_rule(tmp_path / "r.json", rule, {"run": "17"})
    file = read_rule_file(tmp_path / "r.json")
    assert file.rule == read_rule(tmp_path / "r.json")
    assert file.rule.equations == rule.equations and file.rule.constants == rule.constants
    assert file.rule.slow == rule.slow and file.provenance == {"run": "17"}


def _record(**changes):
    record = json.loads(to_json(RULES["bcm"]))
    return {key: value for key, value in {**record, **changes}.items() if value is not ...}


SLOW = {"name": "theta", "rate": "post - theta", "scope": "post", "initial": 1.0}


@pytest.mark.parametrize(
    ("record", "fragment"),
    [
        (_record(format="hebbarium-rule/2"), "hebbarium-rule/1"),
        (_record(format=...), "lacks 'format'"),
        (_record(name=...), "lacks 'name'"),
        (_record(dw=...), "lacks 'dw'"),
        (_record(dw={}), "dw is empty"),
        (_record(dw="pre*post"), "dw must be an object"),
        (_record(dw={"forward": 3}), "not int"),
        (_record(dw={"forward": "pre*psot"}), "Did you mean 'post'?"),
        (_record(dw={"a b": "pre"}), "'a b'"),
        (_record(name=7), "must be text"),
        (_record(name=""), "one line"),
        (_record(name="a\nb"), "one line"),
        (_record(colour="red"), "unknown 'colour'"),
        (_record(constants=[1]), "constants must be an object"),
        (_record(constants={"tau": "50"}), "finite number"),
        (_record(constants={"tau": True}), "finite number"),
        (_record(constants={"tau": None}), "finite number"),
        (_record(constants={"tau": 10**400}), "finite number"),
        (_record(constants={"tau": 50.0, "pre": 1.0}), "'pre'"),
        (_record(constants={"tau": 50.0, "a-b": 1.0}), "'a-b'"),
        (_record(constants={}), "'tau' is no name"),
        (_record(slow={}), "must be a list"),
        (_record(slow=[3]), "slow[0] must be an object"),
        (_record(slow=[{**SLOW, "scope": "cell"}]), "synapse, pre, post, global"),
        (_record(slow=[{**SLOW, "scope": ["post"]}]), "synapse, pre, post, global"),
        (_record(slow=[{**SLOW, "initial": "1"}]), "finite number"),
        (_record(slow=[{**SLOW, "rate": "w"}]), "Widen its scope"),
        (_record(slow=[{**SLOW, "speed": 1}]), "unknown 'speed'"),
        (_record(slow=[SLOW, SLOW]), "twice"),
        (_record(reference=3), "must be text"),
        (_record(provenance={"seed": 3}), "must be text"),
        ([], "must be an object"),
        ("oja", "must be an object"),
        (None, "must be an object"),
    ],
)
def test_a_malformed_record_is_refused(record, fragment):
    with pytest.raises(UserError) as refused:
        rule_from_json(json.dumps(record), "Rule file 'r.json'")
    assert fragment in str(refused.value)
    assert "r.json" in str(refused.value) or "bcm" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "line 1, column 1"),
        ("{", "is not JSON"),
        ("{'name': 1}", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 30_000, "nested too deeply"),
        ('{"constants": {"tau": 1' + "0" * 5000 + "}}", "number too long"),
        (json.dumps(_record()).replace("50.0", "NaN"), "finite number"),
        (json.dumps(_record()).replace("50.0", "1e999"), "finite number"),
        (json.dumps(_record()).replace('"constants"', '"name": "x", "constants"'), "'name' twice"),
        ('"' + "x" * MAX_FILE + '"', "at most"),
    ],
)
def test_malformed_json_is_refused(text, fragment):
    with pytest.raises(UserError, match=fragment):
        rule_from_json(text)


def test_files_that_are_no_rules_are_refused(tmp_path):
    (tmp_path / "huge.json").write_bytes(b" " * (MAX_FILE + 1))
    (tmp_path / "binary.json").write_bytes(b"\x80\x02}q\x00.")
    for name, fragment in {
        "missing.json": "No such file",
        ".": "cannot be read",
        "huge.json": "larger than",
        "binary.json": "is not text",
        "nul\0.json": "cannot be read",
    }.items():
        with pytest.raises(UserError, match=fragment):
            read_rule(tmp_path / name)


@pytest.mark.parametrize(
    "rule",
    [
        Rule("r", sympy.Symbol("a b") * pre, {"a b": 1.0}),
        Rule("r", pre, {"tau": math.inf}),
        Rule("r", pre, slow=(Slow("s", pre, "pre", math.nan),)),
        Rule("r", {"for ward": pre}),
        Rule("r", pre + sympy.oo),
    ],
)
def test_what_no_file_can_hold_is_not_written(rule):
    with pytest.raises(UserError):
        to_json(rule)
