"""How long a run takes and how much memory it needs, from the shape of one instance: known before anything is drawn.

The time is a rough guide, within a factor of some three: how many formulas are new and how soon they diverge is not
known. The memory is that of the instances, which are all of one size. What does not fit is refused, with the number
and with what would fit.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from evolve.config.engine_choice import COSTS, TYPICAL, decide, search_work
from evolve.config.run_config import RunConfig
from evolve.config.shapes import InstanceShape, shapes
from evolve.evaluation.arena import INSTANCES_PER_GROUP, common_observables
from rules_zoo import RULES
from substrate.devices import usable_cores
from substrate.errors import UserError
from substrate.memory import in_words, taken, tightest
from substrate.networks.base import is_compatible

#: What a process needs without any instance [bytes]: address space, for itself and for every core, and memory.
#: Measured with JAX 0.10 on Linux: 2.32 GB and .77 GB on two cores, where nothing had to be compiled.
ADDRESS_SPACE, ADDRESS_SPACE_OF_CORE, MEMORY = 1.9e9, 0.3e9, 0.75e9
#: Copies of an instance that are held besides one on every device: the one that was drawn, and for rules compiled on
#: their own one with the groups side by side. In four runs on two cores the sum was within a fifth of the truth.
DRAWN, SIDE_BY_SIDE = 1, 1
#: While they are drawn, instances of a group are held in float64 and stacked, and all groups once more.
DRAWING, DRAWING_GROUP = 2, 5 * INSTANCES_PER_GROUP
#: Of several searches that end together, bytes of instances that are held at a time.
HELD = 100_000_000

#: Shares of the new formulas that a search is estimated to meet, and of the updates that they make: many diverge, and
#: where no score is above the ceiling most are dropped in the race.
MET, LEARNED, RACED = 0.4, 0.4, 0.1
#: Seconds of a generation, and of each of its children, for anything but learning.
GENERATION, CHILD = 3e-3, 2e-5
#: Rules that stand on validation instances, and seconds to simplify the best and to write a run down.
CANDIDATES, WRITING = 25, 4.0


@dataclass(frozen=True)
class Forecast:
    """What a run is expected to take."""

    engine: str
    compile: float  # s, to draw the training instances and compile the engine
    search: float  # s
    finish: float  # s, to choose the champion, measure it beside known rules and write the run down
    bytes: int  # of memory, with those that the process has taken already

    @property
    def seconds(self) -> float:
        """All together."""
        return self.compile + self.search + self.finish


def forecast(config: RunConfig, searches: int = 1) -> Forecast:
    """What a run takes on this machine, or several that differ by their seed and go on together.

    Raises
    ------
    UserError
        If a single instance does not fit into memory.
    """
    found, work, variation = shapes(config), search_work(config), config.variation
    engine = decide(config)[1].engine
    one = 1e-9 * sum(s.updates for s in found)  # billions of updates of a rule on an instance
    drawing = searches * sum(s.seconds for s in found)
    interpreted = COSTS.interpreted + COSTS.instruction * TYPICAL
    compiled = COSTS.compiled + COSTS.operation * TYPICAL
    compiling, learning = COSTS.start, interpreted
    search = (
        searches
        * config.stop.generations
        * (GENERATION + CHILD * variation.islands * variation.children)
    )
    if engine == "compiled":
        compiling, learning = 0.0, compiled
        programs = COSTS.program * work.programs + COSTS.rule * work.rules
        search += searches * MET * work.arrays * programs
    races = engine == "interpreter" and all(s.bounded for s in config.settings)
    learned = RACED if races else LEARNED
    search += searches * learned * work.rules * one * config.instances.train * learning
    if config.stop.seconds is not None:
        search = min(search, config.stop.seconds)
    return Forecast(
        engine=engine,
        compile=compiling + drawing * config.instances.train,
        search=search,
        finish=_finish(config, searches, found, one, learning, compiled),
        bytes=int(MEMORY + _run_need(config, searches)(config.instances.model_dump(), 1.0)),
    )


def _finish(
    config: RunConfig,
    searches: int,
    found: tuple[InstanceShape, ...],
    one: float,
    learning: float,
    compiled: float,
) -> float:
    """Seconds from the last generation to the end."""
    counts, variants = config.instances, 1 if config.profile.ideal else 3
    observables = common_observables(config.settings)
    names = RULES if config.family.baselines is None else config.family.baselines
    known = sum(is_compatible(RULES[name], observables) for name in names)
    arrays = max(s.arrays for s in found)
    seconds = len(found) * arrays * known * COSTS.rule
    each = sum(s.seconds for s in found) * (counts.validation + variants * counts.test)
    each += CANDIDATES * one * counts.validation * learning
    each += variants * (1 + known) * one * counts.test * compiled
    if config.tuned:
        seconds += config.tuned * len(found) * 10 * COSTS.rule * arrays
        each += config.tuned * config.constants.budget * one * counts.train * compiled
    return WRITING * searches + seconds + searches * each


class Need(NamedTuple):
    """What to ask for: memory as a function of the numbers of instances and of the size of an instance."""

    who: str
    counts: Mapping[str, int]
    bytes: Callable[[Mapping[str, int], float], float]  # the size is a factor on that of today
    flag: Callable[[str, int], str]  # how a person gives a number of instances


def require_room(config: RunConfig, searches: int = 1) -> None:
    """Refuse a run whose instances do not fit into the memory that this process can have.

    Raises
    ------
    UserError
        With what it needs, what there is, and what would fit.
    """
    many = "This run needs" if searches == 1 else f"These {searches} runs need"

    def flag(split: str, count: int) -> str:
        return f"--set instances.{split}={count}"

    counts = config.instances.model_dump()
    _require(config, Need(many, counts, _run_need(config, searches), flag))


def require_room_to_rank(config: RunConfig, instances: int, tune_rate: bool) -> None:
    """The same for a ranking on so many test instances."""
    counts = {"test": instances, **({"train": config.instances.train} if tune_rate else {})}
    networks = 1 if config.profile.ideal else 2

    def need(counts: Mapping[str, int], size: float) -> float:
        one = size * sum(s.bytes for s in shapes(config))
        copies = networks * (DRAWN + usable_cores() + SIDE_BY_SIDE)
        return max(copies * one * sum(counts.values()), _to_draw(config, counts, size))

    def flag(split: str, count: int) -> str:
        return f"--instances {count}" if split == "test" else f"--set instances.{split}={count}"

    _require(config, Need("This ranking needs", counts, need, flag))


def _run_need(config: RunConfig, searches: int) -> Callable[[Mapping[str, int], float], float]:
    """Bytes of the instances of a run, at the moment when most are held."""
    devices = usable_cores() if searches == 1 else 1
    networks = 1 if config.profile.ideal else 2

    def need(counts: Mapping[str, int], size: float) -> float:
        one = sum(s.bytes for s in shapes(config))

        def held(split: str) -> float:
            arena = one * size * counts[split]
            return arena * max(1, min(searches, HELD // max(arena, 1)))

        trained = searches * one * size * counts["train"] * (DRAWN + devices)
        chosen = held("validation") * (DRAWN + devices)
        tested = held("test") * networks * (DRAWN + devices + SIDE_BY_SIDE)
        return max(trained + max(chosen, tested), _to_draw(config, counts, size))

    return need


def _to_draw(config: RunConfig, counts: Mapping[str, int], size: float) -> float:
    """Bytes that are taken while the largest set of instances is drawn."""
    found, most = shapes(config), max(counts.values())
    whole, largest = sum(s.bytes for s in found), max(s.bytes for s in found)
    return size * (most * (whole + (DRAWING - 1) * largest) + DRAWING_GROUP * largest)


def _require(config: RunConfig, need: Need) -> None:
    start = _shortage(0.0)
    if (
        start is not None
    ):  # before an instance is drawn: libraries that run out of memory end the process
        raise UserError(
            f"The engine needs another {in_words(start[1])} of memory to start on {usable_cores()} cores, and "
            f"{in_words(start[0])} can be had: {start[2]}. Raise the limit."
        )
    short = _shortage(need.bytes(need.counts, 1.0))
    if short is None:
        return
    room, asked, limit = short
    found = shapes(config)
    sizes = ", ".join(in_words(s.bytes) for s in found)
    counts = ", ".join(f"{n} {split}" for split, n in need.counts.items())
    message = (
        f"{need.who} {in_words(asked)} of memory for its instances ({counts}, of {sizes} each by setting), and "
        f"{in_words(room)} can be had: {limit}. "
    )
    fewer = next((c for c in _fewer(need.counts) if _shortage(need.bytes(c, 1.0)) is None), None)
    if fewer is not None:
        changed = [need.flag(k, n) for k, n in fewer.items() if n != need.counts[k]]
        raise UserError(f"{message}What would fit: {' '.join(changed)}.")
    least = {split: INSTANCES_PER_GROUP for split in need.counts}
    share = _largest(lambda size: _shortage(need.bytes(least, size)) is None)
    largest = in_words(share * max(s.bytes for s in found))
    raise UserError(
        f"{message}What would fit: {INSTANCES_PER_GROUP} instances each of at most {largest}, so fewer inputs or "
        f"steps among the options of the task; see `hebbarium tasks {config.task}`."
    )


def _shortage(instances: float) -> tuple[float, float, str] | None:
    """What can be had, what is asked for and the limit, all in bytes and words; None if instances of so many fit."""
    reserved, used = taken()
    address_space = ADDRESS_SPACE + ADDRESS_SPACE_OF_CORE * usable_cores()
    reserve = max(0.0, address_space - reserved) + instances
    short = tightest(int(reserve), int(max(0.0, MEMORY - used) + instances))
    return None if short is None else (short[0].bytes, short[1], short[0].limit)


def _fewer(counts: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Ever fewer instances, in full groups: those that only measure go first, and training instances last."""
    train = {k: n for k, n in counts.items() if k == "train"}
    others = {k: n for k, n in counts.items() if k != "train"}
    for part, rest in ((others, train), (train, dict.fromkeys(others, INSTANCES_PER_GROUP))):
        for percent in range(90, -1, -10):
            fewer = {k: _whole_groups(n * percent // 100) for k, n in part.items()}
            yield {k: {**rest, **fewer}[k] for k in counts}


def _whole_groups(count: int) -> int:
    return max(1, count // INSTANCES_PER_GROUP) * INSTANCES_PER_GROUP


def _largest(fits: Callable[[float], bool]) -> float:
    """The largest factor up to 1 that fits."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def in_time(seconds: float) -> str:
    """A duration in the unit that suits it."""
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.2g} s"
