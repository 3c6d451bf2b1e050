"""Ask and tell: the search of a run, whose rules somebody else scores: a simulator, a chip, a colleague."""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, SupportsFloat

from substrate.errors import UserError

if TYPE_CHECKING:
    from evolve.config.run_config import RunConfig
    from evolve.running.ask_tell import Proposal
    from evolve.running.log import Log
    from evolve.running.result import Progress
    from evolve.tracking.run_log import RunLog

#: Scores in the order of the rules that were asked for, or by rule or its text.
Scores = Iterable[SupportsFloat] | Mapping["Proposal", SupportsFloat] | Mapping[str, SupportsFloat]


class SearchResult(NamedTuple):
    """What a search has found so far."""

    id: str | None  # of the run in the store, if there is one
    config: "RunConfig"
    champion: "Proposal"  # the best score
    front: "list[Proposal]"  # the best of every size, without those longer and no better, simplest first
    history: "list[Progress]"
    evaluations: int  # rules that were scored
    stopped: bool  # before a stop condition held


class Search:
    """A search that proposes rules and learns what they are worth: `ask`, score, `tell`, until `done`.

    Genomes, fingerprints, archives, selection, stop conditions and log are those of `run`. Given the scores that the
    platform itself would give, the search takes the same way to the last bit. Only it begins with random rules, as a
    run does with `variation.survey = 0`: whoever scores rules dearly has not asked for thousands of short ones.

    Parameters
    ----------
    config
        Genes, variation, seed and stop conditions: a `SearchConfig`, with which a rule may read any observable, or
        a `RunConfig`, with which it may read what the task's network shows. With `hardware`, rules that the chip
        cannot run are admitted as in `run`.
    batch
        How many rules can be scored at once. The search looks ahead to fill the last batch: with rules that the next
        generations will probably need. What it finds does not depend on it.
    runs
        Folder of the run store in which this search is logged as a run; without it nothing is written. Close the
        search then, or use it in a `with` statement.
    on_generation
        Called at the end of every generation.

    Raises
    ------
    UserError
        If the rule that the search starts from is unknown or does not fit, or the store cannot be used.

    >>> from evolve import Search, SearchConfig
    >>> search = Search(SearchConfig(variation={"islands": 4}, stop={"generations": 20}))
    >>> while not search.done:
    ...     search.tell([-abs(p.dw(pre=3.0, post=2.0, w=1.0) - 10) for p in search.ask()])
    >>> float(search.best.dw(pre=3.0, post=2.0, w=1.0))
    10.0
    >>> search.generation
    20
    """

    def __init__(
        self,
        config: "RunConfig",
        *,
        batch: int = 1,
        runs: str | Path | None = None,
        on_generation: "Callable[[Progress], None] | None" = None,
    ) -> None:
        from evolve.api.listener import Listener
        from evolve.running.ask_tell import DrivenSearch
        from evolve.running.log import Recorder
        from evolve.tracking.find_rule import find_rule
        from evolve.tracking.store import Store

        if batch < 1:
            raise UserError(f"batch = {batch}: give how many rules are scored at once, 1 or more.")
        self.config = config
        self._run: RunLog | None = None
        self._store = Store(Path(runs), write=True) if runs is not None else None
        try:
            start = config.variation.start
            founder = None if start is None else find_rule(start, self._store)
            log: Log = Listener(on_generation)
            if self._store is not None:
                name = f"{config.task}-{config.seed}"
                tags = {"scored_by": "ask and tell", "config": type(config).__name__}
                self._run = self._store.begin(config.task, name, config.flat(), tags)
                log = Recorder(self._run, Listener(on_generation))
            self._search = DrivenSearch(config, founder, log, batch)
            self._asked = self._search.ask()
        except BaseException:
            if self._run is not None:
                self._run.finish("failed")
            if self._store is not None:
                self._store.close()
            raise

    def ask(self) -> "list[Proposal]":
        """The rules whose scores the search waits for; the same ones until they are told.

        Every formula is asked for once, however many children express it. Empty when the search is done.
        """
        return list(self._asked)

    def tell(self, scores: Scores) -> None:
        """Give the scores of the rules that were asked for, and go on to the next generation.

        Parameters
        ----------
        scores
            In the order of `ask`, or by proposal or its text. Larger is better, on any scale; nan or -inf says that
            a rule diverged, and counts less than any number. (`run` scores between -1 and 1.)

        Raises
        ------
        UserError
            If the search is done, scores are missing or too many, or one is no number; nothing is changed then.
        """
        if not self._asked:
            raise UserError("The search is done: it waits for no score.")
        asked = self._asked
        told = _by_rule(asked, scores) if isinstance(scores, Mapping) else list(scores)
        if len(told) != len(asked):
            raise UserError(
                f"{len(told)} scores were told for {len(asked)} rules. Give one for each, in the order of ask()."
            )
        values = [_number(p, score) for p, score in zip(asked, told, strict=True)]
        for proposal, admitted in zip(asked, self._search.tell(values), strict=True):
            proposal.score = admitted
        self._asked = (
            self._search.ask()
        )  # goes on to where a score is needed again, if only to the end

    @property
    def done(self) -> bool:
        """Whether a stop condition of the configuration holds."""
        return self._search.job.over

    @property
    def generation(self) -> int:
        """Generations that are over; 0 after the first scores."""
        return self._search.state.generation

    @property
    def evaluations(self) -> int:
        """Rules that were scored and needed; what was asked for ahead counts when it is needed."""
        return self._search.state.evaluations

    @property
    def history(self) -> "list[Progress]":
        """What every generation looked like; `stats.diverged` counts scores of -1 or less, the least of `run`."""
        return self._search.history

    @property
    def best(self) -> "Proposal":
        """The best rule so far.

        Raises
        ------
        UserError
            Before the first scores are told.
        """
        if not self._search.job.history:
            raise UserError("There is no best rule before scores are told: ask() and tell() first.")
        return self._search.best

    @property
    def front(self) -> "list[Proposal]":
        """The best of every size so far, without those that are longer and no better; simplest first."""
        return self._search.front

    @property
    def result(self) -> SearchResult:
        """All that was found so far; the search may go on afterwards."""
        run = self._run.id if self._run else None
        found = (self.best, self.front, self.history, self.evaluations)
        return SearchResult(run, self.config, *found, not self.done)

    def close(self) -> None:
        """Store what was found and close the run, as stopped if no stop condition holds; once is enough."""
        store, self._store = self._store, None
        if store is None:
            return
        try:
            if self._run is not None:
                self._search.job.log.searched()
                if self._search.job.history:
                    self._keep(self._run)
                self._run.finish("finished" if self.done else "stopped")
        finally:
            store.close()

    def _keep(self, run: "RunLog") -> None:
        """The best rule as files and tags."""
        from evolve.exports import export
        from evolve.expressions.symbolic import main_text

        rule, score = self.best.rule.renamed("champion"), f"{self.best.score:.6g}"
        provenance = {"run": run.id, "score": score, "scored by": "ask and tell"}
        for target, name in (("json", "champion.json"), ("python", "champion.py")):
            run.text(name, export(rule, target, provenance))
        run.tags({"champion": main_text(rule), "score": score})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _by_rule(asked: "list[Proposal]", scores: Mapping[Any, SupportsFloat]) -> list[SupportsFloat]:
    """The scores in the order of what was asked."""
    named: dict[Proposal | str, Proposal] = {p: p for p in asked}
    if any(isinstance(key, str) for key in scores):
        named |= {p.text: p for p in asked}
    found: dict[Proposal, SupportsFloat] = {}
    for key, score in scores.items():
        if key not in named:
            what = ascii(key[:60]) if isinstance(key, str) else repr(key)
            raise UserError(
                f"A score was told for {what}, which was not asked for. Asked for: {_some(asked)}."
            )
        found[named[key]] = score
    missing = [p for p in asked if p not in found]
    if missing:
        raise UserError(
            f"The scores of {len(missing)} of {len(asked)} rules are missing: {_some(missing)}. Tell all at once; "
            "nan says that a rule diverged."
        )
    return [found[p] for p in asked]


def _number(proposal: "Proposal", told: SupportsFloat) -> float:
    """A score as a number."""
    try:
        score = float(told)
    except (TypeError, ValueError):
        score = math.inf
    if score == math.inf:
        raise UserError(
            f"The score of {proposal.text!r} is {told!r}. Give a finite number; nan says that the rule diverged."
        )
    return score


def _some(proposals: "list[Proposal]", most: int = 5) -> str:
    """A few rules, and how many more there are."""
    more = f" and {len(proposals) - most} more" if len(proposals) > most else ""
    return "; ".join(p.text for p in proposals[:most]) + more
