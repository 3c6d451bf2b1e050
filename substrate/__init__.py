"""What runs: vocabulary, rules, compilation, networks. Knows nothing of tasks or evolution.

A name is imported when it is first used (PEP 562), since rules need SymPy, which takes a second.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from substrate.errors import UserError as UserError
    from substrate.rule import Rule as Rule
    from substrate.rule import Slow as Slow
    from substrate.vocabulary import POST as POST
    from substrate.vocabulary import PRE as PRE
    from substrate.vocabulary import VOCABULARY as VOCABULARY
    from substrate.vocabulary import Locality as Locality
    from substrate.vocabulary import W as W
    from substrate.vocabulary import names as names

#: Where every name is defined.
_HOME = {
    "UserError": "substrate.errors",
    **dict.fromkeys(("Rule", "Slow"), "substrate.rule"),
    **dict.fromkeys(
        ("POST", "PRE", "VOCABULARY", "Locality", "W", "names"), "substrate.vocabulary"
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
