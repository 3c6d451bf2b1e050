"""What rules are worth, measured without a search or a ranking."""

from collections.abc import Sequence

from evolve.evaluation import compiled
from evolve.evaluation.arena import Arena, Bounds, Scores
from substrate.rule import Rule


def score_compiled(
    rule: Rule, arena: Arena, bounds: Bounds, gains: Sequence[float] = (1.0,)
) -> Scores:
    """Score one compiled rule at several factors on the learning rate."""
    return compiled.measure_all([rule], arena, bounds, {rule.name: gains})[rule.name]
