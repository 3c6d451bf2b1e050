"""Rules on a chip: what each is worth on the ideal network, what on the chip, and what it costs there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np

from evolve.config.engine_choice import Choice
from evolve.config.forecast import require_room_to_rank
from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import WORST, Arena
from evolve.ranking import engine
from evolve.ranking.compare import Difference, Row, difference, rank_rules
from evolve.ranking.sweep import Cell, Point, sweep, worst
from substrate.compilation.graph import Graph
from substrate.hardware import Cost, as_implemented, cost, graph_violations, violations
from substrate.rule import Rule

#: Chips on which the champion of a run is measured.
MANY = 30


@dataclass(frozen=True)
class OnChip:
    """One rule: scores share one scale, on which 0 is the ideal network without learning."""

    rule: Rule  # as the chip runs it
    reasons: list[str]  # why it cannot run there; then there is no row on the chip
    ideal: Row
    chip: Row | None
    worst: float  # mean score of the worst chip
    cost: Cost

    @property
    def retained(self) -> float:
        """Share of the ideal score that is left; not a number where there is none to lose."""
        return _share(self.chip.score, self.ideal.score) if self.chip else float("nan")


@dataclass(frozen=True)
class ChipTable:
    """Rules on a chip, best first."""

    config: RunConfig
    rows: list[OnChip]
    differences: dict[str, Difference]  # on the chip, to the best known rule there
    baseline: str
    tuned: bool
    choice: Choice | None = None  # of the engine, where a ranking made one


def arenas(config: RunConfig, split: str, instances: int) -> tuple[Arena, Arena]:
    """The same instances without and with the chip."""
    given = config.family, config.task_options, config.seed, split, instances
    return Arena(*given), Arena(*given, config.profile)


def on_many(config: RunConfig) -> RunConfig:
    """The configuration with enough chips for a verdict, where chips differ."""
    chips = config.profile.chips
    if chips == 1 or chips >= MANY:
        return config
    hardware = f"{config.hardware}{',' if ':' in config.hardware else ':'}chips={MANY}"
    return config.model_copy(update={"hardware": hardware})


def compare(
    config: RunConfig, rules: Sequence[Rule], known: Iterable[str], instances: int, tune: bool
) -> ChipTable:
    """Measure rules on test instances and held-out chips, beside the ideal network.

    Parameters
    ----------
    known
        Names of rules that may be the baseline.
    tune
        Whether every rule gets the learning rate that suits it, once for the ideal network and once for the chip.
    """
    ideal, chip = arenas(config, "test", instances)
    choice = engine.choose(config, len(rules), instances, tune, networks=2)
    here = engine.build(choice, ideal)
    chip = chip.with_bounds(here.bounds(ideal))
    there = engine.build(choice, chip)
    training: tuple[Arena, Arena] | tuple[None, None] = (None, None)
    if tune:
        train, train_on_chip = arenas(config, "train", config.instances.train)
        training = train, train_on_chip.with_bounds(here.bounds(train))
    admitted = [
        as_implemented(config.profile, r) for r in rules if not violations(config.profile, r)
    ]
    on_ideal = rank_rules(rules, ideal, here, training[0])
    on_chip = rank_rules(admitted, chip, there, training[1]) if admitted else []
    found = table(config, rules, known, (on_ideal, on_chip), fan_in(chip), tune)
    return replace(found, choice=choice)


def fan_in(arena: Arena) -> list[int]:
    """Most inputs of a neuron, by setting."""
    return [max(w.shape[-3] for w in jax.tree.leaves(e.w0)) for e in arena.episodes]


def table(
    config: RunConfig,
    rules: Sequence[Rule],
    known: Iterable[str],
    measured: tuple[Sequence[Row], Sequence[Row]],
    inputs: Sequence[int],
    tuned: bool = False,
) -> ChipTable:
    """Set results on the ideal network and on the chip beside each other; both share one scale.

    Parameters
    ----------
    inputs
        Of a neuron, by setting; costs are the mean over settings.
    """
    profile = config.profile
    on_ideal, on_chip = measured
    here = {r.rule: r for r in on_ideal}
    there = {r.rule: r for r in on_chip}
    rows = [
        OnChip(
            rule=as_implemented(profile, rule),
            reasons=violations(profile, rule),
            ideal=here[rule.name],
            chip=there.get(rule.name),
            worst=_worst(there.get(rule.name), profile.chips),
            cost=_mean([cost(profile, rule, n) for n in inputs]),
        )
        for rule in rules
    ]
    rows.sort(key=lambda r: (r.chip is None, -r.chip.score if r.chip else -r.ideal.score))
    named = [r for r in on_chip if r.rule in set(known)] or list(on_chip)
    best = max(named, key=lambda r: r.score, default=None)
    gaps = {r.rule: difference(r, best) for r in on_chip} if best else {}
    return ChipTable(config, rows, gaps, best.rule if best else "", tuned)


def swept(
    config: RunConfig, rule: Rule, grid: Sequence[Point], instances: int
) -> tuple[float, list[Cell]]:
    """A rule's ideal score, and its scores on a grid of formats, on test instances."""
    require_room_to_rank(config, instances, tune_rate=False)
    ideal, chip = arenas(config, "test", instances)
    here = engine.build(engine.choose(config, 1, instances), ideal, capacity=16)
    row = rank_rules([rule], ideal, here)[0]
    return row.score, sweep(rule, chip, here.bounds(ideal), grid)


def apply_admission(config: RunConfig, graphs: Iterable[Graph], scores: np.ndarray) -> np.ndarray:
    """Scores (individual, ...) after admission: a rule that the chip cannot run is worth the least, or less."""
    profile = config.profile
    if profile.ideal:
        return scores
    reasons = np.array([len(graph_violations(profile, graph)) for graph in graphs])
    reasons = reasons.reshape(-1, *(1,) * (scores.ndim - 1))
    if config.admission == "restrict":
        return np.where(reasons > 0, WORST, scores)
    return np.maximum(scores - config.penalty * reasons, WORST)


def _mean(costs: Sequence[Cost]) -> Cost:
    operations, words, traffic = zip(*costs, strict=True)
    return Cost(float(np.mean(operations)), max(words), float(np.mean(traffic)))


def _worst(row: Row | None, chips: int) -> float:
    return worst(row.scores, chips) if row else float("nan")


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
