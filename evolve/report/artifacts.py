"""What a run leaves in the store: the champion as text, tables, pictures, final numbers."""

import csv
import io
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from evolve.evaluation.arena import Arena, with_chip
from evolve.exports import export
from evolve.expressions.one_line import equations
from evolve.expressions.symbolic import main_text, text
from evolve.ranking.compare import difference, p_value_text
from evolve.report.display import about_champion, completeness
from evolve.report.front_table import front_rows, markdown
from evolve.running.interrupt import StopSignal
from evolve.running.result import Result
from evolve.tracking.run_log import RunLog, Status
from evolve.tracking.signals import signals_held
from rules_zoo import RULES
from substrate.compilation.lowering import lower
from substrate.rule import Rule
from substrate.simulate import Episode, trajectory
from tasks.base import Setting


def write_artifacts(log: RunLog, result: Result) -> None:
    """Write what was found, and close the run: no step that fails keeps the others from being taken.

    The tags, by which a list of runs is read, come first; then the rule in every form, then tables.
    """
    rule, row = result.champion.rule, result.champion_row
    provenance = {
        "run": log.id,
        "task": result.config.task,
        "seed": str(result.config.seed),
        **({"load": "; ".join(result.config.load)} if result.config.load else {}),
        "test score": f"{row.score:.4f} [{row.low:.4f}, {row.high:.4f}], n = {row.n}",
        **({"learning rate": f"{row.gain:g} times the task's"} if row.gain != 1 else {}),
    }
    final = {"test_score": row.score, "test_low": row.low, "test_high": row.high}
    texts: dict[str, Callable[[], str]] = {
        "champion.json": lambda: export(rule, "json", provenance),
        "champion.py": lambda: export(rule, "python", provenance),
        "champion.tex": lambda: export(rule, "latex", provenance),
        "front.csv": lambda: front_csv(result),
        "summary.md": lambda: summary(log.id, result),
    }
    with signals_held():
        tags: dict[str, object] = {
            "champion": main_text(rule),
            "score": f"{row.score:.6f}",
            **({"rate_factor": f"{row.gain:g}"} if result.config.at_best_rate else {}),
        }
        log.attempt("the champion in the list of runs", partial(log.tags, tags))
        for name, make in texts.items():
            log.attempt(name, lambda name=name, make=make: log.text(name, make()))  # type: ignore[misc]
        last = result.history[-1].generation
        numbers = {**final, "complexity": result.champion.operators}
        if result.complete is not None:
            numbers["complete_up_to"] = result.complete
        log.attempt("the test score among the metrics", partial(log.metrics, last, numbers))
        status: Status = "stopped" if result.stopped else "finished"
        log.attempt(f"the mark that the run has {status}", partial(log.finish, status))


def draw_pictures(log: RunLog, result: Result, stop: StopSignal) -> None:
    """Draw what can be drawn until somebody asks for an end."""
    pictures: list[tuple[str, Callable[[], object]]] = [
        ("curve.png", partial(_draw_curve, log, result)),
        ("front.png", partial(_draw_front, log, result)),
        ("trajectories.png", partial(_draw_trajectories, log, result)),
        ("pictures of activity", partial(_draw_activity, log, result)),
    ]
    for name, draw in pictures:
        if stop.requested:
            log.note(f"{name} and later pictures were not drawn: an end was asked for")
            break
        log.attempt(name, draw)
    if log.notes:
        log.attempt("notes.txt", lambda: log.text("notes.txt", "\n".join(log.notes) + "\n"))


def _draw_curve(log: RunLog, result: Result) -> None:
    from evolve.report import figures_run  # late: Matplotlib takes a second

    best = [p.stats.best for p in result.history]
    median = [p.stats.median for p in result.history]
    log.figure("curve.png", figures_run.fitness_curve(best, median, _known(result)))


def _draw_front(log: RunLog, result: Result) -> None:
    from evolve.report import figures_run

    points = [(c.operators, c.validation, main_text(c.rule)) for c in result.front]
    chosen = result.front.index(result.champion)
    log.figure("front.png", figures_run.pareto_front(points, chosen, {}))


def _draw_trajectories(log: RunLog, result: Result) -> None:
    from evolve.report import figures_run

    curves = _curves(result)
    if curves:
        log.figure(
            "trajectories.png", figures_run.trajectories(curves, "on test instances", every=10)
        )


def _draw_activity(log: RunLog, result: Result) -> None:
    from evolve.report.activity import scenes

    for name, figure in scenes(result).items():
        log.figure(f"{name}.png", figure)


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
        *([completeness(result)] if result.complete is not None else []),
        "",
        *(f"    {k} = {text(e)}" for k, e in result.champion.rule.equations.items()),
        "",
        *(line for text in about_champion(result) for line in (text, "")),
        *([result.champion.note, ""] if result.champion.note else []),
        f"Test instances: {result.champion_row.n}, none of which the search or the choice has seen.",
        "",
        "| rule | score | 95 % interval | minus champion | p |",
        "|---|---|---|---|---|",
    ]
    for row in result.rows:
        gap = difference(row, result.champion_row)
        lines.append(
            f"| {row.rule} | {row.score:.3f} | {row.low:.3f} to {row.high:.3f} "
            f"| {gap.mean:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}) | {p_value_text(gap.p)} |"
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
    plasticity = with_chip(setting_, lower(rule), episode)
    return trajectory(setting_.network, plasticity, episode, rate, every=10)
