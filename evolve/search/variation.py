"""How a search moves: its islands, what mutates, who survives. Every field is a setting of a run."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, Field, model_validator

from substrate.errors import UserError

#: What is sensible by NSGA-II, where nothing else is asked for: few islands, each with room for a front. Most mutants
#: of such small rules have been met before, so the later islands mutate more.
NSGA2 = {"islands": 16, "parents": 20, "children": 20, "tournament": 2, "spread": 4.0}


class Variation(BaseModel, frozen=True, extra="forbid"):
    """How a search varies and selects."""

    selection: Literal["score", "nsga2"] = Field(
        "score", description="what an island keeps: the best scores, or those good for their size"
    )
    islands: int = Field(
        64, ge=1, le=4096, description="independent populations that advance together"
    )
    parents: int = Field(1, ge=1, le=1000, description="mu, parents of an island")
    children: int = Field(
        4, ge=1, le=1000, description="lambda, children of an island and generation"
    )
    tournament: int = Field(1, ge=1, le=1000, description="parents compared to pick one")
    mutation: Literal["gene", "active"] = Field(
        "active",
        description="gene: redraw each with a probability; active: redraw until one that matters changed",
    )
    rate: float = Field(0.06, gt=0, le=1, description="probability per gene")
    spread: float = Field(
        1.0,
        ge=1,
        le=100,
        description="most over least mutation of the islands, graded geometrically: of `rate` by gene, of the number "
        "of active genes changed, which is 1 on the first island, by active",
    )
    migration: int = Field(
        10, ge=0, description="generations between migrations around the ring of islands; 0: never"
    )
    patience: int = Field(
        0, ge=0, description="generations without improvement until an island is redrawn; 0: never"
    )
    memory: int = Field(
        1_000_000,
        ge=1,
        le=100_000_000,
        description="formulas whose scores are remembered, at some 300 bytes each",
    )
    cost: bool = Field(
        False, description="with nsga2, a third objective: what an update costs on the hardware"
    )
    choice: Literal["one_se", "knee"] = Field(
        "one_se",
        description="champion: the simplest rule within one standard error of the best, or the one that gains most "
        "score per operator among those that lose at most 1.5 times what the best loses",
    )
    survey: int | None = Field(
        None,
        ge=0,
        le=10,
        description="operations up to which all rules are scored before the search, the best of which found the "
        "islands; if not given, as many as take some seconds; 0: none",
    )
    start: str | None = Field(
        None,
        description="rule that founds every island: a zoo rule, a run, a rule file, an expression",
    )

    @cached_property
    def factors(self) -> tuple[float, ...]:
        """How much more than the first every island mutates."""
        return tuple(self.spread ** (i / max(1, self.islands - 1)) for i in range(self.islands))

    @model_validator(mode="before")
    @classmethod
    def _usual_numbers(cls, values: Any) -> Any:
        """Fill in what was not given and suits the selection."""
        if isinstance(values, Mapping) and values.get("selection") == "nsga2":
            grades = {"spread": 1.0} if values.get("islands") == 1 else {}
            return {**NSGA2, **grades, **values}
        return values

    @model_validator(mode="after")
    def _possible(self) -> "Variation":
        if self.cost and self.selection != "nsga2":
            raise UserError(
                "variation.cost is an objective of NSGA-II. Give variation.selection=nsga2."
            )
        if self.selection == "nsga2" and self.parents == 1:
            raise UserError(
                "variation.selection = 'nsga2' keeps a front on every island, and variation.parents = 1 leaves no "
                "room for it. Give 20."
            )
        if self.spread > 1 and self.islands == 1:
            raise UserError(
                f"variation.spread = {self.spread:g} grades mutation over islands, and there is one. Give "
                "variation.islands, or change variation.rate."
            )
        return self
