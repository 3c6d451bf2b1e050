"""What a chip admits, and what leaves for it: Loihi's sums of products, BrainScaleS-2's integers in C."""

import ctypes
import shutil
import subprocess
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from evolve.exports import export
from evolve.exports.loihi import parse
from rules_zoo import RULES
from substrate import POST, PRE, Rule, Slow, UserError, W, names
from substrate.compilation.graph import from_rule
from substrate.compilation.lowering import lower
from substrate.hardware import (
    PROFILES,
    Chip,
    ChipKeys,
    as_implemented,
    graph_violations,
    profile,
    violations,
)
from substrate.hardware._chip import multiplier
from substrate.hardware.base import Read
from substrate.synapses import learn, start

LOIHI, BSS2 = PROFILES["loihi1"], PROFILES["bss2"]
trace, theta = names("trace theta")


def equations(text):
    return [words for words in text.splitlines() if not words.startswith("#")]


def test_oja_on_loihi_is_two_products():
    """A gate and a trace; a gate, a trace and the weight."""
    assert violations(LOIHI, RULES["oja"]) == []
    assert equations(export(RULES["oja"], "loihi")) == ["dw = 2^0*y0*x1 - 2^0*y0*y1*w"]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (Rule("r", PRE / POST), "division"),
        (Rule("r", W / (1 + W**2)), "division"),
        (Rule("r", sympy.tanh(POST) * PRE), "tanh"),
        (Rule("r", PRE**3 * POST**3), "6 factors"),
        (Rule("r", (PRE + POST + W) ** 4), "products"),
        (Rule("r", 10_000 * PRE), "out of range"),
        (Rule("r", 1e-5 * PRE), "below the least"),
        (RULES["sanger"], "lat_ord"),
        (Rule("r", PRE * theta, slow=(Slow("theta", POST - theta, "post"),)), "per post"),
    ],
)
def test_what_loihi_cannot_do_is_refused_with_the_reason(rule, reason):
    assert any(reason in text for text in violations(LOIHI, rule)), violations(LOIHI, rule)
    with pytest.raises(UserError, match=f"cannot run on Loihi.*{reason}"):
        export(rule, "loihi")


def test_a_saturating_vector_unit_has_no_division_and_spinnaker_runs_c():
    rule = Rule("r", PRE / (1 + POST**2))
    assert violations(BSS2, rule) == ["needs a division, which bss2 cannot compute"]
    assert violations(PROFILES["spinnaker"], rule) == []
    assert violations(PROFILES["ideal"], RULES["sanger"]) == []
    tau = names("tau")[0]
    constant = Rule("r", PRE / tau, {"tau": 4.0})  # a number is programmed, not divided by
    assert violations(BSS2, constant) == violations(LOIHI, constant) == []


def random_polynomials(count):
    rng = np.random.default_rng(0)
    factors = (PRE, POST, W, sympy.sign(W), sympy.Integer(1))
    for _ in range(count):
        terms = []
        for _ in range(rng.integers(1, 6)):
            chosen = [factors[i] for i in rng.integers(0, len(factors), rng.integers(1, 4))]
            terms.append(sympy.Float(rng.normal() * 4) * sympy.Mul(*chosen))
        yield Rule("random", sympy.Add(*terms))


def test_every_admitted_rule_is_read_back_as_the_same_rule():
    chosen = [*random_polynomials(100), *RULES.values()]
    chosen.append(Rule("r", PRE * trace, slow=(Slow("trace", 0.25 * POST - 0.125 * trace),)))
    single = [rule for rule in chosen if tuple(rule.changes) == ("forward",)]
    admitted = [rule for rule in single if not violations(LOIHI, rule)]
    assert len(admitted) > 60
    for rule in admitted:
        if further := rule.reads - {"pre", "post", "w"}:
            with pytest.raises(
                UserError, match=f"reads {min(further)}, for which this text has no"
            ):
                export(rule, "loihi")
            continue
        own, read = as_implemented(LOIHI, rule), parse(export(rule, "loihi"))
        renamed = dict(zip(names(" ".join(s.name for s in own.slow)), names("t d"), strict=False))
        for mine, theirs in zip(own.equations.values(), read.equations.values(), strict=True):
            assert sympy.expand(mine.subs(renamed) - theirs) == 0, rule


def test_coefficients_are_the_nearest_of_four_bits():
    """Seven mantissas and powers of two: off by a part in nine at most, at 4.5."""
    for rule in random_polynomials(50):
        if violations(LOIHI, rule):
            continue
        before = sympy.Poly(rule.changes["forward"].subs(sympy.sign(W), trace), PRE, POST, W, trace)
        expression = as_implemented(LOIHI, rule).changes["forward"].subs(sympy.sign(W), trace)
        after = sympy.Poly(expression, PRE, POST, W, trace)
        for powers, coefficient in before.terms():
            least = 2.0**-9
            error = abs(
                float(
                    after.coeff_monomial(
                        sympy.prod(s**p for s, p in zip((PRE, POST, W, trace), powers, strict=True))
                    )
                )
                - float(coefficient)
            )
            assert error <= max(abs(float(coefficient)) / 8.99, least)


def test_text_that_is_no_learning_rule_is_refused():
    for text in ("dw = x1*y0", "dw = 2^0*q1", "w = 2^0*x0", "dw = 2^0*x0 * import", "dt = 2^0*u0"):
        with pytest.raises(UserError):
            parse(text)


def test_graphs_and_rules_are_refused_alike():
    rules = [
        *random_polynomials(30),
        Rule("a", PRE**3 * POST**3),
        RULES["oja"],
        Rule("f", sympy.Abs(PRE)),
    ]
    for rule in rules:
        graph = from_rule(rule)
        for chip in (LOIHI, BSS2):
            assert bool(graph_violations(chip, graph)) == bool(violations(chip, rule)), rule


KERNELS = (
    RULES["oja"],
    RULES["mettler2021_lr1"],
    Rule("constants", 0.3 * PRE - 1.7 * W * POST + 0.01),
    Rule("others", sympy.Max(PRE, W) * sympy.sign(POST) - sympy.Min(POST, 1) * sympy.Abs(W)),
    Rule("powers", PRE**3 * POST**2 - sympy.Heaviside(PRE, 0) * W**3),
)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
@pytest.mark.parametrize("rule", KERNELS, ids=lambda r: r.name)
def test_the_c_kernel_gives_the_bits_of_the_simulation(rule, tmp_path):
    """Twice three samples and a write at 10,000 synapses with random activities and weights."""
    source, library = tmp_path / "rule.c", tmp_path / "rule.so"
    source.write_text(export(rule, "bss2"))
    command = ["gcc", "-std=c99", "-Wall", "-Werror", "-O2", "-shared", "-fPIC"]
    subprocess.run([*command, str(source), "-o", str(library)], check=True)
    c = ctypes.CDLL(str(library))
    count, steps, rng = 10_000, 6, np.random.default_rng(1)
    exact = Read(bits=8, top=4.0)  # errors of the analog part are not the kernel's
    chip = replace(
        profile("bss2:period=3"),
        reads={"pre": exact, "post": exact},
        weights=replace(BSS2.weights, gain=0.0),
    )
    # Half of the activities are large, so that the arithmetic saturates.
    size = np.where(rng.random(count) < 0.5, 4.0, 0.5)
    activity = rng.uniform(-1, 1, (steps, 2, count)) * size
    code = rng.integers(-63, 64, count)
    rate = np.exp(rng.uniform(-8, 1, count)).astype(np.float32)
    keys = ChipKeys(*(jnp.zeros((count, 1), jnp.uint32) for _ in range(2)))
    plasticity = lower(rule)._replace(chip=Chip(chip, keys))
    w0 = jnp.asarray(code / 32, jnp.float32).reshape(1, 1, count, 1)
    synapses, writes = start(plasticity, w0), []
    for pre, post in activity:
        seen = {
            name: jnp.asarray(values, jnp.float32).reshape(1, 1, count, 1)
            for name, values in (("pre", pre), ("post", post))
        }
        synapses = learn(
            synapses, plasticity, {**seen, "w": synapses.w}, jnp.asarray(rate)[None, None, :, None]
        )
        writes.append(np.round(np.asarray(synapses.w).ravel() * 32).astype(int))
    ours = writes[-1]
    mantissa, shift = (np.asarray(a) for a in multiplier(jnp.asarray(rate) * 32 / 512))
    fixed = np.clip(np.round(activity.astype(np.float32) * 32), -128, 127).astype(int) * 16
    reads = sorted(rule.reads)
    for i in range(count):
        total, theirs = ctypes.c_int32(0), int(code[i])
        for s in range(steps):
            given = {"pre": fixed[s, 0, i], "post": fixed[s, 1, i], "w": theirs}
            more = c.change(*(int(given[name]) for name in reads))
            total.value = c.accumulate(total.value, more)
            if s % 3 == 2:
                theirs = c.written(theirs, ctypes.byref(total), int(mantissa[i]), int(shift[i]))
            assert theirs == writes[s][i], (i, s, given)
    assert np.mean(ours != code) > 0.3
    assert np.mean(np.abs(ours) == 63) < 0.9


def test_rules_that_the_processor_cannot_run_are_refused():
    for name, reason in (("hebb_normalised", "division"), ("sanger", "lat_ord"), ("bcm", "slow")):
        with pytest.raises(UserError, match=f"cannot run on BrainScaleS-2.*{reason}"):
            export(RULES[name], "bss2")
