"""An individual of a search: a genome, what it expresses and what it is worth."""

from deap import base

from evolve.search.genome import Genome, Phenotype


class Fitness(base.Fitness):
    """One objective, to be maximised."""

    weights = (1.0,)


class Individual:
    """A genome, what it expresses and what it is worth."""

    __slots__ = ("fitness_", "genome", "phenotype", "score_")

    def __init__(self, genome: Genome, phenotype: Phenotype, score: float | None = None) -> None:
        self.genome, self.phenotype, self.score_ = genome, phenotype, score
        self.fitness_: base.Fitness | None = None

    @property
    def scored(self) -> bool:
        """Whether it has a score yet."""
        return self.score_ is not None

    @property
    def score(self) -> float:
        """Training fitness."""
        assert self.score_ is not None, "ask `scored` first"
        return self.score_

    @property
    def fitness(self) -> base.Fitness:
        """The score as DEAP's selection and archives want it."""
        if self.fitness_ is None:
            self.fitness_ = Fitness((self.score,))
        return self.fitness_

    @property
    def size(self) -> int:
        """Number of operations expressed."""
        return len(self.phenotype.graph.nodes)

    def __deepcopy__(self, memo: object) -> "Individual":
        """DEAP's archives copy what they keep; nothing here is ever changed in place."""
        return self
