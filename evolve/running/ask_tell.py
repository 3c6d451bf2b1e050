"""A search that is driven from outside: which rules it wants to have scored, and what their scores do.

Genomes, fingerprints, archives, selection, stop conditions and log are those of `run`: both drive a `Job`.
"""

import math
from dataclasses import replace
from functools import cached_property
from time import perf_counter

import numpy as np

from evolve.config.run_config import RunConfig
from evolve.evaluation.fixed_projections import fixed_rules, full_rule
from evolve.expressions.one_line import expression
from evolve.ranking.on_chip import apply_admission
from evolve.running.log import Log
from evolve.running.loop import Job, begin_search
from evolve.running.result import Progress
from evolve.search.individual import Individual
from evolve.search.islands import pareto, score_threshold
from evolve.search.score_cache import Key
from evolve.tracking.find_rule import called
from substrate.compilation.graph import Graph, to_rule
from substrate.compilation.numpy_functions import NumpyFunction, numpy_functions
from substrate.errors import UserError
from substrate.rule import FORWARD, Rule

#: What nan and -inf count as: less than any score, and still a number that selection can order.
DIVERGED = -1e300


class Proposal:
    """A rule that a search proposes: as a `Rule`, as NumPy functions, and as text.

    Attributes
    ----------
    threshold
        A rule that scores less cannot become a parent or enter an archive: an evaluation may stop, and tell any
        lower score, once this is out of reach. -inf where every score matters.
    score
        What was told of it; None before, -inf where nan or -inf was told.

    >>> from evolve import RunConfig, Search
    >>> search = Search(RunConfig(variation={"islands": 2}, seed=1))
    >>> proposal = search.ask()[0]
    >>> proposal.text
    'pre**3'
    >>> float(proposal.dw(pre=2.0, post=3.0, w=0.5))
    8.0
    """

    def __init__(
        self,
        config: RunConfig,
        graph: Graph,
        score: float | None = None,
        threshold: float = -math.inf,
    ) -> None:
        self._config, self._graph = config, graph
        self.score = None if score is None else _shown(score)
        self.threshold = threshold

    @cached_property
    def rule(self) -> Rule:
        """The rule, called by its text; with the fixed rules of the task's other projections, if it has some."""
        evolved = to_rule(self._graph, "proposal", self._config.slow)
        whole = full_rule(evolved, fixed_rules(self._config.settings))
        return whole.renamed(called(expression(whole)))

    @cached_property
    def text(self) -> str:
        """The rule on one line, such as `post*(pre - post*w)`."""
        return expression(self.rule)

    @cached_property
    def functions(self) -> dict[str, NumpyFunction]:
        """Every equation as a function of NumPy arrays: `dw`, and `d_NAME` for each slow variable."""
        return numpy_functions(self.rule)

    @property
    def dw(self) -> NumpyFunction:
        """The change of the weights at unit learning rate: `dw(pre=..., post=..., w=...)`.

        Raises
        ------
        UserError
            If the search has equations of other names only; `functions` holds them.
        """
        for name in ("dw", f"dw_{FORWARD}"):
            if name in self.functions:
                return self.functions[name]
        raise UserError(
            f"This rule has no `dw`; its equations are {', '.join(self.functions)}. Take them from `functions`."
        )

    def __repr__(self) -> str:
        told = "" if self.score is None else f", score={self.score:g}"
        return f"Proposal({self.text!r}{told})"


class DrivenSearch:
    """One search that waits for the scores of the rules that it wants.

    Parameters
    ----------
    founder
        A rule that every island starts from.
    batch
        Rules that are scored at once: so many are wanted at a time, or a multiple, where the search can look ahead.
    """

    def __init__(self, config: RunConfig, founder: Rule | None, log: Log, batch: int) -> None:
        self.config, self.batch = config, batch
        self.job = Job(config, log, begin_search(config, founder))
        self.state = self.job.lookahead.state
        self._began = perf_counter()
        self._wanted: dict[Key, Graph] = {}

    def ask(self) -> list[Proposal]:
        """The rules that the next generation needs and those that fill the batch; none when the search is over."""
        while not self._wanted and not self.job.over:
            self._wanted = self.job.lookahead.wanted(self.batch)
            if not self._wanted:  # every formula of the next generation is known
                self.job.advance({}, self._began)
        threshold = score_threshold(self.config.variation, self.state) if self._wanted else None
        return [
            Proposal(
                self.config, graph, threshold=_shown(threshold(graph)) if threshold else -math.inf
            )
            for graph in self._wanted.values()
        ]

    def tell(self, scores: list[float]) -> list[float]:
        """Take the scores of what was asked for, in that order, and go on; returns them as the chip admits them."""
        wanted, self._wanted = self._wanted, {}
        values = np.array([DIVERGED if math.isnan(s) else max(s, DIVERGED) for s in scores])
        admitted = apply_admission(self.config, wanted.values(), values).tolist()
        self.job.advance(dict(zip(wanted, admitted, strict=True)), self._began)
        return [_shown(score) for score in admitted]

    @property
    def history(self) -> list[Progress]:
        """What every generation looked like."""
        stats = [progress.stats for progress in self.job.history]
        return [
            replace(p, stats=s._replace(best=_shown(s.best), median=_shown(s.median)))
            for p, s in zip(self.job.history, stats, strict=True)
        ]

    @property
    def best(self) -> Proposal:
        """The best rule so far; there is none before the first scores."""
        return self._proposal(self.state.best)

    @property
    def front(self) -> list[Proposal]:
        """The best of every size, without those that are longer and no better; simplest first."""
        return [self._proposal(individual) for individual in pareto(self.state)]

    def _proposal(self, individual: Individual) -> Proposal:
        return Proposal(self.config, individual.phenotype.graph, individual.score)


def _shown(score: float) -> float:
    """A score as people see it."""
    return -math.inf if score <= DIVERGED else score
