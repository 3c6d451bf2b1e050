"""What the champions of a search under a chip are worth: on many held-out chips, beside the ideal network.

The same test instances, champion and rival, on the ideal network and on `MANY` chips that nobody searched on.
"""

from collections.abc import Sequence

import jax

from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import Arena
from evolve.evaluation.evaluator import Evaluator
from evolve.ranking.compare import rank_all_rules
from evolve.ranking.on_chip import ChipTable, arenas, fan_in, on_many, table
from rules_zoo import RULES
from substrate.hardware import as_implemented, violations
from substrate.networks.base import is_compatible
from substrate.rule import Rule

#: Share of its ideal score that a rule should keep on a chip, and the level at which it should beat its rival.
KEPT, LEVEL = 0.95, 0.01


def verdicts(
    configs: Sequence[RunConfig], champions: Sequence[Rule], evaluator: Evaluator, held: int
) -> list[ChipTable | None]:
    """Judge the champions of runs that differ by their seed alone; nothing to judge without a chip.

    Parameters
    ----------
    evaluator
        What scored the rules of the search, on the chip.
    held
        Bytes of instances that are held at a time.
    """
    if configs[0].profile.ideal:
        return [None] * len(configs)
    found: list[ChipTable | None] = []
    while len(found) < len(configs):
        pairs = [_pair(configs[len(found)])]
        size = sum(a.nbytes for arena in pairs[0] for a in jax.tree.leaves(arena.episodes))
        here = slice(len(found), len(found) + max(1, held // size))
        pairs += [_pair(config) for config in configs[here][1:]]
        found += _judged(configs[here], champions[here], evaluator, pairs)
    return found


def _pair(config: RunConfig) -> tuple[Arena, Arena]:
    return arenas(on_many(config), "test", config.instances.test)


def _judged(
    configs: Sequence[RunConfig],
    champions: Sequence[Rule],
    evaluator: Evaluator,
    pairs: Sequence[tuple[Arena, Arena]],
) -> list[ChipTable]:
    first = configs[0]
    ideals, chips = ([pair[i] for pair in pairs] for i in (0, 1))
    plain = evaluator.on(ideals, capacity=2 * len(ideals))
    # One scale for both.
    scales = plain.bounds_of(ideals)
    chips = [chip.with_bounds(scale) for chip, scale in zip(chips, scales, strict=True)]
    rival = RULES[first.family.rival]
    rivals = [rival] if is_compatible(rival, ideals[0].observables) else []
    lists = [[champion, *rivals] for champion in champions]
    admitted = [
        [as_implemented(first.profile, r) for r in rules if not violations(first.profile, r)]
        for rules in lists
    ]
    on_ideal = rank_all_rules(lists, ideals, plain)
    on_chip = rank_all_rules(admitted, chips, evaluator)
    known = [rival.name]
    return [
        table(on_many(config), rules, known, (here, there), fan_in(chips[0]))
        for config, rules, here, there in zip(configs, lists, on_ideal, on_chip, strict=True)
    ]


def kept(table: ChipTable) -> bool:
    """Whether the champion of a run keeps `KEPT` of its ideal score on held-out chips and beats the rival there."""
    row = next(r for r in table.rows if r.ideal.rule == "champion")
    gap = table.differences.get("champion")
    return gap is not None and row.retained >= KEPT and gap.mean > 0 and gap.p < LEVEL
