"""What a task is: a family of instances, drawn from a distribution, with a score whose 0 and 1 are defined.

0 is what the network scores when it does not learn (measured with the rule `frozen` on the same instances), 1 is
the best known solution (`ceiling`). A family may have several settings, such as input dimensions; each is one
shape of network, compiled once, and they count equally.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax import Array
from pydantic import BaseModel, ConfigDict

from substrate.hardware import Profile
from substrate.networks.base import Network
from substrate.rule import Rule
from substrate.simulate import Episode, Reading, Trace

#: Streams without common instances: a search scores rules on the first, a champion is chosen on the second, and
#: printed scores are measured on the third.
SPLITS = ("train", "validation", "test")

#: Distance between the numbers of data sets of different splits.
APART = 10**9


class Instance(NamedTuple):
    """One task instance as plain arrays."""

    drive: Any  # (step, pre), or a tree of arrays that begin with the step
    w0: Any  # (post, pre), or a tree
    target: dict[str, np.ndarray]
    shared: Any = None  # what every step may read whole: a tree of arrays, the same for all rules


class Outcome(NamedTuple):
    """What learning was worth, per lane."""

    quality: Array  # (K, P), in the task's own unit
    ceiling: Array  # broadcasts to quality: the quality of the best known solution
    metrics: dict[str, Array]  # (K, P) each, for people


class Draw(NamedTuple):
    """Where an instance comes from.

    `place` counts the instances of a split, so that a family can balance its kinds. `number` is for data sets that
    are published by number: the seed plus the place, far apart for different splits.
    """

    rng: np.random.Generator
    split: str
    place: int
    number: int


class View(NamedTuple):
    """What a picture shows of a network on one instance, as plain arrays."""

    kind: Literal["raster", "replay", "similarity", "weights"]
    shown: np.ndarray  # (time, row) of spikes or activity, (pattern, neuron), or (post, pre)
    model: np.ndarray | None = None  # what a replay is compared with, named by `title`
    title: str = "taught"
    dt: float = 1.0  # length of a step, in the unit of the horizontal axis
    start: float = 0.0  # where the horizontal axis begins
    axes: tuple[str, str] = ("", "")  # labels, where the usual ones do not fit
    marks: tuple[float, ...] = ()  # where on the horizontal axis something happens


def plain(array: Array) -> np.ndarray:
    """The one lane of an array (..., 1, 1), for a view."""
    return np.asarray(array)[..., 0, 0]


class Views(NamedTuple):
    """Pictures of a setting: what to gather while it learns, and what to show of it."""

    show: Callable[[Episode, Trace], Mapping[str, View]]  # lanes are (1, 1); also before learning
    reading: Reading | None = None  # the setting's own if not given


@dataclass(frozen=True)
class Setting:
    """One shape of network and instance.

    >>> import numpy as np
    >>> from evolve import FAMILIES, Draw
    >>> pca = FAMILIES["pca"]
    >>> setting = pca.build(pca.options(dimensions=(2,), samples=100))[0]
    >>> instance = setting.sample(Draw(np.random.default_rng(0), "test", place=0, number=0))
    >>> instance.drive.shape, instance.w0.shape
    ((100, 2), (1, 2))
    """

    name: str
    network: Network
    rate: float
    sample: Callable[[Draw], Instance]
    reading: Reading
    score: Callable[[Episode, Trace], Outcome]
    fixed_rules: Rule | None = None  # for the projections whose rule does not evolve
    profile: Profile | None = None  # the chip that the network runs on; none is ideal
    views: Views | None = None  # for pictures of a run; nothing that is scored depends on it
    bounded: bool = False  # whether no quality is above the ceiling, on any instance


class Options(BaseModel):
    """Base of every family's options: frozen, typed, closed, and with finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def with_defaults(values: Any, key: str, presets: Mapping[str, Mapping[str, Any]]) -> Any:
    """Options with what was not given filled in, as one of them, `key`, says; for validators before all others."""
    if not isinstance(values, Mapping) or not isinstance(values.get(key), str):
        return values
    return {**presets.get(values[key], {}), **values}


@dataclass(frozen=True)
class Family:
    """A task family, as found by discovery.

    Parameters
    ----------
    name
        The name of its file.
    asks, solved, reference
        For people: what the task asks, in so few words that a list shows them on one line beside its name; when it
        counts as solved; where it was published.
    options
        The settings that a user may change, with their defaults.
    build
        Turns options into settings.
    rival
        The known rule whose training score a search is compared with while it runs. F, which a run prints, is the
        sum of a rule's qualities over all training instances.
    baselines
        The known rules that a champion is compared with; all that the networks can run if not given.
    search
        What a search on this family starts from: settings of a run's configuration that replace its defaults.

    >>> from evolve import FAMILIES
    >>> pca = FAMILIES["pca"]
    >>> [setting.name for setting in pca.build(pca.options(dimensions=(2, 5)))]
    ['n=2', 'n=5']
    """

    name: str
    asks: str
    solved: str
    reference: str
    options: type[Options]
    build: Callable[[Any], tuple[Setting, ...]]
    rival: str = "oja"
    baselines: tuple[str, ...] | None = None
    search: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def summary(self) -> str:
        """One line for lists."""
        return self.asks


def draw_instances(
    setting: Setting, where: tuple[int, int], split: str, instances: range
) -> Episode:
    """Draw instances as one episode whose arrays end in (instances, 1).

    Parameters
    ----------
    where
        The seed, and the index of the setting: instance `i` of a split is the same whatever else is drawn.
    """
    seed, index = where
    drawn = []
    for i in instances:
        stream = SPLITS.index(split)
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream, index, i)))
        drawn.append(setting.sample(Draw(rng, split, i, (seed + i + stream * APART) % 2**32)))

    def stack(*arrays: np.ndarray) -> np.ndarray:
        return np.stack(arrays, axis=-1)[..., None].astype(np.float32)

    stacked = (jax.tree.map(stack, *parts) for parts in zip(*drawn, strict=True))
    return Episode(**dict(zip(Instance._fields, stacked, strict=True)))
