"""A rule as NumPy functions: the values of the compiled rule and of the exported Python, for every rule."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from evolve.exports import export
from rules_zoo import RULES
from substrate import Rule, names
from substrate.compilation.lowering import compute
from substrate.compilation.numpy_functions import NUMPY, numpy_functions
from substrate.errors import UserError
from substrate.functions import FUNCTIONS
from substrate.vocabulary import VOCABULARY
from tests.support.random_rules import rules

SHAPES = {"synapse": (3, 4), "pre": (1, 4), "post": (3, 1), "global": (1, 1)}


def observed(rule: Rule, dtype) -> dict[str, np.ndarray]:
    """Everything that a synapse may see, and the rule's slow variables."""
    draw = np.random.default_rng(1)
    scopes = {o.name: o.scope for o in VOCABULARY.values()} | {s.name: s.scope for s in rule.slow}
    return {n: draw.normal(size=SHAPES[s]).astype(dtype) for n, s in scopes.items()}


def same_as_compiled(rule: Rule) -> None:
    seen = observed(rule, np.float32)
    known = {**seen, **{n: jnp.float32(v) for n, v in rule.constants.items()}}
    functions = numpy_functions(rule)
    assert list(functions) == list(rule.equations)
    for name, expression in rule.equations.items():
        ours = np.asarray(functions[name](**seen))
        theirs = np.asarray(compute(expression, known))
        assert ours.dtype == np.float32 or not functions[name].reads & seen.keys()
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_every_known_rule_has_the_values_of_the_compiled_one(rule):
    same_as_compiled(rule)


def test_every_known_rule_has_the_values_of_its_exported_python(rule):
    space: dict = {}
    exec(compile(export(rule, "python"), "exported.py", "exec"), space)
    seen = observed(rule, np.float64)
    for name, function in numpy_functions(rule).items():
        exported = space[name]
        read = exported.__code__.co_varnames[: exported.__code__.co_argcount]
        theirs = exported(**{n: seen[n] for n in read if n in seen})
        np.testing.assert_allclose(function(**seen), theirs, rtol=1e-12)


@given(rules())
@settings(max_examples=100, deadline=None)
def test_random_rules_have_the_values_of_their_exported_python(rule):
    space: dict = {}
    exec(compile(export(rule, "python"), "exported.py", "exec"), space)
    seen = observed(rule, np.float64)
    legal = {"lambda": "lambda_"}
    with np.errstate(all="ignore"):
        for name, function in numpy_functions(rule).items():
            exported = space[name]
            read = exported.__code__.co_varnames[: exported.__code__.co_argcount]
            theirs = exported(**{n: v for n, v in seen.items() if legal.get(n, n) in read})
            shape = np.shape(theirs)
            np.testing.assert_allclose(np.broadcast_to(function(**seen), shape), theirs, rtol=1e-9)


def test_every_function_of_the_platform_has_a_form():
    assert set(NUMPY) == set(FUNCTIONS)


@pytest.mark.parametrize("given", [2, True, np.array([2, 0]), np.array([True, False]), 2.0])
def test_counts_and_truth_values_are_floats(given):
    pre, post = names("pre post")
    function = numpy_functions(Rule("r", pre - 3 * post))["dw"]
    np.testing.assert_array_equal(
        function(pre=given, post=given), np.asarray(given, float) - 3 * np.asarray(given, float)
    )


def test_what_is_not_read_is_ignored_and_what_is_missing_is_named():
    function = numpy_functions(RULES["oja"])["dw"]
    assert function(pre=1.0, post=1.0, w=0.5, reward=3.0) == 0.5
    with pytest.raises(UserError, match=r"reads post, w, which was not given\. Call it with post="):
        function(pre=1.0)
    constant = numpy_functions(RULES["frozen"])["dw"]
    assert constant() == constant(pre=1.0) == 0


def test_infinities_are_values_and_no_warnings():
    pre, post = names("pre post")
    function = numpy_functions(Rule("r", 1 / pre + pre**4 * post))["dw"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert function(pre=0.0, post=1.0) == np.inf
        assert function(pre=np.float32(1e30), post=np.float32(1.0)) == np.inf


def test_constants_may_be_given_and_are_the_rules_own_otherwise():
    pre, a = names("pre alpha")
    function = numpy_functions(Rule("r", a * pre, constants={"alpha": 3.0}))["dw"]
    assert function(pre=2.0) == 6.0
    assert function(pre=2.0, alpha=1.0) == 2.0
