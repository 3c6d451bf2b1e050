"""Rules side by side on the same instances: mean, interval, and the paired difference to the best known rule."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import joblib
import numpy as np
from scipy import stats

from evolve import compiled
from evolve.company import alone, company
from evolve.evaluate import Arena, Scores
from evolve.interpreter import Codes, Interpreter
from substrate.graph import from_rule
from substrate.network import refuse
from substrate.program import TooLong
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
    mean, error = float(values.mean()), float(values.std(ddof=1)) / np.sqrt(values.size)
    half = float(stats.t.ppf(0.975, values.size - 1)) * float(error)
    return mean - half, mean + half


def difference(a: Row, b: Row) -> Difference:
    """How much better `a` is than `b`, instance by instance."""
    delta = (a.scores - b.scores).ravel()
    low, high = interval(delta)
    p = float(stats.wilcoxon(delta).pvalue) if np.any(delta) else 1.0
    return Difference(float(delta.mean()), low, high, p)


def codes(rules: Sequence[Rule], interpreter: Interpreter) -> dict[str, Codes]:
    """Schedule the rules that an interpreter covers; the others are left out."""
    covered: dict[str, Codes] = {}
    other = company(interpreter.arenas[0].settings)
    for own in rules:
        rule = alone(own, other)
        if rule is None:
            continue
        graph = from_rule(rule)
        known = interpreter.functions.issuperset(node.function for node in graph.nodes)
        fits = not rule.slow and rule.reads <= interpreter.terminals
        if known and fits and set(graph.outputs) == set(interpreter.outputs):
            with suppress(TooLong):
                covered[rule.name] = interpreter.schedule(graph)
    return covered


def measure(
    rules: Sequence[Rule],
    gains: Mapping[str, Sequence[float]],
    arena: Arena,
    interpreter: Interpreter,
) -> dict[str, Scores]:
    """Score every rule at its own list of gains, which are the individuals of its scores.

    Rules that the interpreter covers run in it together, the others are compiled one by one.

    Raises
    ------
    UserError
        If a rule reads what the task's network does not show.
    """
    for rule in rules:
        refuse(rule, arena.shows)
    covered = codes(rules, interpreter)
    measured: dict[str, Scores] = {}
    population = [covered[name] for name in covered for _ in gains[name]]
    if population:
        factors = [g for name in covered for g in gains[name]]
        scores = interpreter.score(population, factors, full=True, arena=arena)
        at = 0
        for name in covered:
            own = slice(at, at := at + len(gains[name]))
            metrics = {k: m[own] for k, m in scores.metrics.items()}
            measured[name] = Scores(scores.score[own], scores.quality[own], metrics)
    bounds, others = interpreter.bounds(arena), [r for r in rules if r.name not in covered]
    # Threads: nearly all of the time goes to XLA's compiler, which lets go of the interpreter lock.
    scored = joblib.Parallel(n_jobs=-1, prefer="threads")(
        joblib.delayed(compiled.measure)(rule, arena, bounds, gains[rule.name]) for rule in others
    )
    return measured | {rule.name: scores for rule, scores in zip(others, scored, strict=True)}


def tuned(rules: Sequence[Rule], training: Arena, interpreter: Interpreter) -> dict[str, float]:
    """The factor on the learning rate with which each rule trains best; all get the same number of trials."""
    best = dict.fromkeys((rule.name for rule in rules), 1.0)
    for factors in (COARSE, FINE):
        gains = {name: [b * f for f in factors] for name, b in best.items()}
        tried = measure(rules, gains, training, interpreter)
        best = {n: gains[n][int(np.argmax(s.fitness))] for n, s in tried.items()}
    return best


def rank(
    rules: Sequence[Rule], arena: Arena, interpreter: Interpreter, training: Arena | None = None
) -> list[Row]:
    """Measure rules on the same instances, best first.

    Parameters
    ----------
    training
        If given, every rule runs at the learning rate that suits it best on these instances, rather than at the
        task's.
    """
    gains = tuned(rules, training, interpreter) if training else {r.name: 1.0 for r in rules}
    measured = measure(rules, {name: (g,) for name, g in gains.items()}, arena, interpreter)
    rows = [row(name, scores, gain=gains[name]) for name, scores in measured.items()]
    return sorted(rows, key=lambda r: (-r.score, r.rule))
