"""What `hebbarium run` does: search with a log in the store, and write down what was found."""

import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import jax

from evolve.config.engine_choice import Choice, decide
from evolve.config.forecast import require_room
from evolve.config.run_config import RunConfig
from evolve.report.artifacts import draw_pictures, write_artifacts
from evolve.report.terminal import command
from evolve.running.interrupt import Interrupt
from evolve.running.log import Recorder, RunView
from evolve.running.loop import run
from evolve.running.parallel_seeds import run_seeds
from evolve.running.result import Result
from evolve.tracking.find_rule import find_rule
from evolve.tracking.run_log import PAUSE, RunLog
from evolve.tracking.signals import signals_held
from evolve.tracking.store import Store
from substrate.devices import configure
from substrate.errors import UserError
from tasks import FAMILIES

#: Points a metric of a run among several: each costs a tenth of a millisecond, as much as to evaluate a rule.
POINTS = 40


def launch(config: RunConfig, folder: Path, view: RunView) -> tuple[str, Result]:
    """Run a configuration with everything recorded in the store of a folder.

    Raises
    ------
    UserError
        If the run cannot go on; the message says what is kept of it.
    KeyboardInterrupt
        If a person insists on an end; the view has been told what is kept.
    """
    configure()
    require_room(config)
    start = config.variation.start
    founder = find_rule(start, Store(folder)) if start is not None else None
    config, choice = decide(config)
    view.detail(str(choice))
    name = f"{config.task}-{config.seed}"
    tags = {**run_tags(config), **_engine(choice)}
    with (
        saying_what_is_kept(view, folder) as logs,
        Interrupt().armed() as stop,
        Store(folder, write=True, late=True) as store,
        store.begin(config.task, name, config.flat(), tags, late=True) as log,
    ):
        logs.append(log)
        recorder = Recorder(log, view)
        try:
            result = run(config, recorder, founder, stop)
        finally:
            recorder.searched()
        recorder.phase("writing artifacts")
        write_artifacts(log, result)
        try:
            recorder.phase("drawing pictures")
            draw_pictures(log, result, stop)
        except KeyboardInterrupt:
            log.note("pictures were not drawn: an end was asked for")
        log.attempt("the list of notes in the store", log.flush)
    return log.id, result


def launch_seeds(
    config: RunConfig, seeds: int, folder: Path, view: RunView
) -> tuple[list[str], list[Result]]:
    """Run a configuration with several seeds, from its own on; their searches advance together, on every core.

    Every seed is a run of its own in the store, without pictures and with some `POINTS` points a metric. Seeds that
    were lost with their process are left out of what is returned. Raises as `launch` does.
    """
    configure()
    require_room(config, seeds)
    config, choice = decide(config)
    view.detail(str(choice))
    configs = [config.model_copy(update={"seed": config.seed + i}) for i in range(seeds)]
    start = config.variation.start
    founder = find_rule(start, Store(folder)) if start is not None else None
    every = max(1, config.stop.generations // POINTS)
    tags = {**run_tags(config), **_engine(choice)}
    found: list[tuple[str, Result]] = []
    with (
        saying_what_is_kept(view, folder) as logs,
        Interrupt().armed() as stop,
        Store(folder, write=True) as store,
        ExitStack() as stack,
    ):
        for c in configs:
            log = store.begin(
                c.task,
                f"{c.task}-{c.seed}",
                c.flat(),
                {**tags, "seed": c.seed, "seeds": seeds},
                pause=PAUSE * seeds,
            )
            logs.append(stack.enter_context(log))
        recorders = [
            Recorder(log, view if i == 0 else RunView(), every) for i, log in enumerate(logs)
        ]
        try:
            results = run_seeds(configs, recorders, founder, stop)
        finally:
            for recorder in recorders:
                recorder.searched()
        recorders[0].phase("writing artifacts")
        for c, log, result in zip(configs, logs, results, strict=True):
            if isinstance(result, Exception):
                with signals_held():
                    log.give_up(result)
                log.note(f"seed {c.seed} has no result: {result}")
            else:
                write_artifacts(log, result)
                found.append((log.id, result))
    return [run_id for run_id, _ in found], [result for _, result in found]


@contextmanager
def saying_what_is_kept(view: RunView, folder: Path) -> Iterator[list[RunLog]]:
    """Show the notes of runs at their end; if an error ends them, say what they have found until then.

    The runs are appended to the list that this gives.
    """
    logs: list[RunLog] = []
    try:
        yield logs
    except BaseException as error:
        kept = [log.id[:8] for log in logs if log.found]
        if not kept:
            raise
        take = command("export", kept[0], runs=folder)
        words = f"The best rule until then is kept in run {', '.join(kept)}: {take}"
        if not isinstance(error, Exception):
            view.note(words)
            raise
        what = (
            str(error).rstrip(".")
            if isinstance(error, UserError)
            else f"{type(error).__name__}: {error}"
        )
        raise UserError(f"{what}. {words}") from error
    finally:
        for text in dict.fromkeys(note for log in logs for note in log.notes):
            with suppress(Exception):  # the terminal may be gone
                view.note(text)


def run_tags(config: RunConfig) -> dict[str, str]:
    """What a run was made with, for its tags."""
    packages = ("hebbarium", "jax", "numpy", "sympy", "deap", "mlflow")
    versions = {f"version.{name}": version(name) for name in packages}
    own = {"load": "\n".join(config.load), "task_from": FAMILIES.source(config.task)}
    return {
        **{name: value for name, value in own.items() if value},
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
    """The commit of this source tree, marked if it has changes; empty if this file is not tracked in one.

    An installed package may lie in the folder of somebody else's repository, whose commit says nothing of it.
    """
    git = shutil.which("git")
    if git is None:
        return ""

    def ask(*words: str) -> str:
        call = [git, "-C", str(Path(__file__).parent), *words]
        answer = subprocess.run(call, capture_output=True, text=True, check=False)
        return answer.stdout.strip() if answer.returncode == 0 else ""

    if not ask("ls-files", "--error-unmatch", Path(__file__).name):
        return ""
    return ask("describe", "--always", "--dirty", "--abbrev=12")
