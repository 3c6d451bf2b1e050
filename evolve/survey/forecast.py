"""How many rules there are, and what they cost, before any of them is scored.

Formulas are listed size by size as long as the next size fits. What lies beyond is estimated: candidates are
counted exactly, and as large a share of them is taken to be new as at the last size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from evolve.config.engine_choice import Choice, Workload, choose_engine, size
from evolve.config.forecast import in_time
from evolve.config.run_config import RunConfig
from evolve.config.survey_config import SurveyConfig
from evolve.evaluation.compiled import RULES_PER_PROGRAM
from evolve.survey.formulas import BYTES, Formulas
from evolve.survey.rules import Rules, rules
from substrate.errors import UserError
from substrate.hardware import graph_violations
from substrate.memory import in_words, tightest

#: Seconds that a survey may be expected to take where no limit is given.
DAY = 86_400.0
#: Formulas that are listed before the counts of larger sizes are extrapolated from theirs.
ENOUGH = 20_000
#: Seconds to make the graph of a rule and schedule it, and to list a formula.
RULE, FORMULA = 3e-5, 5e-6
#: Share of the updates of all instances that rules make in the interpreter: most diverge at once. The same where
#: several rates are tried, in a race. Measured on `pca` with sizes 4 and 5.
LEARNED, RACED = 0.1, 0.03
#: How much longer the interpreter takes where these are among the functions: every instruction computes all of them.
DEAR = {"div": 3.0, "tanh": 6.0}
#: Bytes of a rule besides those of its formulas: size, score, rate and two marks; and for each of its equations.
RULE_BYTES, EQUATION_BYTES = 32, 8
#: Of a rule at a rate, while several are tried.
RATE_BYTES = 16


@dataclass(frozen=True)
class Forecast:
    """What a survey is expected to take."""

    rules: int
    seconds: float  # to score them
    bytes: int  # of memory


def listed(config: RunConfig, survey: SurveyConfig) -> tuple[Rules, Forecast]:
    """List the rules of a survey, if they can be held and scored; on a chip those that it can run.

    Raises
    ------
    UserError
        If listing them takes more memory than there is, or scoring them more than a day: with the count, the
        forecast, and what would fit. If the rules have several equations for the weights.
    """
    grid = config.grid
    if len(config.genes.equations) > 1:
        raise UserError(
            f"A survey lists rules with one equation for the weights, and rules for {config.task!r} have "
            f"{', '.join(config.genes.equations)}. Give one of them as genes.equations."
        )
    found = Formulas(grid.terminals, grid.primitives)
    while found.size < survey.size:
        if len(found) >= ENOUGH or found.size + 1 == survey.size:
            _require(config, survey, found)
        found.extend()
    all_rules = rules(found, grid.outputs, survey.up_to)
    if not config.profile.ideal:  # a rule that the chip cannot run is none
        graphs = map(all_rules.graph, range(len(all_rules)))
        runs = [not graph_violations(config.profile, graph) for graph in graphs]
        all_rules = all_rules.only(np.array(runs))
    count = len(all_rules)
    needed = _bytes(config, survey, len(found), count)
    return all_rules, Forecast(count, seconds_of(config, survey, count), int(needed))


def _rules(counts: Sequence[int], equations: int) -> int:
    """Rules of so many equations whose operations are together at most those of the longest formula."""
    total = np.ones(1)
    for _ in range(equations):
        total = np.convolve(total, counts)[: len(counts)]
    return int(total.sum())


def choose(config: RunConfig, survey: SurveyConfig, count: int) -> tuple[RunConfig, Choice]:
    """Put the engine that suits so many rules in the place of `auto`."""
    programs = -(-count // RULES_PER_PROGRAM)
    updates, arrays = size(config, config.instances.train)
    work = Workload(count, programs, count * survey.rates, updates, arrays)
    choice = choose_engine(work, config.engine)
    return config.model_copy(update={"engine": choice.engine}), choice


def seconds_of(
    config: RunConfig, survey: SurveyConfig, count: int, functions: Sequence[str] | None = None
) -> float:
    """Of scoring so many rules at all rates; they use the search's functions, or these."""
    names = config.genes.primitives if functions is None else functions
    dear = prod(DEAR.get(name, 1.0) for name in names)
    own, choice = choose(config, survey, count)
    making = count * RULE * (1 + survey.rates)
    if own.engine == "compiled":
        return making + choice.compiled
    races = survey.rates > 1 and all(s.bounded for s in config.settings)
    return making + dear * choice.interpreter * (RACED if races else LEARNED)


def _bytes(config: RunConfig, survey: SurveyConfig, formulas: int, count: int) -> float:
    equations = 1 + len(config.genes.slow)
    each = RULE_BYTES + EQUATION_BYTES * equations
    return formulas * BYTES + count * (each + RATE_BYTES * survey.rates * (survey.rates > 1))


def _require(config: RunConfig, survey: SurveyConfig, found: Formulas) -> None:
    """Refuse a size that cannot be listed and scored."""
    counts = found.expected(survey.size)
    problem = _problem(config, survey, counts)
    if problem is None:
        return
    fits = max(
        (
            size
            for size in range(found.size, survey.size)
            if _problem(config, survey, counts[: size + 1]) is None
        ),
        default=max(0, found.size - 1),
    )
    known = ", ".join(f"{n:,}" for n in found.counts)
    limit = "" if survey.seconds else " or a limit of time with --seconds"
    raise UserError(
        f"The survey of {config.task!r} up to size {survey.size} is too large. {problem}. Distinct formulas of "
        f"{', '.join(map(str, range(found.size + 1)))} operations: {known}. What would fit: size {fits}, fewer "
        f"terminals, functions or rates{limit}."
    )


def _problem(config: RunConfig, survey: SurveyConfig, counts: Sequence[int]) -> str | None:
    """Why rules of so many formulas by size cannot be surveyed, in words; None if they can."""
    count = _rules(counts, 1 + len(config.genes.slow))
    needed = int(min(_bytes(config, survey, sum(counts), count), 2**62))
    seconds = seconds_of(config, survey, count) + sum(counts) * FORMULA
    short = tightest(needed, needed)
    many = f"{count:,}" if count < 10**12 else f"{count:.1e}"
    about = f"There are some {many} rules. To score them takes some {in_time(seconds)}"
    if short is not None:
        return (
            f"{about} and {in_words(needed)} of memory, and {in_words(short[0].bytes)} can be had"
        )
    if seconds > DAY and survey.seconds is None:
        return f"{about}, and what takes more than a day is only begun with a limit of time"
    return None
