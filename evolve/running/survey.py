"""A survey: score every rule of a list, look closely at the best, measure what is reported.

    score      all on training instances, at one or several rates                  `scoring.py`
    choose     the `keep` best and the best of every size on validation instances
    measure    the champion, the best of every size and known rules on test instances

The best of thousands on the training instances owes part of its score to luck (the winner's curse), so what is
reported is a test score.
"""

import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from evolve.config.run_config import RunConfig
from evolve.config.survey_config import SurveyConfig
from evolve.evaluation.arena import Arena
from evolve.evaluation.evaluator import Evaluator
from evolve.evaluation.fixed_projections import fixed_rules, full_rule
from evolve.ranking.compare import Row
from evolve.ranking.compare import row as summarised
from evolve.ranking.recognise import recognise
from evolve.running.finding import Finding
from evolve.running.interrupt import StopSignal
from evolve.running.log import Log
from evolve.running.loop import build_evaluator
from evolve.running.select_champion import baselines, draw_arena, without_unread
from evolve.running.survey_result import Surveyed, SurveyResult, is_close
from evolve.survey.rules import Rules
from evolve.survey.scoring import Scores, geometric, score_all
from rules_zoo import RULES
from substrate.compilation.graph import to_rule
from substrate.hardware import as_implemented, violations
from substrate.rule import Rule

#: Steps of the bar that shows progress.
STEPS = 100


def survey(
    config: RunConfig, how: SurveyConfig, rules: Rules, log: Log, stop: StopSignal
) -> SurveyResult:
    """Score every rule of a list on a task, and measure the best.

    Parameters
    ----------
    config
        The task, its instances and the seed; nothing of it that concerns searches.
    rules
        What is scored, see `forecast.listed`.
    log
        Told about every phase, and about the best rule as soon as it is known.
    stop
        May end the scoring early.
    """
    log.phase("drawing instances and compiling")
    train = draw_arena(config, "train")
    evaluator = build_evaluator(config, [train])
    evaluator.warm()
    rates = geometric(how.rates)
    many = "one learning rate" if how.rates == 1 else f"{how.rates} learning rates"
    log.phase(f"scoring {len(rules):,} rules at {many}", STEPS)
    began, told = time.perf_counter(), 0

    def progress(done: int, of: int) -> bool:
        nonlocal told
        while told < STEPS * done // of:
            told += 1
            log.step()
        late = how.seconds is not None and time.perf_counter() - began > how.seconds
        return stop.requested or late

    scores = score_all(rules.graph, rules.sizes, evaluator, rates, how.keep, how.margin, progress)
    spent = time.perf_counter() - began
    first = int(scores.best[0])
    log.improved(
        partial(Finding, _rule(config, rules, first, "champion"), float(scores.score[first]), 0)
    )
    log.phase("choosing on validation instances")
    of_size = [
        place
        for size in range(len(rules.counts))
        if (place := scores.best_of(np.flatnonzero(rules.sizes == size))) is not None
    ]
    places = list(dict.fromkeys([*scores.best.tolist(), *of_size]))
    looked_at = _validated(config, rules, scores, places, evaluator)
    close = sorted(
        (looked_at[p] for p in scores.best.tolist()), key=lambda s: (-s.validation, s.operations)
    )
    best_of_size = [looked_at[p] for p in of_size]
    near = [one for one in close if is_close(one, close[0])]
    champion = min(near, key=lambda s: (s.operations, -s.validation))
    log.phase("measuring the best of every size and known rules on test instances")
    return SurveyResult(
        config=config,
        survey=how,
        rules=rules,
        scores=scores,
        stopped=not scores.certain or scores.done < len(rules),
        seconds=spent,
        best_of_size=best_of_size,
        close=close,
        champion=champion,
        rows=_measured(config, [champion, *best_of_size], rates, train, evaluator),
    )


def _rule(config: RunConfig, rules: Rules, place: int, name: str) -> Rule:
    """The rule of a place as the chip holds it, with those of other projections beside it."""
    own = _evolved(config, rules, place, name)
    return as_implemented(config.profile, full_rule(own, fixed_rules(config.settings)))


def _evolved(config: RunConfig, rules: Rules, place: int, name: str) -> Rule:
    return without_unread(to_rule(rules.graph(place), name, config.slow))


def _validated(
    config: RunConfig, rules: Rules, scores: Scores, places: Sequence[int], evaluator: Evaluator
) -> dict[int, Surveyed]:
    """Rules on validation instances, each at its rate, by their place."""
    arena = draw_arena(config, "validation")
    graphs = [rules.graph(p) for p in places]
    (found,) = evaluator.score_graphs([graphs], [arena], [scores.rate[places].tolist()])
    return {
        place: Surveyed(
            place=place,
            rule=_rule(config, rules, place, f"rule {place}"),
            operations=int(rules.sizes[place]),
            rate=float(scores.rate[place]),
            training=float(scores.score[place]),
            validation=float(own.mean()),
            scores=own,
            known=recognise(_evolved(config, rules, place, "own"), RULES.values()),
        )
        for place, own in zip(places, found, strict=True)
    }


def _measured(
    config: RunConfig,
    surveyed: Sequence[Surveyed],
    rates: Sequence[float],
    train: Arena,
    evaluator: Evaluator,
) -> list[Row]:
    """Rules of the survey and known ones on test instances, best first; known ones at the best of the same rates."""
    test = draw_arena(config, "test")
    profile, named = config.profile, baselines(test, config.family.baselines)
    known = [as_implemented(profile, rule) for rule in named if not violations(profile, rule)]
    (tried,) = evaluator.measure([known], [train], {r.name: tuple(rates) for r in known})
    gains = {n: (rates[int(np.argmax(s.fitness))],) for n, s in tried.items()}
    own = {s.rule.name: s.rule for s in surveyed}
    gains |= {s.rule.name: (s.rate,) for s in surveyed}
    (measured,) = evaluator.measure([[*own.values(), *known]], [test], gains)
    rows = [summarised(name, s, gain=gains[name][0]) for name, s in measured.items()]
    return sorted(rows, key=lambda r: (-r.score, r.rule))
