"""One frozen configuration a run: from defaults, a TOML file and flags, in that order.

Every field is a parameter in MLflow and a key of the TOML file; the most used ones are flags. Whatever a person can
get wrong is refused here, before anything runs.
"""

from collections.abc import Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from evolve.config.own_parts import recorded, require_loaded
from evolve.config.settings import merge, validated
from evolve.expressions.naming import require_few, require_name
from evolve.search.variation import Variation
from substrate.errors import UserError, unknown
from substrate.rule import FORWARD, Slow
from substrate.vocabulary import VOCABULARY, require_observables

if TYPE_CHECKING:  # imported late: a script that names a configuration should not wait for JAX
    from evolve.search.genome import Grid, Phenotype
    from substrate.compilation.interpreter import Machine
    from substrate.compilation.polynomials import Polynomials
    from substrate.hardware import Profile
    from tasks.base import Family, Options, Setting

#: Total degrees of polynomials by their number of terminals: at most 126 coefficients.
DEGREES = {1: (6,), 2: (3, 6), 3: (3, 6), 4: (3, 5)}
Engine = Literal["auto", "interpreter", "compiled"]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]


class Closed(BaseModel):
    """Frozen, with no unknown keys and only finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Genes(Closed):
    """What rules are made of."""

    equations: tuple[str, ...] = Field(
        ("dw",),
        min_length=1,
        description="what evolves: dw, or dw_PROJECTION of several, such as dw_on_pre and dw_on_post",
    )
    terminals: tuple[str, ...] = Field(
        ("pre", "post", "w"),
        description="observables that a rule may read; see `hebbarium observables`",
    )
    constants: tuple[Finite, ...] = Field((), description="fixed numbers a rule may use")
    evolved_constants: int = Field(
        0, ge=0, le=16, description="constants each genome carries and mutates"
    )
    slow: tuple[str, ...] = Field(
        (), description="slow variables, one per synapse, whose rates evolve too"
    )
    primitives: tuple[str, ...] = Field(
        ("add", "sub", "mul"), min_length=1, description="functions that a rule may compute"
    )
    columns: int = Field(16, ge=1, le=2000, description="columns of the grid")
    rows: int = Field(1, ge=1, le=100, description="rows of the grid")
    levels_back: int | None = Field(
        None, ge=1, description="columns a node may look back; all if not given"
    )

    @field_validator("primitives")
    @classmethod
    def _known_primitives(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from substrate.functions import PRIMITIVES

        for name in names:
            if name not in PRIMITIVES:
                raise unknown("primitive", name, PRIMITIVES)
        return names

    @field_validator("terminals")
    @classmethod
    def _known_terminals(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in VOCABULARY:
                raise unknown("observable", name, VOCABULARY)
        if not names:
            raise UserError("A rule must read something: `terminals` is empty.")
        return names

    @field_validator("slow")
    @classmethod
    def _free_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        require_few(len(names), "genes.slow")
        for name in names:
            require_name(name, "genes.slow")
            if name in VOCABULARY or names.count(name) > 1:
                raise UserError(
                    f"genes.slow has {name!r}, which is "
                    f"{'an observable' if name in VOCABULARY else 'given twice'}. Rename it."
                )
        return names


class Stop(Closed):
    """When the search ends: whichever comes first."""

    generations: int = Field(200, ge=1, le=10_000_000, description="generations of the search")
    evaluations: int | None = Field(None, ge=1, description="rules evaluated")
    seconds: float | None = Field(
        None, gt=0, description="seconds of search; ends the sameness of repeats"
    )
    score: float | None = Field(None, description="training score, normalised")


class Constants(Closed):
    """Tuning of constants after the search; see evolve/tuning/pipeline.py."""

    best: int | None = Field(
        None,
        ge=0,
        le=100,
        description="rules to tune; if not given, 4 where constants evolve, and none where they do not",
    )
    budget: int = Field(2000, ge=100, description="simulations per rule")
    method: Literal["auto", "gradient", "evolution"] = Field(
        "auto", description="how to climb: by slopes, by an evolution strategy, or by what suits"
    )
    gains: bool = Field(True, description="whether terms without a coefficient get one")
    tolerance: float = Field(1e-3, ge=0, description="score that simple numbers may cost")


class Instances(Closed):
    """Instances per setting of the task; the three sets never meet."""

    train: int = Field(10, ge=10, le=10_000, description="what a search sees")
    validation: int = Field(
        50, ge=10, le=10_000, description="on which the champion is chosen among the best"
    )
    test: int = Field(100, ge=10, le=10_000, description="from which all that is printed comes")


class RunConfig(Closed):
    """Everything that decides what a run finds.

    Raises
    ------
    ValueError
        If a setting is unknown or impossible, or does not suit the task.

    >>> from evolve import RunConfig
    >>> config = RunConfig(task="pca", seed=7, genes={"columns": 20}, stop={"generations": 50})
    >>> config.genes.terminals, config.flat()["variation.islands"]
    (('pre', 'post', 'w'), 64)
    """

    task: str = Field("pca", description="task family; see `hebbarium tasks`")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="decides instances and search")
    hardware: str = Field("ideal", description="chip to learn on; see `hebbarium hardware`")
    admission: Literal["restrict", "penalise"] = Field(
        "restrict",
        description="rules that the chip cannot run: kept out, or scored less for every reason",
    )
    penalty: float = Field(
        0.1, ge=0, le=2, description="score that a reason costs where admission = penalise"
    )
    engine: Engine = Field(
        "auto",
        description="what evaluates rules; auto takes the one that an estimate finds cheaper",
    )
    rates: Literal["fixed", "best"] = Field(
        "fixed",
        description="learning rate that a rule is scored at: the task's, or the best of seven around it, as known "
        "rules then are too; on a chip always the task's",
    )
    options: dict[str, Any] = Field(default_factory=dict, description="options of the task family")
    genes: Genes = Genes()
    variation: Variation = Variation()
    stop: Stop = Stop()
    instances: Instances = Instances()
    constants: Constants = Constants()
    load: tuple[str, ...] = Field(
        default_factory=recorded,
        description="your own files that --load has named, with a hash of each; a record, and no way to load them",
    )

    def __getstate__(self) -> dict[Any, Any]:
        """What is sent to another process: the settings, and nothing that was made from a person's own files."""
        state = super().__getstate__()
        own = type(self).model_fields
        return {**state, "__dict__": {k: v for k, v in state["__dict__"].items() if k in own}}

    @field_validator("load")
    @classmethod
    def _loaded(cls, records: tuple[str, ...]) -> tuple[str, ...]:
        require_loaded(records)
        return records

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_task(cls, given: Any) -> Any:
        from tasks import FAMILIES

        task = given.get("task", "pca") if isinstance(given, dict) else None
        family = FAMILIES.get(task) if isinstance(task, str) else None
        return merge(family.search, given) if family else given

    @model_validator(mode="after")
    def _task(self) -> "RunConfig":
        from evolve.evaluation.arena import common_observables

        available = common_observables(self.settings)
        allowed = {"dw" if p == FORWARD else f"dw_{p}": shown for p, shown in available.items()}
        for name in self.genes.equations:
            if name not in allowed or self.genes.equations.count(name) > 1:
                raise UserError(
                    f"genes.equations has {name!r}, which is "
                    f"{'given twice' if name in allowed else 'no equation of this task'}. "
                    f"The task {self.task!r} has: {', '.join(allowed)}."
                )
            require_observables(
                frozenset(self.genes.terminals), allowed[name], f"The search on {self.task!r}"
            )
        return self

    @model_validator(mode="after")
    def _possible(self) -> "RunConfig":
        from substrate.hardware import admissible

        chip = self.profile  # refuses unknown profiles
        if self.admission == "restrict":
            admissible(chip, self.genes.terminals, self.genes.primitives, self.slow)
        if self.variation.tournament > self.variation.parents:
            raise UserError(
                f"variation.tournament = {self.variation.tournament} compares more parents than there are "
                f"(variation.parents = {self.variation.parents}). Lower it."
            )
        return self

    @classmethod
    def further_keys(cls, given: Mapping[str, Any]) -> list[str]:
        """Names of the settings of a task, which the fields of a configuration do not tell."""
        from tasks import FAMILIES

        task = given.get("task", "pca")
        family = FAMILIES.get(task) if isinstance(task, str) else None
        return [f"options.{name}" for name in family.options.model_fields] if family else []

    @property
    def family(self) -> "Family":
        """The task family."""
        from tasks import FAMILIES

        if self.task not in FAMILIES:
            raise unknown("task", self.task, FAMILIES)
        return FAMILIES[self.task]

    @cached_property
    def task_options(self) -> "Options":
        """The family's options with what was given."""
        return validated(self.family.options, self.options, f"Options of task {self.task!r}")

    @cached_property
    def settings(self) -> "tuple[Setting, ...]":
        """The task's settings; refuses unknown tasks and options."""
        return self.family.build(self.task_options)

    @property
    def profile(self) -> "Profile":
        """The chip."""
        from substrate.hardware import profile

        return profile(self.hardware)

    @property
    def at_best_rate(self) -> bool:
        """Whether every rule is scored at the best of several learning rates."""
        return self.rates == "best" and self.profile.ideal

    @property
    def slow(self) -> tuple[Slow, ...]:
        """Evolved slow variables, without their rates."""
        return tuple(Slow(name, 0, "synapse") for name in self.genes.slow)

    @property
    def grid(self) -> "Grid":
        """The genomes' shape and alphabet."""
        from evolve.search.genome import Grid
        from substrate.compilation.graph import Number

        g = self.genes
        return Grid(
            terminals=(*g.terminals, *g.slow, *map(Number, g.constants)),
            primitives=g.primitives,
            columns=g.columns,
            rows=g.rows,
            levels_back=g.levels_back,
            evolved=g.evolved_constants,
            outputs=(*g.equations, *(f"d_{name}" for name in g.slow)),
            cost=partial(_cost, self.profile, {}) if self.variation.cost else None,
        )

    @property
    def machines(self) -> "tuple[Polynomials | Machine, ...]":
        """What runs these genomes: polynomials, a small machine, and a large one if rules can outgrow it."""
        from substrate.compilation.interpreter import Machine

        g = self.genes
        nodes = g.columns * g.rows
        functions = tuple(dict.fromkeys(("add", "sub", "mul", *g.primitives)))
        small = Machine((*g.terminals, *g.slow), functions, registers=3, segments=16)
        large = small._replace(registers=12, segments=64)
        return (*self._polynomials, *((small,) if nodes <= 32 else (small, large)))

    @property
    def _polynomials(self) -> "tuple[Polynomials, ...]":
        """Polynomials, where rules can be some with integer coefficients; a chip rounds after every operation."""
        from substrate.compilation.polynomials import Polynomials

        g = self.genes
        whole = not g.evolved_constants and all(c == int(c) for c in g.constants)
        terminals = (*g.terminals, *g.slow)
        if self.hardware != "ideal" or not whole:
            return ()
        return tuple(Polynomials(terminals, degree) for degree in DEGREES.get(len(terminals), ()))

    @property
    def tuned(self) -> int:
        """How many rules have their constants tuned."""
        if self.constants.best is None:
            return 4 if self.genes.evolved_constants else 0
        return self.constants.best

    def flat(self) -> dict[str, Any]:
        """Every setting under its dotted name, the task's options filled in."""
        own = self.model_dump(exclude={"options"})
        return _flatten({**own, "options": self.task_options.model_dump()})


def _cost(chip: "Profile", known: dict[object, float], phenotype: "Phenotype") -> float:
    """What an update by a rule costs on a chip; formulas are met again and again, so it is remembered."""
    from substrate.hardware import graph_cost

    key = phenotype.key, len(phenotype.graph.nodes)
    if key not in known:
        known[key] = graph_cost(chip, phenotype.graph)
    return known[key]


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat.update(_flatten(value, f"{name}.") if isinstance(value, dict) else {name: value})
    return flat
