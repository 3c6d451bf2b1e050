"""Interpreter or compiled rules: a small model of what each costs decides, and the choice belongs to the run.

    interpreter    start + runs U (a + b I)
    compiled       arrays (programs C + rules R) + runs U (c + d I)

with I instructions a rule, U updates of one synapse a run (synapses x steps x instances), and the arrays of weights
of the network. The coefficients were
measured (`hebbarium bench choice` measures them again) and are constants of the package: nothing is timed while a
run goes on, so the same configuration makes the same choice on every machine. What was chosen is kept with the run
in place of `auto`, and repeating it from there chooses nothing.
"""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from evolve.config.run_config import RunConfig
from evolve.config.shapes import shapes
from evolve.evaluation.compiled import RULES_PER_PROGRAM

#: Instructions of a typical rule in a search, and the share of children whose formula is new.
TYPICAL, NEW = 8, 0.3


@dataclass(frozen=True)
class Costs:
    """The coefficients, of the population that is evaluated on all cores together."""

    start: float  # s, to trace the interpreter and load it from disk
    interpreted: float  # ns an update
    instruction: float  # ns an update and instruction
    program: float  # s, to compile a program
    rule: float  # s, and for each rule in it
    compiled: float  # ns an update
    operation: float  # ns an update and instruction


#: Measured on two cores (x86-64 with AVX-512), on 64 synapses. A rule is compiled where it has more than some
#: 20 million updates to do: 64 x 100 weights, 10 instances and 3,000 steps are 190 million, the default search 0.2.
COSTS = Costs(
    start=1.0,
    interpreted=6.5,
    instruction=0.2,
    program=0.17,
    rule=0.11,
    compiled=1.1,
    operation=0.02,
)


class Workload(NamedTuple):
    """What is to be done."""

    rules: int  # to compile, if they are compiled
    programs: int  # that hold them
    runs: int  # a rule at one learning rate on all instances is one run
    updates: float  # of one run
    arrays: int = 1  # of weights; each is compiled on its own
    instructions: float = TYPICAL


class Choice(NamedTuple):
    """The engine, and the seconds that were estimated."""

    engine: str
    interpreter: float
    compiled: float
    requested: str = "auto"

    def __str__(self) -> str:
        """What was decided and why, for a person; the estimates only compare and are no forecast."""
        what = {"interpreter": "the interpreter runs", "compiled": "compiled programs run"}
        if self.requested != "auto":
            return f"{what[self.engine]} the rules, as requested"
        least, most = sorted((self.interpreter, self.compiled))
        return f"{what[self.engine]} the rules: the other way is estimated to cost {most / least:.2g} times as much"


def choose_engine(work: Workload, requested: str = "auto", costs: Costs = COSTS) -> Choice:
    """The cheaper engine, or the one that was requested."""
    updates = 1e-9 * work.runs * work.updates
    interpreter = costs.start + updates * (
        costs.interpreted + costs.instruction * work.instructions
    )
    compiled = work.arrays * (costs.program * work.programs + costs.rule * work.rules) + updates * (
        costs.compiled + costs.operation * work.instructions
    )
    cheaper = "interpreter" if interpreter <= compiled else "compiled"
    return Choice(cheaper if requested == "auto" else requested, interpreter, compiled, requested)


def size(config: RunConfig, instances: int) -> tuple[float, int]:
    """Updates of one rule on so many instances per setting, and the arrays of weights."""
    found = shapes(config)
    return float(sum(s.updates for s in found) * instances), max(s.arrays for s in found)


def search_work(config: RunConfig) -> Workload:
    """What a search has to do, if all of its new formulas learned on all instances."""
    variation, generations = config.variation, config.stop.generations
    new = NEW * variation.islands * variation.children
    rules, programs = max(1, round(new * generations)), ceil(new / RULES_PER_PROGRAM) * generations
    return Workload(rules, programs, rules, *size(config, config.instances.train))


def decide(config: RunConfig) -> tuple[RunConfig, Choice]:
    """Put the engine that a search is to use in the place of `auto`."""
    choice = choose_engine(search_work(config), config.engine)
    return config.model_copy(update={"engine": choice.engine}), choice
