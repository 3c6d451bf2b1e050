"""Hebbarium in Python: write rules, search for them, rank them, take them away.

>>> from evolve import RULES, Rule, export, names
>>> pre, post, w = names("pre post w")
>>> mine = Rule("mine", 3 * post * (pre - post * w))
>>> mine.reads == RULES["oja"].reads
True
>>> print(export(mine).splitlines()[-1].strip())
return 3*post*(pre - post*w)

Rules: `Rule`, `Slow`, `names`, `PRE`, `POST`, `W`, `VOCABULARY`, `RULES`, `find_rule`, `numpy_functions`. What the
commands do: `run` (a `RunConfig` in, a `Run` out), `rank`, `export` (to one of `TARGETS`), `load_run` (gives a
`StoredRun`). Own scores: `Search` (of a `SearchConfig`), which gives `Proposal`s and a `SearchResult`. Networks and
tasks: `Network`, `simulate` (of an `Episode`, with a `Reading`, to a `Trace`), `lower`; `Family`, `Setting`,
`Options`, `Draw`, `Instance`, `Outcome`; `FAMILIES`, `PROFILES`; `load_parts` takes in those of your own files. What
a person got wrong is a `UserError`.

A name is imported when it is first used. JAX is imported by what needs it: networks, tasks, and the checks of a
`RunConfig`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evolve.siblings import keep_together

keep_together()

if TYPE_CHECKING:
    from evolve.api.export import export, find_rule
    from evolve.api.load_run import StoredRun, load_run
    from evolve.api.rank import rank
    from evolve.api.run import Run, run
    from evolve.api.search import Search, SearchResult
    from evolve.config.own_parts import load_parts
    from evolve.config.run_config import RunConfig
    from evolve.config.search_config import SearchConfig
    from evolve.exports import TARGETS
    from evolve.running.ask_tell import Proposal
    from rules_zoo import RULES
    from substrate.compilation.lowering import lower
    from substrate.compilation.numpy_functions import numpy_functions
    from substrate.errors import UserError
    from substrate.hardware import PROFILES
    from substrate.networks.base import Network
    from substrate.rule import Rule, Slow
    from substrate.simulate import Episode, Reading, Trace, simulate
    from substrate.vocabulary import POST, PRE, VOCABULARY, W, names
    from tasks import FAMILIES
    from tasks.base import Draw, Family, Instance, Options, Outcome, Setting

#: Where every public name is defined.
_MODULES = {
    "evolve.api.export": ("export", "find_rule"),
    "evolve.api.load_run": ("StoredRun", "load_run"),
    "evolve.api.rank": ("rank",),
    "evolve.api.run": ("Run", "run"),
    "evolve.api.search": ("Search", "SearchResult"),
    "evolve.config.own_parts": ("load_parts",),
    "evolve.config.run_config": ("RunConfig",),
    "evolve.config.search_config": ("SearchConfig",),
    "evolve.exports": ("TARGETS",),
    "evolve.running.ask_tell": ("Proposal",),
    "rules_zoo": ("RULES",),
    "substrate.compilation.lowering": ("lower",),
    "substrate.compilation.numpy_functions": ("numpy_functions",),
    "substrate.errors": ("UserError",),
    "substrate.hardware": ("PROFILES",),
    "substrate.networks.base": ("Network",),
    "substrate.rule": ("Rule", "Slow"),
    "substrate.simulate": ("Episode", "Reading", "Trace", "simulate"),
    "substrate.vocabulary": ("POST", "PRE", "VOCABULARY", "W", "names"),
    "tasks": ("FAMILIES",),
    "tasks.base": ("Draw", "Family", "Instance", "Options", "Outcome", "Setting"),
}
_HOME = {name: module for module, own in _MODULES.items() for name in own}

__all__ = [
    "FAMILIES",
    "POST",
    "PRE",
    "PROFILES",
    "RULES",
    "TARGETS",
    "VOCABULARY",
    "Draw",
    "Episode",
    "Family",
    "Instance",
    "Network",
    "Options",
    "Outcome",
    "Proposal",
    "Reading",
    "Rule",
    "Run",
    "RunConfig",
    "Search",
    "SearchConfig",
    "SearchResult",
    "Setting",
    "Slow",
    "StoredRun",
    "Trace",
    "UserError",
    "W",
    "export",
    "find_rule",
    "load_parts",
    "load_run",
    "lower",
    "names",
    "numpy_functions",
    "rank",
    "run",
    "simulate",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
