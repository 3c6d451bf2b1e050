"""Rules side by side on the same instances: mean, interval, and the paired difference to the best known rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evolve.evaluation.arena import Arena, Scores
from evolve.evaluation.evaluator import Evaluator
from substrate.rule import Rule

#: Factors on the learning rate that are tried when every rule gets the rate that suits it, first these and then
#: these times the best of them.
COARSE = tuple(float(g) for g in 2.0 ** np.linspace(-5, 5, 21))
FINE = tuple(float(g) for g in 2.0 ** np.linspace(-0.45, 0.45, 19))

#: No p-value below this is printed: the assumptions of a test do not hold so far out.
SMALLEST_P = 1e-16


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
    # In float64: SciPy computes in the type of the scores, and in float32 small p-values become 0.
    exact = (a.scores.astype(float) - b.scores.astype(float)).ravel()
    p = float(stats.wilcoxon(exact).pvalue) if np.any(exact) else 1.0
    return Difference(float(delta.mean()), low, high, p)


def p_value_text(p: float) -> str:
    """A p-value for people: two digits, and `< 1e-16` below what is meaningful."""
    return f"{p:.2g}" if p >= SMALLEST_P else f"< {SMALLEST_P:.0e}"


def tuned(rules: Sequence[Rule], training: Arena, evaluator: Evaluator) -> dict[str, float]:
    """The factor on the learning rate with which each rule trains best; all get the same number of trials."""
    best = dict.fromkeys((rule.name for rule in rules), 1.0)
    for factors in (COARSE, FINE):
        gains = {name: [b * f for f in factors] for name, b in best.items()}
        (tried,) = evaluator.measure([rules], [training], gains)
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
    (measured,) = evaluator.measure([rules], [arena], {name: (g,) for name, g in gains.items()})
    return _ordered(measured, gains)


def rank_all_rules(
    rules: Sequence[Sequence[Rule]],
    arenas: Sequence[Arena],
    evaluator: Evaluator,
    rates: Sequence[Mapping[str, float]] | None = None,
) -> list[list[Row]]:
    """Measure lists of rules, each on the arena in its place; each best first.

    Parameters
    ----------
    rates
        Factors on the task's learning rate, by rule, for each list; 1 if not given.
    """
    if rates is None:
        return [_ordered(measured, {}) for measured in evaluator.measure(rules, arenas)]
    rows = []
    for own, arena, mine in zip(rules, arenas, rates, strict=True):
        (measured,) = evaluator.measure([own], [arena], {n: (r,) for n, r in mine.items()})
        rows.append(_ordered(measured, mine))
    return rows


def _ordered(measured: Mapping[str, Scores], gains: Mapping[str, float]) -> list[Row]:
    rows = [row(name, scores, gain=gains.get(name, 1.0)) for name, scores in measured.items()]
    return sorted(rows, key=lambda r: (-r.score, r.rule))
