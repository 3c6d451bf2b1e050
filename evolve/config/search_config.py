"""The configuration of a search whose rules are scored outside the platform."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from evolve.config.run_config import RunConfig

if TYPE_CHECKING:
    from tasks.base import Options, Setting


class SearchConfig(RunConfig):
    """A search whose rules are scored elsewhere: a rule may read any observable of the vocabulary.

    Genes, variation, seed, stop conditions and hardware mean what they mean in a `RunConfig`; what decides how a task
    is scored has no effect.

    >>> from evolve import Search, SearchConfig
    >>> config = SearchConfig(genes={"terminals": ["pre", "post", "w", "reward"], "slow": ["trace"]})
    >>> sorted(Search(config).ask()[0].functions)
    ['d_trace', 'dw']
    """

    task: str = Field("elsewhere", description="what the search is called where runs are kept")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, given: Any) -> Any:
        """There is no task."""
        return given

    @model_validator(mode="after")
    def _task(self) -> "SearchConfig":
        """There is no task."""
        return self

    @cached_property
    def task_options(self) -> "Options":
        """None."""
        from tasks.base import Options

        return Options()

    @cached_property
    def settings(self) -> "tuple[Setting, ...]":
        """None."""
        return ()
