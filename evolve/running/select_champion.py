"""The end of a run: choose the champion on validation instances, measure it on test instances.

Runs that advanced together also end together: their rules are scored in shared calls, and known rules are compiled
and expressions simplified once for all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

import jax
import numpy as np

from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import Arena
from evolve.evaluation.best_rate import RATES, rates_of_graphs, rates_of_rules
from evolve.evaluation.evaluator import Evaluator
from evolve.expressions.symbolic import Simplified, rule_complexity, simplify_rule
from evolve.ranking.compare import Row, rank_all_rules
from evolve.ranking.held_out_chips import verdicts
from evolve.ranking.on_chip import ChipTable, apply_admission
from evolve.running.finding import refusal, written
from evolve.running.log import Log
from evolve.running.result import Candidate, Progress, Result
from evolve.search import islands
from evolve.search.islands import SearchState
from evolve.search.pareto import knee
from evolve.tuning.pipeline import tune_constants
from rules_zoo import RULES
from substrate.errors import UserError
from substrate.hardware import as_implemented, violations
from substrate.networks.base import is_compatible
from substrate.rule import Rule
from substrate.traversal import symbols_of

#: Rules that are simplified before the shortest of them is chosen; simplifying takes time.
CLOSE = 8

#: Bytes of instances that are kept in memory at a time.
HELD = 100_000_000


@dataclass
class Searched:
    """A search that is over."""

    config: RunConfig
    log: Log
    train: Arena
    state: SearchState
    history: list[Progress]
    stopped: bool  # by a person, before any stop condition held
    reference: "Reference"
    complete: int | None = None  # operations up to which every rule was scored


@dataclass(frozen=True)
class Reference:
    """What known rules reach on the training instances."""

    scores: dict[str, float]
    sums: dict[str, float]  # F, the sum of qualities over data sets


def references(config: RunConfig, trains: Sequence[Arena], evaluator: Evaluator) -> list[Reference]:
    """Training score and F of the family's rival and of doing nothing, each at its best rate where that counts."""
    rules = [RULES["frozen"], *baselines(trains[0], (config.family.rival,))]
    gains = dict.fromkeys((r.name for r in rules), RATES if config.at_best_rate else (1.0,))
    measured = list(evaluator.measure([rules] * len(trains), trains, gains))
    best = [{name: int(np.argmax(s.fitness)) for name, s in own.items()} for own in measured]
    return [
        Reference(
            {name: float(s.fitness[at[name]]) for name, s in own.items()},
            {name: _sum(s.quality[at[name]]) for name, s in own.items()},
        )
        for own, at in zip(measured, best, strict=True)
    ]


def select_champions(
    searches: Sequence[Searched], evaluator: Evaluator, seconds: float
) -> list[Result]:
    """Choose and measure the champions of searches that differ by their seed alone."""
    thorough = len(searches) == 1
    log = searches[0].log
    log.phase("choosing on validation instances")
    fronts, champions = [], []
    for one, front in zip(searches, _fronts(searches, evaluator), strict=True):
        if one.config.tuned:
            log.phase(f"tuning the constants of {one.config.tuned} rules")
            try:
                front += _tuned(one, evaluator, front)
            except Exception as error:
                one.log.note(f"constants were not tuned ({type(error).__name__}: {error})")
        champion, front = _chosen(one, front)
        if thorough:  # the rest of the front is not shown where there are many
            log.phase("simplifying the front", len(front))
            front = [champion if c is champion else _shown(c, log) for c in front]
        fronts.append(front)
        champions.append(champion)
    first = searches[0]
    others = len(baselines(first.train, first.config.family.baselines))
    log.phase(
        f"measuring the champion and {others} known rules on {first.config.instances.test} test instances"
    )
    ranked = list(_ranked(searches, champions, evaluator))
    if not searches[0].config.profile.ideal:
        log.phase("measuring the champion on held-out chips")
    judged_on_chips: list[ChipTable | None] = [None] * len(searches)
    try:
        judged_on_chips = verdicts(
            [one.config for one in searches], [c.rule for c in champions], evaluator, HELD
        )
    except Exception as error:
        for one in searches:
            one.log.note(f"held-out chips were not measured ({type(error).__name__}: {error})")
    return [
        Result(
            config=one.config,
            stopped=one.stopped,
            history=one.history,
            evaluations=one.state.evaluations,
            seconds=seconds,
            reference=one.reference.scores,
            reached=_reached(
                one.history, one.reference.scores.get(one.config.family.rival, np.inf)
            ),
            champion=champion,
            front=front,
            rows=rows,
            fitness={**one.reference.sums, "champion": trained},
            chips=chips,
            complete=one.complete,
        )
        for one, champion, front, (rows, trained), chips in zip(
            searches, champions, fronts, ranked, judged_on_chips, strict=True
        )
    ]


def _chosen(one: Searched, front: list[Candidate]) -> tuple[Candidate, list[Candidate]]:
    """The champion in its shortest form, and the front with this form in place of the chosen rule.

    A rule that cannot be written to a rule file is not chosen.
    """
    while True:
        chosen = choose_champion(front, one.config.variation.choice)
        champion = _simplified(chosen)
        reason = refusal(champion.rule)
        if reason is None:
            return champion, [champion if c is chosen else c for c in front]
        one.log.note(f"a rule that scores {chosen.validation:.3f} was not chosen ({reason})")
        front = [c for c in front if c is not chosen]
        if not front:
            raise UserError("No rule of the front can be written down.")


def _shown(candidate: Candidate, log: Log) -> Candidate:
    """A rule of the front in its shortest form, or as it is if simplifying fails."""
    try:
        return _simplified(candidate)
    except Exception as error:
        log.note(f"a rule of the front is not simplified ({type(error).__name__}: {error})")
        return candidate
    finally:
        log.step()


def _ranked(
    searches: Sequence[Searched], champions: Sequence[Candidate], evaluator: Evaluator
) -> Iterator[tuple[list[Row], float]]:
    """Champion and baselines on test instances, and F of the champion on training instances."""
    rules = iter([c.rule for c in champions])
    for some, tests in _arenas(searches, "test"):
        own = list(islice(rules, len(some)))
        config = some[0].config
        known = baselines(tests[0], config.family.baselines)
        admitted = [rule for rule in known if not violations(config.profile, rule)]
        own = [as_implemented(config.profile, rule) for rule in own]
        lists = [[rule, *(as_implemented(config.profile, r) for r in admitted)] for rule in own]
        trains = [one.train for one in some]
        champions_alone = [[rule] for rule in own]
        if config.at_best_rate:
            rates = [
                rates_of_rules(evaluator, rules, train)
                for rules, train in zip(lists, trains, strict=True)
            ]
            rows = rank_all_rules(lists, tests, evaluator, rates)
            trained = [
                evaluator.measure([rules], [train], {n: (r,) for n, r in mine.items()})[0]
                for rules, train, mine in zip(champions_alone, trains, rates, strict=True)
            ]
        else:
            rows = rank_all_rules(lists, tests, evaluator)
            trained = evaluator.measure(champions_alone, trains)
        for rule, table, scores in zip(own, rows, trained, strict=True):
            yield table, _sum(scores[rule.name].quality[0])


def _sum(quality: np.ndarray) -> float:
    """F: the sum over data sets, averaged over settings; quality is (setting, instance)."""
    return float(np.mean(quality.sum(axis=-1)))


def _arenas(
    searches: Sequence[Searched], split: str
) -> Iterator[tuple[Sequence[Searched], list[Arena]]]:
    """Searches with their instances of a split, as many at a time as fit into `HELD` bytes."""
    rest = list(searches)
    while rest:
        arenas = [draw_arena(rest[0].config, split)]
        size = sum(a.nbytes for a in jax.tree.leaves(arenas[0].episodes))
        some, rest = rest[: max(1, HELD // size)], rest[max(1, HELD // size) :]
        arenas += [draw_arena(one.config, split) for one in some[1:]]
        yield some, arenas


def draw_arena(config: RunConfig, split: str) -> Arena:
    """The instances of a split."""
    count = getattr(config.instances, split)
    given = config.family, config.task_options, config.seed, split, count
    return Arena(*given, config.profile)


def choose_champion(front: Sequence[Candidate], choice: str = "one_se") -> Candidate:
    """The champion of a front, by validation scores.

    `one_se` is the simplest rule that is at most one standard error of the paired difference behind the best
    (Breiman et al. 1984): a gain within the noise does not justify a longer rule, and is lost first on inputs of
    another kind. `knee` is the rule that gains most score per operator among the good ones, each in its shortest
    form.
    """
    if choice == "knee":
        written = {id(short): (short, c) for c in front for short in [_simplified(c)]}
        return written[id(knee(short for short, _ in written.values()))][1]
    best = max(front, key=lambda c: (c.validation, -c.operators))

    def close(candidate: Candidate) -> bool:
        gap = best.scores - candidate.scores
        return float(gap.mean()) <= float(gap.std(ddof=1)) / np.sqrt(gap.size)

    near = sorted(filter(close, front), key=lambda c: (c.operators, -c.validation))[:CLOSE]
    operators = {id(c): _simplified(c).operators for c in near}
    return min(near, key=lambda c: (operators[id(c)], -c.validation))


def baselines(arena: Arena, names: Sequence[str] | None = None) -> list[Rule]:
    """The zoo rules that an arena's networks can run, of these names if any are given."""
    known = RULES if names is None else names
    return [rule for name in known if is_compatible(rule := RULES[name], arena.observables)]


def _reached(history: Sequence[Progress], level: float) -> Progress | None:
    return next((p for p in history if p.stats.best >= level), None)


def _fronts(searches: Sequence[Searched], evaluator: Evaluator) -> Iterator[list[Candidate]]:
    """The best of every size and the best of all, scored on validation instances."""
    for some, arenas in _arenas(searches, "validation"):
        found = [
            list({i.phenotype.key: i for i in [*islands.pareto(s.state), *s.state.hall]}.values())
            for s in some
        ]
        graphs = [[i.phenotype.graph for i in own] for own in found]
        rates = [[1.0] * len(own) for own in graphs]
        if some[0].config.at_best_rate:
            rates = rates_of_graphs(evaluator, graphs, [one.train for one in some])
        scored = evaluator.score_graphs(graphs, arenas, rates)
        for one, individuals, scores in zip(some, found, scored, strict=True):
            candidates = []
            here = [i.phenotype.graph for i in individuals]
            scores = apply_admission(one.config, here, scores)
            for individual, own in zip(individuals, scores, strict=True):
                try:
                    rule = written(one.config, individual)
                    operators = rule_complexity(rule).operators
                except Exception as error:  # a power that nothing can run, say
                    one.log.note(
                        f"a rule of {individual.size} operators that trains at {individual.score:.3f} is left out "
                        f"({type(error).__name__}: {error})"
                    )
                    continue
                score = float(own.mean())
                candidates.append(Candidate(rule, operators, individual.score, score, own))
            if not candidates:
                raise UserError("No rule of the front can be written down.")
            yield candidates


def _tuned(one: Searched, evaluator: Evaluator, front: Sequence[Candidate]) -> list[Candidate]:
    """The best rules on training instances with tuned constants, exact and rounded, where tuning improves them.

    They are candidates beside the others, and are compared with them on validation instances.
    """
    config = one.config
    best = [_simplified(c) for c in sorted(front, key=lambda c: -c.training)[: config.tuned]]
    settings = config.constants.model_dump(exclude={"best"})
    if not config.profile.ideal:  # rounding leaves no slopes to climb
        settings["method"] = "evolution"
    bounds = evaluator.bounds(one.train)
    refined = tune_constants(
        [c.rule for c in best], one.train, bounds, seed=config.seed, **settings
    )
    versions = {
        str(rule.equations): (rule, score)
        for r in refined
        if r.peak > r.before
        for rule, score in ((r.tuned, r.peak), (r.rule, r.score))
    }
    rules = [rule.renamed(f"tuned {i}") for i, (rule, _) in enumerate(versions.values())]
    arena = draw_arena(config, "validation")
    (measured,) = evaluator.measure([rules], [arena])
    return [
        Candidate(
            rule=rule.renamed("champion"),
            operators=rule_complexity(rule).operators,
            training=training,
            validation=float(measured[rule.name].score.mean()),
            scores=measured[rule.name].score[0].ravel(),
            tuned=True,
        )
        for rule, (_, training) in zip(rules, versions.values(), strict=True)
    ]


def _simplified(candidate: Candidate) -> Candidate:
    """The rule in its shortest form, without slow variables that no weight depends on."""
    if candidate.tuned:
        return candidate  # its numbers are simple in this form, and not in a shorter one
    short, note = _shortest(candidate.rule)
    return replace(candidate, rule=short, operators=rule_complexity(short).operators, note=note)


@lru_cache(maxsize=4096)  # runs that end together often found the same
def _shortest(rule: Rule) -> Simplified:
    short, note = simplify_rule(rule)
    return Simplified(without_unread(short), note)


def without_unread(rule: Rule) -> Rule:
    """A rule without the slow variables that no weight depends on."""
    needed = {str(s) for e in rule.changes.values() for s in symbols_of(e)}
    while (
        more := {str(s) for v in rule.slow if v.name in needed for s in symbols_of(v.rate)} - needed
    ):
        needed |= more
    return replace(rule, slow=tuple(v for v in rule.slow if v.name in needed))
