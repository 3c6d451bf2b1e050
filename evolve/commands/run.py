"""What `hebbarium run` does: search with a log in the store, and write down what was found."""

import platform
import shutil
import subprocess
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import jax

from evolve.config.engine_choice import Choice, decide
from evolve.config.forecast import require_room
from evolve.config.run_config import RunConfig
from evolve.report.artifacts import write_artifacts
from evolve.running.log import Recorder, RunView
from evolve.running.loop import run
from evolve.running.parallel_seeds import run_seeds
from evolve.running.result import Result
from evolve.tracking.find_rule import find_rule
from evolve.tracking.run_log import PAUSE
from evolve.tracking.store import Store
from substrate.devices import configure

#: Points a metric of a run among several: each costs a tenth of a millisecond, as much as to evaluate a rule.
POINTS = 40


def launch(config: RunConfig, folder: Path, view: RunView) -> tuple[str, Result]:
    """Run a configuration with everything recorded in the store of a folder."""
    configure()
    require_room(config)
    start = config.variation.start
    founder = find_rule(start, Store(folder)) if start is not None else None
    config, choice = decide(config)
    view.detail(str(choice))
    with Store(folder, write=True, late=True) as store:
        name = f"{config.task}-{config.seed}"
        tags = {**_tags(config), **_engine(choice)}
        with store.begin(config.task, name, config.flat(), tags, late=True) as log:
            result = run(config, Recorder(log, view), founder)
            view.phase("writing artifacts")
            write_artifacts(log, result)
            log.finish("stopped" if result.stopped else "finished")
    return log.id, result


def launch_seeds(
    config: RunConfig, seeds: int, folder: Path, view: RunView
) -> tuple[list[str], list[Result]]:
    """Run a configuration with several seeds, from its own on; their searches advance together, on every core.

    Every seed is a run of its own in the store, without pictures and with some `POINTS` points a metric.
    """
    configure()
    require_room(config, seeds)
    config, choice = decide(config)
    view.detail(str(choice))
    configs = [config.model_copy(update={"seed": config.seed + i}) for i in range(seeds)]
    start = config.variation.start
    founder = find_rule(start, Store(folder)) if start is not None else None
    every = max(1, config.stop.generations // POINTS)
    tags = {**_tags(config), **_engine(choice)}
    with Store(folder, write=True) as store, ExitStack() as stack:
        logs = [
            stack.enter_context(
                store.begin(
                    c.task,
                    f"{c.task}-{c.seed}",
                    c.flat(),
                    {**tags, "seed": c.seed, "seeds": seeds},
                    pause=PAUSE * seeds,
                )
            )
            for c in configs
        ]
        recorders = [
            Recorder(log, view if i == 0 else RunView(), every) for i, log in enumerate(logs)
        ]
        results = run_seeds(configs, recorders, founder)
        view.phase("writing artifacts")
        for log, result in zip(logs, results, strict=True):
            write_artifacts(log, result, pictures_too=False)
            log.finish("stopped" if result.stopped else "finished")
    return [log.id for log in logs], results


def _tags(config: RunConfig) -> dict[str, str]:
    packages = ("hebbarium", "jax", "numpy", "sympy", "deap", "mlflow")
    versions = {f"version.{name}": version(name) for name in packages}
    return {
        "task": config.task,
        "seed": str(config.seed),
        "hardware": config.hardware,
        "git_commit": _commit(),
        "python": platform.python_version(),
        "devices": ", ".join(sorted({d.device_kind for d in jax.devices()})),
        **versions,
    }


def _engine(choice: Choice) -> dict[str, str]:
    """Why the engine among a run's parameters is the one it is."""
    return {
        "engine.requested": choice.requested,
        "engine.interpreter_s": f"{choice.interpreter:.3g}",
        "engine.compiled_s": f"{choice.compiled:.3g}",
    }


def _commit() -> str:
    """The commit of this source tree, marked if it has changes; empty for an installed package."""
    git = shutil.which("git")
    if git is None:
        return ""
    call = [git, "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    answer = subprocess.run(call, capture_output=True, text=True, check=False)
    return answer.stdout.strip()
