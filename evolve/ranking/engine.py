"""The engine of a ranking: chosen as that of a search, by what a person asks for or by estimate."""

from evolve.config.engine_choice import Choice, Workload, choose_engine, size
from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import Arena
from evolve.evaluation.compiled import Compiled
from evolve.evaluation.evaluator import Evaluator
from evolve.evaluation.interpreter import Interpreter
from substrate.compilation.interpreter import Machine

#: What the interpreter of a ranking can run; it compiles all other rules.
MACHINE = Machine(("pre", "post", "w"), ("add", "sub", "mul"))


def choose(
    config: RunConfig, rules: int, instances: int, tune_rate: bool = False, networks: int = 1
) -> Choice:
    """The engine that measures so many rules.

    Parameters
    ----------
    networks
        How often every rule is measured: twice if it runs on the ideal network and on a chip.
    """
    # Tuning has two rounds and costs as much as the test.
    times, runs = (3, 2) if tune_rate else (1, 1)
    work = Workload(
        times * rules * networks,
        times * networks,
        runs * rules * networks,
        *size(config, instances),
    )
    return choose_engine(work, config.engine)


def build(choice: Choice, arena: Arena, capacity: int = 64) -> Evaluator:
    """The evaluator of a choice, on one arena."""
    if choice.engine == "compiled":
        return Compiled([arena])
    return Interpreter(arena, MACHINE, capacity)
