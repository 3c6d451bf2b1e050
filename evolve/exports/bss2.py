"""BrainScaleS-2: the rule as a C function for the plasticity processor, in integers alone.

The arithmetic is that of `substrate/hardware/_fixed.py`: saturating fixed point of 16 bits, products truncated
towards zero, changes added up in a register of 23 bits, and one write of a 6-bit weight and sign at the end of a
period, which leaves in the register what is less than a code. On the host it gives the bits that our simulation
gives.
"""

import re
from collections.abc import Mapping

from evolve.exports.base import Target, line
from evolve.expressions.printer import TEXT
from evolve.expressions.rule_file import require_writable
from substrate.compilation.graph import Node, Number, Operand, from_rule
from substrate.errors import UserError
from substrate.hardware import PROFILES, merged, violations
from substrate.hardware._chip import ACCUMULATOR, RATE
from substrate.hardware._fixed import Fixed
from substrate.rule import FORWARD, Rule

PROFILE = PROFILES["bss2"]
assert isinstance(PROFILE.arithmetic, Fixed)
ARITHMETIC: Fixed = PROFILE.arithmetic

_CALLS = {
    "add": "saturate({0} + {1})",
    "sub": "saturate({0} - {1})",
    "mul": "saturate(shifted({0} * {1}, FRACTION))",
    "min": "({0} < {1} ? {0} : {1})",
    "max": "({0} > {1} ? {0} : {1})",
    "abs": "saturate({0} < 0 ? -{0} : {0})",
    "sign": "(({0} > 0) - ({0} < 0)) * ONE",
    "step": "({0} > 0 ? ONE : 0)",
}

_HEAD = """#include <stdint.h>

#define FRACTION {fraction}      /* bits behind the point */
#define ONE (1 << FRACTION)
#define LOW ({low})
#define HIGH {high}
#define CODE_TO_FIXED {weight} /* a weight code is w * 2**{shift} */
#define WEIGHT_LIMIT {limit}
#define SUM_LIMIT {accumulator}

static int32_t saturate(int32_t x) {{ return x < LOW ? LOW : x > HIGH ? HIGH : x; }}

/* x / 2**shift, truncated towards zero, as C divides */
static int32_t shifted(int32_t x, int shift) {{ return x / ((int32_t)1 << shift); }}
"""

_UPDATE = """
/* One sample at one synapse: observables as fixed point, the weight as its code. */
int32_t change({arguments})
{{
{body}
    return {result};
}}

/* Add a change to the register of a synapse. */
int32_t accumulate(int32_t sum, int32_t more)
{{
    int32_t x = sum + more;
    return x < -SUM_LIMIT ? -SUM_LIMIT : x > SUM_LIMIT ? SUM_LIMIT : x;
}}

/* End of a period: the new code; the register keeps what whole codes do not take. The rate is mantissa / 2**shift
   codes a unit of the register, 0 < mantissa < {rate}. */
int32_t written(int32_t code, int32_t *sum, int32_t mantissa, int shift)
{{
    int32_t move = shifted(*sum * mantissa, shift);
    int32_t unit = (((int32_t)1 << shift) + (mantissa >> 1)) / mantissa;
    int32_t x = code + move;
    *sum -= move * (unit > 1 ? unit : 1);
    return x < -WEIGHT_LIMIT ? -WEIGHT_LIMIT : x > WEIGHT_LIMIT ? WEIGHT_LIMIT : x;
}}
"""


def render(rule: Rule, provenance: Mapping[str, str]) -> str:
    """Write the C file.

    Raises
    ------
    UserError
        If the rule cannot run there, with every reason.
    """
    require_writable(rule)
    equation = "; ".join(TEXT.write(e) for e in rule.equations.values())
    reasons = violations(PROFILE, rule)
    if tuple(rule.changes) != (FORWARD,) or rule.slow:
        reasons.append("has slow variables or other projections, which this kernel does not keep")
    if reasons:
        raise UserError(
            f"Rule {rule.name!r} cannot run on BrainScaleS-2: it {'; it '.join(reasons)}."
        )
    assert PROFILE.weights is not None
    graph = from_rule(merged(rule))
    bits = PROFILE.weights.bits
    shift = bits - 1  # full scale 2
    low, high = ARITHMETIC.limits
    head = _HEAD.format(
        fraction=ARITHMETIC.fraction,
        low=low,
        high=high,
        weight=f"(1 << (FRACTION - {shift}))",
        shift=shift,
        limit=(1 << bits) - 1,
        accumulator=(1 << (ACCUMULATOR - 1)) - 1,
    )
    reads = sorted(rule.reads)
    body = ["    const int32_t w = code * CODE_TO_FIXED;"] if "w" in reads else []
    body += [f"    const int32_t v{i} = {_call(node)};" for i, node in enumerate(graph.nodes)]
    arguments = ", ".join(f"int32_t {'code' if name == 'w' else name}" for name in reads)
    update = _UPDATE.format(
        arguments=arguments or "void",
        body="\n".join(body),
        result=_operand(graph.outputs["dw"]),
        rate=1 << RATE,
    )
    remarks = {"reference": rule.reference, "note": rule.note, **provenance}
    about = [line(rule.name), f"dw = {equation}"]
    about += [f"{name} = {value!r}" for name, value in rule.constants.items()]
    about += [f"{line(k)}: {line(v)}" for k, v in remarks.items() if v]
    comment = "\n".join(f" * {_safe(words)}" for words in about)
    return f"/*\n{comment}\n */\n{head}{update}"


def _call(node: Node) -> str:
    return _CALLS[node.function].format(_operand(node.a), _operand(node.b))


def _operand(operand: Operand) -> str:
    if isinstance(operand, Number):
        low, high = ARITHMETIC.limits
        # Python rounds halves to even, as the simulation does.
        number = max(low, min(high, round(operand.value * (1 << ARITHMETIC.fraction))))
        return f"({number})"
    return f"v{operand}" if isinstance(operand, int) else operand


def _safe(words: str) -> str:
    """Text that cannot leave a comment."""
    return re.sub(r"\*/|/\*|\\|\?\?", " ", words)


TARGET = Target(
    name="bss2",
    suffix=".c",
    summary="integer C for the plasticity processor of BrainScaleS-2",
    render=render,
)
