"""Better constants for the best few rules of a search: extract, tune, round, and write the numbers back."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import jax

from evolve.evaluation.arena import Arena, Bounds
from evolve.tuning.optimise import Method, tune
from evolve.tuning.parametrise import extract_constants, substituted
from evolve.tuning.round_constants import TOLERANCE, round_constants
from substrate.rule import Rule

#: A rule with more constants than this gets no further coefficients: each adds to what a slope costs.
MANY = 12


@dataclass(frozen=True)
class Refined:
    """A rule before and after."""

    original: Rule
    tuned: Rule  # numbers written into the equations; no named constants
    rule: Rule  # the same with simple numbers
    before: float  # training fitness of `original`
    peak: float  # of `tuned`
    score: float  # of `rule`
    evaluations: int  # rules simulated; a slope counts as one per constant
    method: str  # what found the constants: none, sampling, gradient, evolution


def tune_constants(
    rules: Sequence[Rule],
    arena: Arena,
    bounds: Bounds,
    budget: int = 2000,
    *,
    gains: bool = True,
    method: Method = "auto",
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> list[Refined]:
    """Tune the constants of rules on training instances, in the order given.

    The result of a rule depends on the rule and the seed, not on what is tuned beside it or on the number of cores.

    Parameters
    ----------
    arena, bounds
        Training instances, and what 0 and 1 mean on them.
    budget
        Rules to simulate for each rule; see `tune`. Rounding comes on top: some tens a constant.
    gains
        Whether terms without a coefficient get one, see `extract_constants`.
    tolerance
        Score that simple values may cost, see `evolve.tuning.round_constants.round_constants`.

    Raises
    ------
    UserError
        If a rule reads what the task's network does not show.
    """

    def one(rule: Rule, device: jax.Device) -> Refined:
        lifted = extract_constants(rule, gains)
        if len(lifted.constants) > MANY:
            lifted = extract_constants(rule)
        with jax.default_device(device):
            tuned = tune(lifted, arena, bounds, budget, method=method, seed=seed)
            rounded = round_constants(tuned, tolerance)
        return Refined(
            original=rule,
            tuned=substituted(tuned.rule),
            rule=rounded.written,
            before=tuned.before,
            peak=tuned.score,
            score=rounded.score,
            evaluations=tuned.evaluations + rounded.evaluations,
            method=tuned.method,
        )

    import joblib  # late: most runs never come here

    # Threads: compiling lets go of the interpreter lock, and so does the simulation.
    return list(
        joblib.Parallel(n_jobs=-1, prefer="threads")(
            joblib.delayed(one)(r, d) for r, d in zip(rules, cycle(jax.devices()), strict=False)
        )
    )
