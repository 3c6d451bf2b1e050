"""What leaves the platform: Python that learns the same weights with NumPy alone, LaTeX, JSON."""

import ast
import re
import subprocess
import sys
import time

import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from matplotlib.mathtext import MathTextParser

from evolve.exports import TARGETS, Target, export
from evolve.expressions.construct import ARITY
from evolve.expressions.parser import parse
from evolve.expressions.rule_file import rule_from_json, to_json
from evolve.expressions.symbolic import simplify_rule
from rules_zoo import RULES
from substrate import Rule, Slow, UserError, names
from substrate.compilation.graph import Graph, Node, Number, from_rule, to_rule
from substrate.compilation.lowering import lower
from substrate.compilation.numpy_functions import numpy_functions
from substrate.functions import EPSILON, pdiv
from substrate.networks.feedforward import feedforward
from substrate.simulate import Episode, trajectory
from tests.support.random_rules import SEEN, expressions, rules, value

pre, post, w, tau, trace, mean, level = names("pre post w tau trace mean level")
STEPS, RATE = 300, 0.01

#: Runs in a bare interpreter: a layer of linear neurons around each exported module.
BARE = """
import sys, importlib.util, pathlib
import numpy as np

folder = pathlib.Path(sys.argv[1])
given = np.load(folder / "given.npz")
drive, w0, rate = given["drive"].astype(float), given["w0"].astype(float), float(given["rate"])
shapes = {"synapse": w0.shape, "pre": (1, w0.shape[1]), "post": (w0.shape[0], 1), "global": (1, 1)}
results = {}
for path in sorted(folder.glob("*.py")):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    rule = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rule)
    w, slow, weights = w0, dict(getattr(rule, "INITIAL", {})), [w0]
    for x in drive:
        y = w @ x
        seen = {
            "pre": x[None], "post": y[:, None], "w": w, "u": y[:, None], "eta": rate,
            "w_norm": np.linalg.norm(w, axis=1)[:, None], "pre_norm": np.linalg.norm(x),
            "lat": (y @ w)[None], "lat_ord": np.cumsum(y[:, None] * w, axis=0), **slow,
        }
        change = rule.dw(**seen)
        slow = {n: v + getattr(rule, "d_" + n)(**seen) for n, v in slow.items()}
        w = w + rate * change
        weights.append(w)
    results[path.stem] = np.array(weights)
foreign = {"jax", "sympy", "deap", "substrate", "evolve"} & sys.modules.keys()
assert not foreign, foreign
np.savez(folder / "weights.npz", **results)
"""

SMOOTH = ("add", "sub", "mul", "min", "max", "abs", "tanh")


def _random(seed: int) -> Rule:
    """A random graph that forgets, so that its weights stay bounded."""
    draw = np.random.default_rng(seed)
    nodes = []
    for i in range(6):
        operands = [*SEEN, Number(round(float(draw.normal()), 3)), *range(max(0, i - 2), i)]
        a, b = (operands[draw.integers(len(operands))] for _ in range(2))
        nodes.append(Node(str(draw.choice(SMOOTH)), a, b))
    nodes += [Node("tanh", 5, 5), Node("sub", 6, "w")]
    return to_rule(Graph(tuple(nodes), {"dw": 7}), f"random{seed}")


SLOW = Rule(
    "slow",
    trace * post - w * level - sympy.Max(w, mean) / 10,
    {"tau": 20.0, "lambda": 0.5, "numpy": 0.1, "_div": 1.0},
    (
        Slow("trace", (pre - trace) / tau, "pre", 0.5),
        Slow("mean", (sympy.Symbol("lambda") * post - mean) / tau, "post"),
        Slow("level", sympy.Symbol("numpy") * (sympy.Symbol("_div") - level), "global", 2.0),
        Slow("elig", sympy.tanh(pre * post * trace) - sympy.Symbol("elig"), "synapse", -0.25),
    ),
)

LEARNED = {
    **{name: RULES[name] for name in ("oja", "bcm", "frozen", "hebb_normalised", "sanger")},
    **{f"random{seed}": _random(seed) for seed in range(8)},
    "slow": SLOW,
}


@pytest.fixture(scope="module")
def given_episode():
    draw = np.random.default_rng(5)
    mix = np.array([[1.0, 0.4], [0.0, 0.6]])
    drive = (draw.normal(size=(STEPS, 2)) @ mix).astype(np.float32)
    w0 = draw.normal(size=(2, 2)).astype(np.float32) * 0.3
    return drive, w0


@pytest.fixture(scope="module")
def learned_by_exports(tmp_path_factory, given_episode):
    """Weights that the exported modules learn where there is NumPy and nothing of ours."""
    folder = tmp_path_factory.mktemp("exported")
    drive, w0 = given_episode
    np.savez(folder / "given.npz", drive=drive, w0=w0, rate=RATE)
    for name, rule in LEARNED.items():
        (folder / f"{name}.py").write_text(export(rule, "python", {"run": "1"}), encoding="utf-8")
    command = [sys.executable, "-I", "-W", "error", "-c", BARE, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "weights.npz")


@pytest.mark.parametrize("name", LEARNED)
def test_exported_python_learns_the_same_weights(name, learned_by_exports, given_episode):
    drive, w0 = given_episode
    episode = Episode(jnp.asarray(drive)[..., None, None], jnp.asarray(w0)[..., None, None], {})
    rate = jnp.full((1, 1), RATE)
    network = feedforward("linear", lateral=True)
    expected = np.asarray(trajectory(network, lower(LEARNED[name]), episode, rate))[..., 0, 0]
    actual = learned_by_exports[name]
    assert actual.shape == (STEPS + 1, 2, 2)
    assert name == "frozen" or np.abs(expected[-1] - w0).max() > 1e-3, "the rule must do something"
    scale = np.abs(expected).max()
    assert scale < 20
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * scale)


def _module(rule: Rule, **provenance: str) -> dict:
    text = export(rule, "python", provenance)
    _inspect(text)
    space: dict = {"__name__": "exported"}
    exec(compile(text, "exported.py", "exec"), space)
    return space


def _inspect(text: str) -> None:
    """Importing executes nothing: a docstring, NumPy, functions, and a dictionary of numbers."""
    body = ast.parse(text).body
    assert isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    for part in body[1:]:
        if isinstance(part, ast.Import):
            assert [alias.name for alias in part.names] == ["numpy"]
        elif isinstance(part, ast.Assign):
            assert ast.unparse(part.targets[0]) == "INITIAL"
            assert all(isinstance(v, float) for v in ast.literal_eval(part.value).values())
        else:
            assert isinstance(part, ast.FunctionDef) and not part.decorator_list
            assert all(isinstance(ast.literal_eval(d), float) for d in part.args.defaults)
            called = {n.func for n in ast.walk(part) if isinstance(n, ast.Call)}
            assert all(ast.unparse(f).startswith(("numpy.", "_div")) for f in called)


POINTS = {n: np.random.default_rng(i).normal(size=40) for i, n in enumerate(SEEN)}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(expressions(nodes=9))
def test_exported_python_computes_the_expression(expression):
    dw = _module(Rule("r", expression))["dw"]
    read = [n for n in SEEN if n in {str(s) for s in expression.free_symbols}]
    assert list(dw.__code__.co_varnames[: dw.__code__.co_argcount]) == read
    expected = value(expression, POINTS)
    with np.errstate(all="ignore"):
        actual = dw(**{n: POINTS[n] for n in read})
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(expressions())
def test_arrays_keep_their_precision_and_broadcast(expression):
    whole = expression + pre + post + w
    assume({pre, post, w} <= whole.free_symbols)  # they may cancel
    dw = _module(Rule("r", whole))["dw"]
    for dtype in (np.float32, np.float64):
        x, y, v = np.ones((1, 3), dtype), np.ones((2, 1), dtype), np.ones((2, 3), dtype)
        with np.errstate(all="ignore"):
            change = dw(pre=x, post=y, w=v)
        assert (change.dtype, change.shape) == (dtype, (2, 3))


@pytest.mark.parametrize("number", [0.7, 0.0, -2, 1e300])
def test_a_number_as_divisor_leaves_arrays_their_precision(number):
    rule = Rule("r", post * pdiv(pre, sympy.Float(number), evaluate=False))
    named = Rule("r", post * pdiv(pre, sympy.Symbol("c", real=True)), {"c": float(number)})
    for dtype in (np.float32, np.float64):
        seen = {"pre": np.ones((1, 3), dtype), "post": np.ones((2, 1), dtype)}
        for one in (rule, named):
            for function in (_module(one)["dw"], numpy_functions(one)["dw"]):
                change = function(**seen)
                assert (change.dtype, change.shape) == (dtype, (2, 3))


CONSTANTS = {"c": 0.7, "k": 2.0}
OF_CONSTANTS = [
    *(f"{name}(c)" for name, arity in ARITY.items() if arity == 1),
    *("div(c, k)", "min(c, k)", "max(c, 1)", "c**(3/2)", "1/sqrt(c)", "tanh(2*exp(c) - k)"),
]


@pytest.mark.parametrize("alone", OF_CONSTANTS)
@pytest.mark.parametrize("whole", ["pre*{}", "post - {}*w", "max(pre, {})", "div(post, {})"])
def test_functions_of_constants_leave_arrays_their_precision(alone, whole):
    rule = Rule("r", parse(whole.format(alone), (*SEEN, *CONSTANTS)), CONSTANTS)
    exported, ours = _module(rule)["dw"], numpy_functions(rule)["dw"]
    values = {n: v for n, v in zip(SEEN, (0.3, -0.4, 1.2), strict=True) if n in rule.reads}
    expected = value(rule.dw, {**values, **CONSTANTS})
    for kind, result in ((np.float32, np.float32), (np.float64, np.float64), (int, np.float64)):
        seen = {n: np.full((2, 3), v).astype(kind) for n, v in values.items()}
        for change in (exported(**seen), ours(**seen)):
            assert (change.dtype, change.shape) == (result, (2, 3))
            if kind is not int:
                np.testing.assert_allclose(change, np.full((2, 3), expected), rtol=1e-6)
    assert exported(**values) == pytest.approx(expected, rel=1e-12)
    single = {n: np.float32(v) for n, v in values.items()}
    assert exported(**single, c=np.float64([0.7, 0.7])).dtype == np.float64


def test_every_known_rule_is_plain_python(rule):
    space = _module(rule, source="here")
    assert all(callable(space[name]) for name in rule.equations)
    assert space.get("INITIAL", {}) == {s.name: s.initial for s in rule.slow}
    assert "source: here" in space["__doc__"] and rule.name in space["__doc__"]


def test_the_python_of_bcm():
    text = export(RULES["bcm"], "python", {"run": "abc", "score": "0.9"})
    for line in (
        "    dw = pre*post*(post - theta)",
        "Apply it at every step: w += eta * dw(...), eta being the learning rate.",
        "Slow variables are read before they move: compute every change first, then add",
        "theta is one per neuron, shape (post, 1).",
        "run: abc",
        "score: 0.9",
        'INITIAL = {"theta": 1.0}',
        "def dw(pre, post, theta, **unused):",
        "    return pre*post*(post - theta)",
        "def d_theta(post, theta, tau=50.0, **unused):",
        "    return (post**2 - theta)/tau",
    ):
        assert line in text.split("\n"), line
    assert "import" not in text


def test_functions_appear_as_numpy():
    rule = Rule("r", sympy.Max(pre, post, w) + sympy.sqrt(w) ** 3 + sympy.Heaviside(w, 0) / 3)
    text = export(rule, "python", {})
    assert "numpy.maximum(numpy.maximum(pre, post), w)" in text
    assert "numpy.sqrt(w)**3" in text and "numpy.heaviside(w, 0.0)/3" in text
    assert text.count("import numpy\n") == 1


def test_division_is_protected_as_on_the_platform():
    dw = _module(Rule("r", pdiv(pre, w)))["dw"]
    assert dw(pre=2.0, w=0.0) == 0.0
    assert dw(pre=2.0, w=1e-3) == pytest.approx(2.0 * 1e-3 / (1e-6 + EPSILON), rel=1e-12)


def test_division_overflows_only_where_its_value_does():
    rule = Rule("r", pdiv(pre, w))
    a, b = np.float32([1e20, 3.0, 0.0, 1e-30]), np.float32([2e20, np.inf, 0.0, 1e-30])
    for dw in (_module(rule)["dw"], numpy_functions(rule)["dw"]):
        np.testing.assert_allclose(dw(pre=a, w=b), [0.5, 0, 0, 1e-54], rtol=1e-6, atol=1e-40)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.bool_, int, bool])
@pytest.mark.parametrize("dw", [pre**2 * post - w, -pre, pre - post, post * (pre - post * w)])
def test_counts_and_spikes_are_numbers(kind, dw):
    change = _module(Rule("r", dw))["dw"]
    given = {n: kind(v) for n, v in zip(SEEN, (200, 100, 1), strict=True)}
    real = {n: float(v) for n, v in given.items()}
    assert change(**given) == change(**real) == float(dw.subs(real))
    assert change(**{n: np.full((2, 3), v) for n, v in given.items()}).dtype == np.float64


@pytest.mark.parametrize("target", TARGETS)
def test_every_known_rule_leaves_as_text_or_is_refused_with_a_reason(rule, target):
    try:
        text = export(rule, target)
    except UserError as refusal:
        assert target in ("bss2", "loihi") and rule.name in str(refusal)
        assert len(str(refusal)) > 40
    else:
        assert text.endswith("\n") and len(text) > 20


@pytest.mark.parametrize("dw", [sympy.Integer(0), sympy.Integer(2), w, pre * post])
def test_every_function_can_be_given_all_observables(dw):
    change = _module(Rule("r", dw))["dw"]
    assert change(pre=2.0, post=3.0, w=5.0) == float(dw.subs({pre: 2, post: 3, w: 5}))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("exponent", [64, 65, 128, 1000, -65])
def test_any_power_leaves_as_text_or_is_refused_with_a_reason(target, exponent):
    rule = Rule("r", pre + w**exponent)
    try:
        text = export(rule, target)
    except UserError as refusal:
        assert target in ("bss2", "loihi") and "'r'" in str(refusal)
        return
    if target == "python":
        space = {}
        exec(text, space)
        for x in (0.9, 1.01):
            expected = value(rule.dw, {"pre": np.float64(0), "w": np.float64(x)})
            assert space["dw"](pre=0.0, w=x) == pytest.approx(expected, rel=1e-12)


def test_names_that_python_keeps_are_renamed():
    space = _module(SLOW)
    assert space["d_mean"](post=4.0, mean=0.0, tau=2.0, lambda_=1.0) == 2.0
    assert space["d_level"](level=0.0, numpy_=3.0, _div_=2.0) == 6.0
    assert "lambda_ is the rule's lambda." in space["__doc__"]
    both = Rule("r", sympy.Symbol("if") - sympy.Symbol("if_"), {"if": 3.0, "if_": 1.0})
    assert _module(both)["dw"]() == 2.0
    assert _module(Rule("r", sympy.Symbol("__debug__") * w, {"__debug__": 2.0}))["dw"](1.0) == 2.0


def test_deep_functions_of_a_named_constant_cost_what_those_of_a_number_do():
    """SymPy's own substitution takes eight times longer for every two functions inside each other."""
    depth, texts = 24, []
    for factor in ("c", "0.5"):
        text = "pre"
        for _ in range(depth):
            text = f"tanh({factor}*{text} + w)"
        texts.append(f"{text} - w")
    named = Rule("r", parse(texts[0], (*SEEN, "c")), {"c": 0.5})
    number = Rule("r", parse(texts[1], SEEN))
    began = time.thread_time()
    assert from_rule(named) == from_rule(number)
    for target in TARGETS:
        if target in ("bss2", "loihi"):
            with pytest.raises(UserError, match="tanh"):
                export(named, target)
        else:
            export(named, target)
    simplify_rule(named)
    assert time.thread_time() - began < 20
    values = {"pre": 0.3, "w": 0.2}
    expected = _module(number)["dw"](**values)
    assert _module(named)["dw"](**values) == pytest.approx(expected, rel=1e-12)
    assert float(lower(named).forward(values)) == pytest.approx(expected, rel=1e-5)


def test_each_projection_has_a_function():
    space = _module(Rule("r", {"forward": pre * post, "lateral": -tau * post}, {"tau": 2.0}))
    assert space["dw_forward"](pre=2.0, post=3.0) == 6.0
    assert space["dw_lateral"](post=3.0) == -6.0
    assert "dw" not in space and "dw_PROJECTION" in space["__doc__"]


HOSTILE = [
    '"""\nimport os\nos.abort()\n"""',
    "\\",
    'a"',
    '\\"""',
    "\0\r\u2028\x1b[31m",
    "\ud800",
    "{0}{w}%s",
    "$\\input{/x}$ %\n\\input{/x}",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_words_from_outside_never_become_program(words):
    rule = Rule(f"r{words}", pre * w, reference=words, note=words)
    provenance = {words: words}
    space = _module(rule, **provenance)
    assert space["dw"](2.0, 3.0) == 6.0
    export(rule, "python", provenance).encode("utf-8")
    tex = export(rule, "latex", provenance)
    tex.encode("utf-8")
    outside = [line for line in tex.splitlines() if not line.startswith("%")]
    assert outside[0] == r"\begin{align}" and outside[-1] == r"\end{align}" and len(outside) == 3
    text = export(Rule("r", pre, note=words), "json", provenance).encode("utf-8").decode("utf-8")
    assert rule_from_json(text).note == words


@pytest.mark.parametrize("words", [w for w in HOSTILE if w.isprintable()])
def test_a_reader_sees_the_words_as_they_are(words):
    assert f"reference: {words}" in _module(Rule("r", pre, reference=words))["__doc__"]


def test_the_latex_of_bcm():
    text = export(RULES["bcm"], "latex", {"run": "50% off"})
    assert text.endswith(
        "\\begin{align}\n"
        "  \\Delta w_{ij} &= x_{j} y_{i} \\left(y_{i} - \\theta_{i}\\right) \\\\\n"
        "  \\Delta \\theta_{i} &= \\frac{y_{i}^{2} - \\theta_{i}}{\\tau} \\\\\n"
        "  \\tau &= 50 \\\\\n"
        "  \\theta_{i}(0) &= 1\n"
        "\\end{align}\n"
    )
    assert "% run: 50% off\n" in text


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rules())
def test_latex_is_well_formed(rule):
    text = export(rule, "latex", {})
    body = text.split("\\begin{align}\n")[1].split("\n\\end{align}")[0]
    for line in body.split(" \\\\\n"):
        MathTextParser("path").parse(f"${line.replace('&', '')}$")


def test_json_is_a_rule_file(rule):
    assert export(rule, "json", {"run": "1"}) == to_json(rule, {"run": "1"})
    assert rule_from_json(export(rule, "json")).equations == rule.equations


def test_targets_are_found_and_say_what_they_are():
    assert {"python", "latex", "json"} <= TARGETS.keys()
    for name, target in TARGETS.items():
        assert isinstance(target, Target) and target.name == name
        assert target.suffix.startswith(".") and target.summary
    assert len({t.suffix for t in TARGETS.values()}) == len(TARGETS)


def test_an_unknown_target_is_refused():
    with pytest.raises(UserError, match=r"'pyton'.*Did you mean 'python'"):
        export(RULES["oja"], "pyton", {})


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "rule",
    [
        Rule("r", pre, {"tau": float("inf")}),
        Rule("r", sympy.Symbol("a b") * w, {"a b": 1.0}),
        Rule("r", sympy.sin(w)),
        Rule("r", {"1; import os": w}),
        Rule("r", w + sympy.zoo),
    ],
)
def test_what_cannot_be_written_is_refused(target, rule):
    with pytest.raises(UserError):
        export(rule, target, {})


@pytest.mark.parametrize("target", ["loihi", "bss2"])
@pytest.mark.parametrize(
    "words", [*HOSTILE, "*/ int evil; /*", "*\\\n/ int evil;", "\n#x\ndw = y0"]
)
def test_words_from_outside_stay_in_the_comments_of_a_chip(words, target):
    def program(words):
        rule = Rule(f"r{words}", post * (pre - post * w), reference=words, note=words)
        text = export(rule, target, {words: words})
        text.encode("utf-8")
        return re.sub(r"(?s)/\*.*?\*/", "", text) if target == "bss2" else _without_remarks(text)

    assert program(words) == program("harmless")


def _without_remarks(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("#")]
