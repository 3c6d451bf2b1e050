"""What `hebbarium run` does: search with a log in the store, and write down what was found."""

import csv
import io
import platform
import shutil
import subprocess
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from evolve.commands.rank import find_rule
from evolve.config.engine_choice import Choice, decide
from evolve.config.run_config import RunConfig
from evolve.evaluation.arena import Arena, mounted
from evolve.exports import export
from evolve.expressions.symbolic import text
from evolve.ranking.compare import difference
from evolve.report.front_table import equations, front_rows, markdown
from evolve.running.loop import run
from evolve.running.parallel_seeds import run_spread
from evolve.running.result import Progress, Result
from evolve.tracking.run_log import PAUSE, RunLog
from evolve.tracking.store import Store
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.devices import configure
from substrate.rule import FORWARD, Rule
from substrate.simulate import Episode, trajectory
from tasks.base import Setting

#: Points a metric of a run among several: each costs a tenth of a millisecond, as much as to evaluate a rule.
POINTS = 40


class View:
    """Where a person sees a run; the default shows nothing."""

    def generation(self, progress: Progress) -> None:
        """One generation is done."""

    def phase(self, name: str) -> None:
        """What happens now."""


class Recorder:
    """Passes a run on to the store and to a view.

    Parameters
    ----------
    every
        Generations between those that are logged; the first and every better one are logged besides.
    """

    def __init__(self, log: RunLog, view: View, every: int = 1) -> None:
        self.log, self.view, self.every = log, view, every
        self.best = -float("inf")

    def phase(self, name: str) -> None:
        """Show it; a phase is no metric."""
        self.view.phase(name)

    def generation(self, progress: Progress) -> None:
        """Show a generation and log its numbers."""
        self.view.generation(progress)  # before the log, which may have to be opened
        tally = progress.tally
        numbers = {
            "best": tally.best,
            "median": tally.median,
            "evaluations": progress.evaluations,
            "cached_share": tally.cached / tally.children,
            "silent_share": tally.silent / tally.children,
            "diverged_share": tally.diverged / tally.children,
            "seconds": progress.seconds,
        }
        if progress.generation % self.every == 0 or tally.best > self.best:
            self.log.metrics(progress.generation, numbers)
        self.best = tally.best


def launch(config: RunConfig, folder: Path, view: View) -> tuple[str, Result]:
    """Run a configuration with everything recorded in the store of a folder."""
    configure()
    start = config.variation.start
    founder = find_rule(start, Store(folder)) if start is not None else None
    config, choice = decide(config)
    view.phase(f"engine: {choice}")
    with Store(folder, write=True, late=True) as store:
        name = f"{config.task}-{config.seed}"
        tags = {**_tags(config), **_engine(choice)}
        with store.begin(config.task, name, config.flat(), tags, late=True) as log:
            result = run(config, Recorder(log, view), founder)
            view.phase("writing artifacts")
            _record(log, result)
            log.finish("stopped" if result.stopped else "finished")
    return log.id, result


def launch_seeds(
    config: RunConfig, seeds: int, folder: Path, view: View
) -> tuple[list[str], list[Result]]:
    """Run a configuration with several seeds, from its own on; their searches advance together, on every core.

    Every seed is a run of its own in the store, without pictures and with some `POINTS` points a metric.
    """
    configure()
    config, choice = decide(config)
    view.phase(f"engine: {choice}")
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
        recorders = [Recorder(log, view if i == 0 else View(), every) for i, log in enumerate(logs)]
        results = run_spread(configs, recorders, founder)
        view.phase("writing artifacts")
        for log, result in zip(logs, results, strict=True):
            _record(log, result, pictures_too=False)
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
        "engine.asked": choice.asked,
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


def _record(log: RunLog, result: Result, pictures_too: bool = True) -> None:
    """Write the artifacts and the final numbers of a run."""
    rule, row = result.champion.rule, result.champion_row
    provenance = {
        "run": log.id,
        "task": result.config.task,
        "seed": str(result.config.seed),
        "test score": f"{row.score:.4f} [{row.low:.4f}, {row.high:.4f}], n = {row.n}",
    }
    for target, name in (
        ("python", "champion.py"),
        ("json", "champion.json"),
        ("latex", "champion.tex"),
    ):
        log.text(name, export(rule, target, provenance))
    log.text("front.csv", front_csv(result))
    log.text("summary.md", summary(log.id, result))
    if pictures_too:
        _draw(log, result)
    final = {"test_score": row.score, "test_low": row.low, "test_high": row.high}
    log.metrics(result.history[-1].generation, {**final, "complexity": result.champion.operators})
    log.tags({"champion": text(rule.changes["forward"]), "score": f"{row.score:.6f}"})


def _draw(log: RunLog, result: Result) -> None:
    """The pictures of a run."""
    from evolve.report import figures_run  # late: Matplotlib takes a second

    best = [p.tally.best for p in result.history]
    median = [p.tally.median for p in result.history]
    log.figure("curve.png", figures_run.fitness_curve(best, median, _known(result)))
    points = [(c.operators, c.validation, text(c.rule.changes[FORWARD])) for c in result.front]
    chosen = result.front.index(result.champion)
    log.figure("front.png", figures_run.pareto_front(points, chosen, {}))
    curves = _curves(result)
    if curves:
        log.figure(
            "trajectories.png", figures_run.trajectories(curves, "on test instances", every=10)
        )
    try:
        from evolve.report.activity import scenes

        for name, figure in scenes(result).items():
            log.figure(f"{name}.png", figure)
    except Exception as error:  # a run that has found something is not lost for a picture
        log.text("pictures.txt", f"Some pictures are missing: {type(error).__name__}: {error}\n")


def _known(result: Result) -> dict[str, float]:
    return {name: score for name, score in result.reference.items() if name != "frozen"}


def front_csv(result: Result) -> str:
    """The candidates by score and complexity as CSV; those that are not on the front have no gain."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ("operators", "training_score", "validation_score", "on_front", "gain_per_operator")
    writer.writerow([*columns, "chosen", "expression"])
    rows = {id(row.candidate): row for row in front_rows(result.front, result.champion)}
    for c in sorted(result.front, key=lambda c: (c.operators, -c.validation)):
        row = rows.get(id(c))
        gain = "" if row is None or row.gain is None else f"{row.gain:.6f}"
        marks = ("yes" if row else "", gain, "yes" if c is result.champion else "")
        scores = f"{c.training:.6f}", f"{c.validation:.6f}"
        writer.writerow([c.operators, *scores, *marks, equations(c.rule)])
    return out.getvalue()


def summary(run_id: str, result: Result) -> str:
    """The run on one page, in Markdown."""
    lines = [
        f"# {result.config.task}, seed {result.config.seed}",
        "",
        f"Run `{run_id}`, {'stopped' if result.stopped else 'finished'} after "
        f"{result.history[-1].generation} generations, {result.evaluations} evaluated rules and "
        f"{result.seconds:.1f} s of search.",
        "",
        *(f"    {k} = {text(e)}" for k, e in result.champion.rule.equations.items()),
        "",
        f"Test instances: {result.champion_row.n}, none of which the search or the choice has seen.",
        "",
        "| rule | score | 95 % interval | minus champion | p |",
        "|---|---|---|---|---|",
    ]
    for row in result.rows:
        gap = difference(row, result.champion_row)
        lines.append(
            f"| {row.rule} | {row.score:.3f} | {row.low:.3f} to {row.high:.3f} "
            f"| {gap.mean:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}) | {gap.p:.2g} |"
        )
    if result.chips is not None:
        config = result.chips.config
        lines += ["", f"On {config.profile.chips} held-out chips, {config.hardware}:", ""]
        lines += ["| rule | ideal | on chip | retained | operations |", "|---|---|---|---|---|"]
        lines += [
            f"| {r.ideal.rule} | {r.ideal.score:.3f} | {r.chip.score:.3f} | {r.retained:.0%} "
            f"| {r.cost.operations:.3g} |"
            for r in result.chips.rows
            if r.chip is not None
        ]
    lines += ["", "What length gains, on validation instances:", ""]
    lines += markdown(front_rows(result.front, result.champion))
    return "\n".join(lines) + "\n"


def _curves(result: Result) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Angle to the component in degrees and norm, (step, instance), of champion and rival on test instances."""
    config = result.config
    arena = Arena(config.family, config.task_options, config.seed, "test", 10, config.profile)
    if "component" not in arena.episodes[-1].target:
        return {}
    episode: Episode = jax.tree.map(lambda a: jnp.asarray(a[0]), arena.episodes[-1])
    setting_ = arena.settings[-1]
    component = np.asarray(episode.target["component"])
    curves = {}
    for rule in (result.champion.rule, RULES[config.family.rival]):
        rate = jnp.full((1, 1), setting_.rate, jnp.float32)
        path = jax.jit(partial(_path, setting_, rule))
        w = np.asarray(path(episode, rate))[:, 0, :, :, 0]  # (step, n, K)
        norm = np.linalg.norm(w, axis=1)
        cosine = np.abs((w * component[None, :, :, 0]).sum(axis=1)) / np.maximum(norm, 1e-30)
        curves[rule.name] = (np.degrees(np.arccos(np.clip(cosine, 0, 1))), norm)
    return curves


def _path(setting_: Setting, rule: Rule, episode: Episode, rate: Array) -> Array:
    """Every tenth weight matrix of a rule's learning, on the setting's chip if it has one."""
    plasticity = mounted(setting_, lower(rule), episode)
    return trajectory(setting_.network, plasticity, episode, rate, every=10)
