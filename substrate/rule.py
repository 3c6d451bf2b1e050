"""A rule: a few equations over what one synapse can observe, with named constants and slow variables."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import sympy

from substrate.errors import UserError
from substrate.traversal import symbols_of
from substrate.vocabulary import SCOPES, VOCABULARY, Locality

#: The projection that `dw` means where a network has only one: the weights that carry the input forward.
FORWARD = "forward"
#: The last of them in a layered network; follows the rule of `FORWARD` where a rule does not name it.
READOUT = "readout"
#: Weights that carry errors back, and weights among the neurons of one layer.
FEEDBACK, LATERAL = "feedback", "lateral"
#: In networks of spiking neurons: the same weights, changed at presynaptic and at postsynaptic spikes. There the
#: equation of `FORWARD` acts at every step.
ON_PRE, ON_POST = "on_pre", "on_post"

#: Where a slow variable of each scope is kept.
KEPT = {
    "synapse": Locality.SYNAPSE,
    "pre": Locality.NEURON,
    "post": Locality.NEURON,
    "global": Locality.BROADCAST,
}


@dataclass(frozen=True)
class Slow:
    """A further state variable: it moves by `rate` at every step, read before it moves.

    `scope` says whose it is: each synapse's, each input line's, each neuron's, or the network's.

    >>> from evolve import POST, Rule, Slow, names
    >>> theta, pre = names("theta pre")
    >>> sliding = Slow("theta", (POST**2 - theta) / 100, scope="post", initial=1.0)
    >>> list(Rule("bcm", pre * POST * (POST - theta), slow=(sliding,)).equations)
    ['dw', 'd_theta']
    """

    name: str
    rate: sympy.Expr
    scope: str = "synapse"
    initial: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", sympy.sympify(self.rate, strict=True))
        if self.scope not in SCOPES:
            raise UserError(
                f"Slow variable {self.name!r} has scope {self.scope!r}. Allowed: {', '.join(SCOPES)}."
            )


@dataclass(frozen=True)
class Rule:
    """How a synapse changes: `w += eta * dw` at every step, `eta` being the network's learning rate.

    Parameters
    ----------
    name
        What people call it; a zoo rule has the name of its file.
    dw
        The change of one weight at unit rate: one expression for the projection `forward`, or a mapping from
        projection to expression where a network has several plastic projections.
    constants
        Named numbers with their defaults. They are traced: a new value never recompiles.
    slow
        Further state variables, each with its own rate equation.
    reference
        The publication it comes from.
    note
        What a user must know before quoting it: where it holds, what is unverified.
    summary
        What it does, in so few words that a list shows it on one line beside its name.

    Raises
    ------
    UserError
        If an expression reads a name that is no observable, constant or slow variable.

    >>> from evolve import Rule, names
    >>> pre, post, w, alpha = names("pre post w alpha")
    >>> oja = Rule("oja", post * (pre - alpha * post * w), constants={"alpha": 1.0})
    >>> sorted(oja.reads), oja.locality.name
    (['post', 'pre', 'w'], 'SYNAPSE')
    >>> oja.with_constants(alpha=2.0).constants["alpha"]
    2.0
    """

    name: str
    dw: sympy.Expr | float | Mapping[str, sympy.Expr]
    constants: Mapping[str, float] = field(default_factory=dict)
    slow: tuple[Slow, ...] = ()
    reference: str = ""
    note: str = ""
    summary: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        constants = {name: float(value) for name, value in self.constants.items()}
        object.__setattr__(self, "constants", MappingProxyType(constants))
        object.__setattr__(self, "slow", tuple(self.slow))
        if isinstance(self.dw, Mapping) and tuple(self.dw) == (FORWARD,):
            object.__setattr__(self, "dw", self.dw[FORWARD])  # one rule, one form
        self._check()

    @property
    def changes(self) -> dict[str, sympy.Expr]:
        """The expression of each plastic projection."""
        projections = self.dw if isinstance(self.dw, Mapping) else {FORWARD: self.dw}
        return {p: sympy.sympify(e, strict=True) for p, e in projections.items()}

    def __hash__(self) -> int:
        return hash((self.name, *self.equations.values(), *self.constants.values()))

    def _check(self) -> None:
        own = [*self.constants, *(s.name for s in self.slow)]
        counts = Counter(own)
        for taken in (n for n in own if counts[n] > 1 or n in VOCABULARY):
            raise UserError(
                f"Rule {self.name!r} defines {taken!r} twice, or over an observable. Rename it."
            )
        allowed = {*own, *VOCABULARY}
        for what, expression in self.equations.items():
            strange = sorted(str(s) for s in symbols_of(expression) if str(s) not in allowed)
            if strange:
                raise UserError(
                    f"Rule {self.name!r}: {what} = {expression} uses {', '.join(strange)}, but a "
                    f"synapse observes only {', '.join(VOCABULARY)}. Declare it in `constants` with "
                    "a default, or in `slow` with a rate."
                )
        scopes = {
            **{o.name: o.scope for o in VOCABULARY.values()},
            **{s.name: s.scope for s in self.slow},
        }
        for slow in self.slow:
            wide = [
                str(s)
                for s in symbols_of(slow.rate)
                if not _fits(scopes.get(str(s), "global"), slow.scope)
            ]
            if wide:
                raise UserError(
                    f"Rule {self.name!r}: the slow variable {slow.name!r} belongs to `{slow.scope}` "
                    f"but its rate reads {', '.join(sorted(wide))}, which differs between synapses "
                    f"of one {slow.scope}. Widen its scope."
                )

    @property
    def equations(self) -> dict[str, sympy.Expr]:
        """Every expression of the rule by name: `dw` (or `dw_PROJECTION`), then `d_NAME` per slow variable."""
        changes = self.changes
        single = tuple(changes) == (FORWARD,)
        named = {"dw" if single else f"dw_{p}": e for p, e in changes.items()}
        return {**named, **{f"d_{s.name}": s.rate for s in self.slow}}

    @property
    def reads(self) -> frozenset[str]:
        """Names of the observables that the rule needs."""
        symbols = {str(s) for e in self.equations.values() for s in symbols_of(e)}
        return frozenset(symbols & VOCABULARY.keys())

    @property
    def reads_by_projection(self) -> dict[str, frozenset[str]]:
        """Names of the observables that each projection needs; slow variables belong to all that a rule changes."""
        kept = {str(s) for slow in self.slow for s in symbols_of(slow.rate)}
        return {
            projection: frozenset(({str(s) for s in symbols_of(e)} | kept) & VOCABULARY.keys())
            for projection, e in self.changes.items()
        }

    @property
    def locality(self) -> Locality:
        """How far the farthest signal it reads, or keeps as a slow variable, must travel."""
        read = [VOCABULARY[name].locality for name in self.reads]
        kept = [KEPT[slow.scope] for slow in self.slow]
        return max(read + kept, default=Locality.SYNAPSE)

    def with_constants(self, **values: float) -> "Rule":
        """Return the same structure with other values of some constants."""
        strange = sorted(values.keys() - self.constants.keys())
        if strange:
            known = ", ".join(self.constants) or "none"
            raise UserError(
                f"Rule {self.name!r} has no constant {', '.join(strange)}. It has: {known}."
            )
        return replace(self, constants={**self.constants, **values})

    def renamed(self, name: str) -> "Rule":
        """Return the same rule under another name."""
        return replace(self, name=name)


def _fits(inner: str, outer: str) -> bool:
    """Whether a variable of scope `inner` has one value for everything that shares one `outer`."""
    return outer == "synapse" or inner == "global" or inner == outer
