"""What a survey lists and how it scores, beside the settings of its task."""

from typing import Literal

from pydantic import Field

from evolve.config.run_config import Closed

#: Which rules count as one: those that are equal, or also those that are equal up to a positive factor.
UpTo = Literal["equality", "factor"]


class SurveyConfig(Closed):
    """What a survey lists and how it scores.

    >>> from evolve.config.survey_config import SurveyConfig
    >>> SurveyConfig(size=4, rates=9).keep
    300
    """

    size: int = Field(4, ge=0, le=20, description="operations of the longest rules")
    rates: int = Field(
        1,
        ge=1,
        le=100,
        description="learning rates that every rule is tried at, from 1/16 to 16 times the task's",
    )
    up_to: UpTo = Field(
        "equality",
        description="rules that count as one: equal ones, or also those that differ by a positive factor",
    )
    keep: int = Field(
        300, ge=1, le=10_000, description="best rules that are looked at on validation instances"
    )
    margin: float = Field(
        0.1,
        ge=0,
        le=2,
        description="with several rates, rules that cannot come so close to the best score are not pursued",
    )
    seconds: float | None = Field(
        None, gt=0, description="seconds of scoring; what was not reached by then is left out"
    )
