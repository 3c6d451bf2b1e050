"""How many rules there are, and what they cost, before any of them is scored.

Formulas are listed size by size as long as the next size fits. What lies beyond is estimated: candidates are
counted exactly, and as large a share of them is taken to be new as at the last size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evolve.config.engine_choice import Choice, Workload, choose_engine, size
from evolve.config.forecast import in_time
from evolve.config.run_config import RunConfig
from evolve.config.survey_config import SurveyConfig
from evolve.evaluation.compiled import RULES_PER_PROGRAM
from evolve.survey.formulas import BYTES, Formulas
from evolve.survey.rules import Rules, rules
from substrate.errors import UserError
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
    """List the rules of a survey, if they can be held and scored.

    Raises
    ------
    UserError
        If listing them takes more memory than there is, or scoring them more than a day: with the count, the
        forecast, and what would fit.
    """
    grid = config.grid
    found = Formulas(grid.terminals, grid.primitives)
    while found.size < survey.size:
        if len(found) >= ENOUGH or found.size + 1 == survey.size:
            _require(config, survey, found)
        found.extend()
    all_rules = rules(found, grid.outputs, survey.up_to)
    count = len(all_rules)
    needed = _bytes(config, survey, len(found), count)
    return all_rules, Forecast(count, _seconds(config, survey, count), int(needed))


def _expected(found: Formulas, size: int) -> list[int]:
    """How many formulas there are of every size, up to one that is not listed yet.

    Of the candidates of the next size as large a share is new as of the last; from there on the counts grow as they
    did from the last size to that one.
    """
    counts, last = list(found.counts), found.size
    share = counts[last] / max(1, found.candidates(last)) if last else 1.0
    if size > last:
        counts.append(round(share * found.candidates(last + 1)))
    while len(counts) <= size:
        counts.append(round(counts[-1] * counts[-1] / max(1, counts[-2])))
    return counts


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


def _seconds(config: RunConfig, survey: SurveyConfig, count: int) -> float:
    """Of scoring so many rules at all rates."""
    own, choice = choose(config, survey, count)
    making = count * RULE * (1 + survey.rates)
    if own.engine == "compiled":
        return making + choice.compiled
    races = survey.rates > 1 and all(s.bounded for s in config.settings)
    return making + choice.interpreter * (RACED if races else LEARNED)


def _bytes(config: RunConfig, survey: SurveyConfig, formulas: int, count: int) -> float:
    equations = 1 + len(config.genes.slow)
    each = RULE_BYTES + EQUATION_BYTES * equations
    return formulas * BYTES + count * (each + RATE_BYTES * survey.rates * (survey.rates > 1))


def _require(config: RunConfig, survey: SurveyConfig, found: Formulas) -> None:
    """Refuse a size that cannot be listed and scored."""
    counts = _expected(found, survey.size)
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
        f"{', '.join(map(str, range(found.size + 1)))} operations: {known}. What would fit: --size {fits}, fewer "
        f"terminals, functions or rates{limit}."
    )


def _problem(config: RunConfig, survey: SurveyConfig, counts: Sequence[int]) -> str | None:
    """Why rules of so many formulas by size cannot be surveyed, in words; None if they can."""
    count = _rules(counts, 1 + len(config.genes.slow))
    needed = int(min(_bytes(config, survey, sum(counts), count), 2**62))
    seconds = _seconds(config, survey, count) + sum(counts) * FORMULA
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
