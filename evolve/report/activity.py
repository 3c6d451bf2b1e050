"""What a champion's network does on a test instance, beside the rival's and before learning, as pictures.

A family declares what there is to look at (`tasks.base.View`); here the network is run once more for each rule, and
drawn.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from matplotlib.figure import Figure

from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import Arena, with_chip
from evolve.report import figures_activity as pictures
from evolve.running.result import Result
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.hardware import as_implemented, violations
from substrate.networks.base import is_compatible
from substrate.rule import Rule
from substrate.simulate import Episode, Trace, simulate
from tasks.base import Setting, View


def scenes(result: Result) -> dict[str, Figure]:
    """Pictures of the champion and the family's rival on the first test instance of the last setting, by name."""
    config = result.config
    arena = Arena(config.family, config.task_options, config.seed, "test", 1, config.profile)
    setting = arena.settings[-1]
    if setting.views is None:
        return {}
    episode = jax.tree.map(lambda a: jnp.asarray(a[0][..., :1, :]), arena.episodes[-1])
    stages = {"before": None, "champion": result.champion.rule, **_rival(config, arena)}
    found: dict[str, dict[str, View]] = {}
    for stage, rule in stages.items():
        trace = _trace(setting, rule, episode)
        for name, view in setting.views.show(episode, trace).items():
            found.setdefault(name, {})[stage] = view
    return {name: _figure_of(views) for name, views in found.items()}


def _rival(config: RunConfig, arena: Arena) -> dict[str, Rule]:
    """The family's rival in the form that the chip runs; nothing if the network or the chip cannot run it."""
    rule = RULES[config.family.rival]
    if not is_compatible(rule, arena.observables) or violations(config.profile, rule):
        return {}
    return {rule.name: as_implemented(config.profile, rule)}


def _trace(setting: Setting, rule: Rule | None, episode: Episode) -> Trace:
    """The state and readings after learning by a rule; without a rule, those before learning."""
    assert setting.views is not None, "seen by the caller"
    reading = setting.views.reading or setting.reading
    plasticity = with_chip(setting, lower(rule or RULES["frozen"]), episode)

    def run(episode: Episode, rate: Array) -> Any:
        if rule is None:
            state = setting.network.init(plasticity, episode.w0)
            return Trace(state, reading.start(episode, state), jnp.ones((1, 1), bool))
        return simulate(setting.network, plasticity, episode, rate, reading, 1)

    return jax.jit(run)(episode, jnp.full((1, 1), setting.rate, jnp.float32))


def _figure_of(views: dict[str, View]) -> Figure:
    """One figure for the views of one name, before learning and after it by each rule."""
    view = next(iter(views.values()))
    shown = {stage: v.shown for stage, v in views.items()}
    learned = {stage: s for stage, s in shown.items() if stage != "before"}
    if view.kind == "weights":
        return pictures.weight_matrices(shown)
    if view.kind == "similarity":
        return pictures.similarities(shown)
    labels = (view.axes[0] or "time (ms)", view.axes[1] or "neuron")
    if view.kind == "raster":
        return pictures.raster(learned, view.dt, view.start, labels)
    assert view.model is not None, "a replay has a model"
    return pictures.replay(view.model, learned, view.dt, labels, view.title, view.marks)
