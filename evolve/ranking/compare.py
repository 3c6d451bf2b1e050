"""Rules side by side on the same instances: mean, interval, and the paired difference to the best known rule."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from evolve.evaluation import compiled
from evolve.evaluation.arena import Arena, Bounds, Scores
from evolve.evaluation.evaluator import Evaluator, Interpreted
from evolve.evaluation.fixed_projections import evolving_part, fixed_rules
from evolve.evaluation.layout import ScheduledRule
from substrate.compilation.graph import from_rule
from substrate.compilation.interpreter import DoesNotFit
from substrate.networks.base import require_compatible
from substrate.rule import Rule

#: Factors on the learning rate that are tried when every rule gets the rate that suits it, first these and then
#: these times the best of them.
COARSE = tuple(float(g) for g in 2.0 ** np.linspace(-5, 5, 21))
FINE = tuple(float(g) for g in 2.0 ** np.linspace(-0.45, 0.45, 19))


@dataclass(frozen=True)
class Row:
    """One rule's results; `low` and `high` bound the 95 % confidence interval of the mean score."""

    rule: str
    score: float
    low: float
    high: float
    n: int
    diverged: int
    gain: float  # factor on the task's learning rate
    metrics: Mapping[str, float]
    scores: np.ndarray  # (setting, instance)


@dataclass(frozen=True)
class Difference:
    """Paired difference of two rules on the same instances."""

    mean: float
    low: float
    high: float
    p: float  # Wilcoxon signed-rank test, two-sided


def row(name: str, scores: Scores, individual: int = 0, gain: float = 1.0) -> Row:
    """Summarise one individual; an instance on which the weights diverged counts as the worst score."""
    score = scores.score[individual]
    low, high = interval(score.ravel())
    diverged = int(np.isnan(scores.quality[individual]).sum())
    metrics = {k: _median(m[individual]) for k, m in scores.metrics.items()}
    return Row(name, float(score.mean()), low, high, score.size, diverged, gain, metrics, score)


def _median(values: np.ndarray) -> float:
    """Median over the instances that survived; infinite if most never got there."""
    alive = values[~np.isnan(values)]
    return float(np.median(alive)) if alive.size else float("nan")


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % confidence interval of the mean (Student's t)."""
    from scipy import stats  # late: it takes as long to import as JAX

    mean, error = float(values.mean()), float(values.std(ddof=1)) / np.sqrt(values.size)
    half = float(stats.t.ppf(0.975, values.size - 1)) * float(error)
    return mean - half, mean + half


def difference(a: Row, b: Row) -> Difference:
    """How much better `a` is than `b`, instance by instance."""
    from scipy import stats

    delta = (a.scores - b.scores).ravel()
    low, high = interval(delta)
    p = float(stats.wilcoxon(delta).pvalue) if np.any(delta) else 1.0
    return Difference(float(delta.mean()), low, high, p)


def codes(rules: Sequence[Rule], interpreter: Interpreted) -> dict[str, ScheduledRule]:
    """Schedule the rules that an interpreter covers; the others are left out."""
    covered: dict[str, ScheduledRule] = {}
    other = fixed_rules(interpreter.arenas[0].settings)
    for own in rules:
        rule = evolving_part(own, other)
        if rule is None:
            continue
        graph = from_rule(rule)
        known = interpreter.functions.issuperset(node.function for node in graph.nodes)
        fits = not rule.slow and rule.reads <= interpreter.terminals
        if known and fits and set(graph.outputs) == set(interpreter.outputs):
            with suppress(DoesNotFit):
                covered[rule.name] = interpreter.schedule(graph)
    return covered


def measure(
    rules: Sequence[Rule],
    gains: Mapping[str, Sequence[float]] | None,
    arena: Arena,
    evaluator: Evaluator,
) -> dict[str, Scores]:
    """Score every rule at its own list of gains, by default 1, which are the individuals of its scores.

    Raises
    ------
    UserError
        If a rule reads what the task's network does not show.
    """
    return measure_all([rules], gains, [arena], evaluator)[0]


def measure_all(
    rules: Sequence[Sequence[Rule]],
    gains: Mapping[str, Sequence[float]] | None,
    arenas: Sequence[Arena],
    evaluator: Evaluator,
) -> list[dict[str, Scores]]:
    """Score lists of rules, each on the arena in its place.

    Rules that an interpreter covers run in it together, the others are compiled, those with the same gains in one
    program that serves all arenas.

    Raises
    ------
    UserError
        If a rule reads what the task's network does not show.
    """

    def at(rule: Rule) -> tuple[float, ...]:
        return (1.0,) if gains is None else tuple(gains[rule.name])

    for some, arena in zip(rules, arenas, strict=True):
        for rule in some:
            require_compatible(rule, arena.observables)
    bounds = evaluator.bounds_of(arenas)
    measured: list[dict[str, Scores]] = [{} for _ in arenas]
    if isinstance(evaluator, Interpreted):
        covered = [codes(some, evaluator) for some in rules]
        lists = [
            [r for r in some if r.name in own] for some, own in zip(rules, covered, strict=True)
        ]
        raw = evaluator.each(
            [
                [own[r.name] for r in x for _ in at(r)]
                for x, own in zip(lists, covered, strict=True)
            ],
            arenas,
            [[g for r in x for g in at(r)] for x in lists],
            full=True,
        )
        for place, (quality, _, metrics) in enumerate(raw):
            first = 0
            for rule in lists[place]:
                own = slice(first, first := first + len(at(rule)))
                part = (quality[own], {k: m[own] for k, m in metrics.items()})
                measured[place][rule.name] = _scores(bounds[place], *part)
    for place, (some, arena) in enumerate(zip(rules, arenas, strict=True)):
        others: dict[tuple[float, ...], list[Rule]] = {}
        for rule in some:
            if rule.name not in measured[place]:
                others.setdefault(at(rule), []).append(rule)
        for factors, bundle in others.items():
            found = compiled.instances(bundle, arena, factors)
            for rule, (quality, _, metrics) in zip(bundle, found, strict=True):
                measured[place][rule.name] = _scores(bounds[place], quality, metrics)
    return measured


def _scores(bounds: Bounds, quality: np.ndarray, metrics: dict[str, np.ndarray]) -> Scores:
    return Scores(bounds.normalise(quality), quality, metrics)


def tuned(rules: Sequence[Rule], training: Arena, evaluator: Evaluator) -> dict[str, float]:
    """The factor on the learning rate with which each rule trains best; all get the same number of trials."""
    best = dict.fromkeys((rule.name for rule in rules), 1.0)
    for factors in (COARSE, FINE):
        gains = {name: [b * f for f in factors] for name, b in best.items()}
        tried = measure(rules, gains, training, evaluator)
        best = {n: gains[n][int(np.argmax(s.fitness))] for n, s in tried.items()}
    return best


def rank_rules(
    rules: Sequence[Rule], arena: Arena, evaluator: Evaluator, training: Arena | None = None
) -> list[Row]:
    """Measure rules on the same instances, best first.

    Parameters
    ----------
    training
        If given, every rule runs at the learning rate that suits it best on these instances, rather than at the
        task's.
    """
    gains = tuned(rules, training, evaluator) if training else {r.name: 1.0 for r in rules}
    measured = measure(rules, {name: (g,) for name, g in gains.items()}, arena, evaluator)
    return _ordered(measured, gains)


def rank_all_rules(
    rules: Sequence[Sequence[Rule]], arenas: Sequence[Arena], evaluator: Evaluator
) -> list[list[Row]]:
    """Measure lists of rules at the task's rate, each on the arena in its place; each best first."""
    return [_ordered(measured, {}) for measured in measure_all(rules, None, arenas, evaluator)]


def _ordered(measured: Mapping[str, Scores], gains: Mapping[str, float]) -> list[Row]:
    rows = [row(name, scores, gain=gains.get(name, 1.0)) for name, scores in measured.items()]
    return sorted(rows, key=lambda r: (-r.score, r.rule))
