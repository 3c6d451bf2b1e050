"""What is measured: the published PCA search, random rules on its data, and how much of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evolve.config.run_config import RunConfig
from evolve.config.settings import merge, validated
from evolve.evaluation.arena import Arena
from evolve.evaluation.interpreter import Interpreter
from evolve.search.genome import express, random_genome
from substrate.compilation.graph import Graph

#: The published search (`runs/mettler2021_pca.toml`), but for columns, fitness, stop and seed.
PUBLISHED: dict[str, Any] = {
    "task": "pca",
    "rates": "fixed",
    "options": {
        "dimensions": [2],
        "statistics": ["spd"],
        "start": "random",
        "samples": 1800,
        "held_out": 200,
        "rate": 0.01,
        "exponent": 2,
    },
    "genes": {"terminals": ["pre", "w", "post"], "primitives": ["sub", "mul"]},
    "variation": {
        "survey": 0,
        "islands": 1,
        "parents": 1,
        "children": 4,
        "mutation": "gene",
        "rate": 0.05,
    },
    "instances": {"train": 10},
}


@dataclass(frozen=True)
class Sizes:
    """How much is measured; a search is its columns, and its generations alone and together with others."""

    repeats: int = 5
    rules: int = 512  # on the published data
    wide_rules: int = 128  # on 20 data sets x 10 inputs x 2,000 samples
    alone: int = 32  # rules that are also compiled on their own
    samples: int = 1800
    wide_samples: int = 2000
    layer: tuple[int, int, int] = (784, 100, 200)  # inputs, outputs, steps
    searches: tuple[tuple[int, int, int], ...] = ((20, 1000, 300), (1000, 200, 30))  # see below
    fitness: tuple[str, ...] = ("variance", "angle")
    together: int = 64
    seeds: int = 5  # of the searches for Oja's level
    to_oja: int = 200  # generations that each has
    default: dict[str, Any] = field(default_factory=dict)  # laid over the default one of these
    starts: int = 3
    start: tuple[str, ...] = ()  # further words of the command that is started


FULL = Sizes()
QUICK = Sizes(
    repeats=3,
    rules=256,
    fitness=("variance",),
    searches=((20, 500, 100), (1000, 50, 10)),
    seeds=2,
    starts=1,
)


def published(sizes: Sizes, seed: int = 1, **more: Any) -> RunConfig:
    """The published search with other settings laid over it, such as `genes={"columns": 20}`."""
    settings = merge(PUBLISHED, {"seed": seed, "options": {"samples": sizes.samples}})
    return validated(RunConfig, merge(settings, more), "Benchmark")


def wide(sizes: Sizes) -> RunConfig:
    """The same kind of data with 20 sets, 10 inputs and 2,000 samples."""
    options = {"dimensions": [10], "samples": sizes.wide_samples}
    return published(sizes, options=options, instances={"train": 20})


def updates(config: RunConfig) -> int:
    """Synapse updates of one rule: data sets times inputs times samples."""
    options: Any = config.task_options
    return config.instances.train * sum(options.dimensions) * int(options.samples)


def words(config: RunConfig) -> str:
    """The size of the data for people."""
    options: Any = config.task_options
    return f"{config.instances.train} sets x {sum(options.dimensions)} x {options.samples}"


def training(config: RunConfig) -> Arena:
    """The instances that a search sees."""
    return Arena(config.family, config.task_options, config.seed, "train", config.instances.train)


def random_rules(config: RunConfig, count: int, interpreter: Interpreter) -> list[Graph]:
    """Different random rules of 5 to 9 operations that stay finite on the interpreter's instances.

    A rule that diverges ends early and would pass for a fast one.
    """
    rng = np.random.default_rng(0)
    grid = config.model_copy(update={"genes": config.genes.model_copy(update={"columns": 20})}).grid
    met: set[tuple[int, ...]] = set()
    kept: list[Graph] = []
    while len(kept) < count:
        batch: list[Graph] = []
        while len(batch) < count:
            phenotype = express(grid, random_genome(grid, rng))
            if phenotype.key not in met and 5 <= len(phenotype.graph.nodes) <= 9:
                met.add(phenotype.key)
                batch.append(phenotype.graph)
        kept += _finite(batch, interpreter)
    return kept[:count]


def _finite(graphs: Sequence[Graph], interpreter: Interpreter) -> list[Graph]:
    scores = interpreter.score([interpreter.schedule(g) for g in graphs])
    return [g for g, bad in zip(graphs, scores.diverged, strict=True) if not bad]
