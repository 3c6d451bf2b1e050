"""Python: a module that needs only NumPy, and not even that for plain arithmetic.

The generated functions broadcast and keep the precision of the arrays that they get: every number in them is a
Python number, which NumPy 2 treats as weak. NumPy's functions of such numbers are float64, though, so a constant that
goes into a function without an array is brought to the precision of the arrays first. Arguments are multiplied by
1.0, so that counts and booleans become float64 and do not wrap around. What is inf and what is NaN is said in
`substrate.functions`; given plain Python numbers, Python raises OverflowError or ZeroDivisionError where arrays hold
inf.
"""

import keyword
from collections.abc import Container, Mapping

from sympy import Expr

from evolve.exports.base import Target, line
from evolve.expressions.printer import TEXT, Notation, Parts
from evolve.expressions.rule_file import require_writable
from substrate.compilation.lowering import HEADS
from substrate.functions import EPSILON
from substrate.rule import Rule
from substrate.traversal import postorder, symbols_of
from substrate.vocabulary import VOCABULARY

_FUNCTIONS = {
    "div": "_div({0}, {1})",
    "min": "numpy.minimum({0}, {1})",
    "max": "numpy.maximum({0}, {1})",
    "abs": "numpy.abs({0})",
    "sign": "numpy.sign({0})",
    "step": "numpy.heaviside({0}, 0.0)",
    "tanh": "numpy.tanh({0})",
    "exp": "numpy.exp({0})",
    "sqrt": "numpy.sqrt({0})",
}

_DIV = f'''

def _div(a, b):
    """Division that is 0 at b = 0 and a / b elsewhere: a b / (b**2 + {EPSILON!r}) without overflow."""
    with numpy.errstate(divide="ignore", over="ignore"):
        small = numpy.divide({EPSILON!r}, b, dtype=numpy.result_type(a, b, 1.0))
        return a / (b + small)
'''

_SCOPES = {
    "synapse": "one per synapse, shape (post, pre)",
    "pre": "one per input, shape (1, pre)",
    "post": "one per neuron, shape (post, 1)",
    "global": "one for the network",
}

_TAKEN = ("numpy", "_div", "unused", "__debug__")


def render(rule: Rule, provenance: Mapping[str, str]) -> str:
    """Write a module with `dw`, a function `d_NAME` for every slow variable NAME, and `INITIAL`.

    Several projections give `dw_PROJECTION` each. Every function may be given all observables by name, and ignores
    those that it does not read. Names that Python keeps for itself get an underscore. Importing the module executes
    nothing but definitions.

    Raises
    ------
    UserError
        If a name is no identifier, or a number is not finite.
    """
    require_writable(rule)
    names = _legal([*VOCABULARY, *rule.constants, *(s.name for s in rule.slow)])
    code = Notation(_FUNCTIONS, nested=True, rename=lambda name: names[name])
    functions = [_function(rule, name, e, code, names) for name, e in rule.equations.items()]
    body = "".join(functions)
    if rule.slow:
        initial = ", ".join(f'"{names[s.name]}": {float(s.initial)!r}' for s in rule.slow)
        body = f"\n#: Slow variables before the first step.\nINITIAL = {{{initial}}}\n{body}"
    if "_div(" in body:  # before `numpy.` is looked for
        body = _DIV + body
    imports = "\nimport numpy\n" if "numpy." in body else ""
    return f'"""{_docstring(rule, provenance, names)}"""\n{imports}{body}'


def _function(
    rule: Rule, name: str, expression: Expr, code: Notation, names: Mapping[str, str]
) -> str:
    """One equation as a function of observables, slow variables, and constants with defaults."""
    read = {str(s) for s in symbols_of(expression)}
    given = [names[n] for n in (*VOCABULARY, *(s.name for s in rule.slow)) if n in read]
    constants = {names[n]: value for n, value in rule.constants.items() if n in read}
    arguments = [*given, *(f"{n}={value!r}" for n, value in constants.items()), "**unused"]
    alone = {names[n] for n in _in_functions_of_constants(expression, rule.constants)}
    kind = ", ".join(["1.0", *given])
    floats = "".join(
        f"    {n} = numpy.multiply(1.0, {n}, dtype=numpy.result_type({n}, {kind}))\n"
        if n in alone
        else f"    {n} = 1.0*{n}\n"
        for n in [*given, *constants]
    )
    if name.startswith("dw"):
        words = "Change of the weights at unit learning rate"
    else:
        words = f"Change of {name.removeprefix('d_')}"
    parts = Parts(taken={*names.values(), *_TAKEN})
    text = code.write_all({name: expression}, parts)[name]
    lines = "".join(f"    {part} = {given}\n" for part, given in parts.written.items())
    return (
        f"\n\ndef {name}({', '.join(arguments)}):\n"
        f'    """{words} in one step; arguments broadcast, and others are ignored."""\n'
        f"{floats}{lines}    return {text}\n"
    )


def _in_functions_of_constants(expression: Expr, constants: Container[str]) -> set[str]:
    """The constants in what NumPy computes of nothing else, such as c in tanh(2*c)*pre."""
    found: set[str] = set()
    read: dict[Expr, set[str]] = {}
    for node in postorder(expression):
        read[node] = {node.name} if node.is_Symbol else set().union(*(read[a] for a in node.args))
        called = node.func in HEADS or (node.is_Pow and not node.exp.is_Integer)
        if called and all(name in constants for name in read[node]):
            found |= read[node]
    return found


def _docstring(rule: Rule, provenance: Mapping[str, str], names: Mapping[str, str]) -> str:
    parts = Parts(taken={*names, *names.values()})
    texts = TEXT.write_all(rule.equations, parts)
    equations = [f"    {name} = {e}" for name, e in {**parts.written, **texts}.items()]
    changes = [name for name in rule.equations if name.startswith("dw")]
    apply = [
        f"Apply it at every step: w += eta * {name}(...), eta being the learning rate."
        for name in changes
    ]
    if len(changes) > 1:
        apply = [
            "Apply it at every step, to the weights w of each projection:",
            "w += eta * dw_PROJECTION(...), eta being the learning rate.",
        ]
    if rule.slow:
        apply += [
            "Slow variables are read before they move: compute every change first, then add",
            "NAME += d_NAME(...).",
        ]
        apply += [f"{names[s.name]} is {_SCOPES[s.scope]}." for s in rule.slow]
    known = [f"{n}: {VOCABULARY[n].meaning}" for n in VOCABULARY if n in rule.reads]
    apply += (
        ["Arguments broadcast to (post, pre): pre is (1, pre), post is (post, 1)."] if known else []
    )
    renamed = [f"{new} is the rule's {old}." for old, new in names.items() if new != old]
    remarks = {"reference": rule.reference, "note": rule.note, **provenance}
    about = [f"{line(k)}: {line(v)}" for k, v in remarks.items() if v]
    blocks = [[line(rule.name) + "."], equations, [*apply, *renamed], known, about]
    return _escaped("\n\n".join("\n".join(block) for block in blocks if block)) + "\n"


def _escaped(words: str) -> str:
    """Text that cannot leave a docstring."""
    return words.replace("\\", "\\\\").replace('"', '\\"')


def _legal(names: list[str]) -> dict[str, str]:
    """Give every name one that Python and the module leave free."""
    legal: dict[str, str] = {}
    for name in names:
        new = name
        while keyword.iskeyword(new) or new in _TAKEN or new in {*names, *legal.values()} - {name}:
            new += "_"
        legal[name] = new
    return legal


TARGET = Target(
    name="python",
    suffix=".py",
    summary="a module of functions that needs only NumPy",
    render=render,
)
