"""The best rule of a search that is still running, in a form that can be stored."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from evolve.config.run_config import RunConfig
from evolve.evaluation.fixed_projections import fixed_rules, full_rule
from evolve.expressions.complexity import rule_complexity
from evolve.expressions.one_line import equations
from evolve.expressions.rule_file import to_json
from evolve.search.individual import Individual
from evolve.search.islands import SearchState
from substrate.compilation.graph import to_rule
from substrate.rule import Rule


class Finding(NamedTuple):
    """The best rule so far that can be written to a rule file, and better ones that cannot."""

    rule: Rule
    score: float  # on training instances
    generation: int
    unwritable: str = (
        ""  # a line for every better rule: score, why it cannot be kept as a file, and the rule
    )


#: Writes down the best rule at the time it is called; None if there is none that can be kept.
Find = Callable[[], Finding | None]


def written(config: RunConfig, individual: Individual) -> Rule:
    """The rule of an individual, as people see it."""
    evolved = to_rule(individual.phenotype.graph, "champion", config.slow)
    return full_rule(evolved, fixed_rules(config.settings))


def refusal(rule: Rule) -> str | None:
    """Why a rule cannot be measured, kept in a rule file and read again; None if it can."""
    try:
        rule_complexity(rule)  # walks what is lowered
        to_json(rule)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def best_so_far(config: RunConfig, state: SearchState) -> Finding | None:
    """The best rule of a search that can be kept in a file."""
    refused: list[str] = []
    for individual in _best_first(state):
        try:
            rule = written(config, individual)
            reason = refusal(rule)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
        if reason is None:
            return Finding(rule, individual.score, state.generation, "\n".join(refused))
        refused.append(f"{individual.score:.6f}\t{reason}\t{_described(config, individual)}")
    return None


def _best_first(state: SearchState) -> Iterator[Individual]:
    """All rules that the search has kept: the best of all, then the best of every size."""
    yield from state.hall
    yield from sorted(state.front.values(), key=lambda i: -i.score)


def _described(config: RunConfig, individual: Individual) -> str:
    """A rule as text; as the list of its operations where it has no other form."""
    try:
        return equations(written(config, individual))
    except Exception:
        graph = individual.phenotype.graph
        return f"{[tuple(node) for node in graph.nodes]} -> {dict(graph.outputs)}"
