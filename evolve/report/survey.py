"""What a survey leaves for people and programs: the best of every size, how close the others come, files."""

import csv
import io
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from evolve.exports import export
from evolve.expressions.one_line import equations, expression
from evolve.expressions.symbolic import main_text, simplify_rule, text
from evolve.ranking.compare import difference, p_value_text
from evolve.ranking.recognise import Match
from evolve.report.display import show_next_steps
from evolve.report.score_table import score_columns
from evolve.report.tables import show_table, signed, table_of
from evolve.report.terminal import Page
from evolve.running.survey_result import Surveyed, SurveyResult
from evolve.tracking.run_log import RunLog, Status
from evolve.tracking.signals import signals_held
from substrate.rule import Rule

#: Of the rules that train best, so many are shown to people.
SHOWN = 10


@lru_cache(maxsize=1024)  # shown, written to JSON and to files
def shortest(rule: Rule) -> Rule:
    """A rule as a person would write it."""
    return simplify_rule(rule).rule


def _rate(rate: float) -> str:
    return f"x{rate:.3g}"


def _known(match: Match | None) -> str:
    if match is None:
        return ""
    return match.name if match.factor == 1 else f"{match.factor} {match.name}"


def alphabet(result: SurveyResult) -> str:
    """What the rules of a survey are made of, in words."""
    grid = result.config.grid
    leaves = ", ".join(map(str, result.rules.formulas.leaves))
    return f"{leaves} with {', '.join(grid.primitives)}"


def claim(result: SurveyResult) -> str:
    """What is certain at the end, in one sentence."""
    scores, total = result.scores, len(result.rules)
    at = (
        "the task's learning rate"
        if len(scores.rates) == 1
        else f"the best of {len(scores.rates)} learning rates from x{scores.rates[0]:.3g} to x{scores.rates[-1]:.3g}"
    )
    if result.stopped:
        whole = result.complete >= 0
        done = f"all of up to {result.complete} operations" if whole else "no size completely"
        looked = f"{scores.done:,} of {total:,} distinct rules were looked at"
        return f"Ended early: {looked}, {done}, each at {at}."
    same = " up to a positive factor" if result.survey.up_to == "factor" else ""
    return (
        f"Complete: all {total:,} rules of up to {result.survey.size} operations, distinct{same}, each at {at}. "
        f"{result.diverged:,} diverged."
    )


def closeness(result: SurveyResult) -> str:
    """How many rules cannot be told apart from the best, in one sentence."""
    near, looked = result.within_noise, len(result.close)
    least = "at least " if near == looked < len(result.rules) else ""
    return (
        f"{least}{near} of the {looked:,} rules that train best lie within one standard error of the best on "
        f"{result.close[0].scores.size} validation instances; the champion is the simplest of them."
    )


def record(run_id: str, result: SurveyResult) -> dict[str, Any]:
    """What `survey --json` prints."""
    row, champion = result.champion_row, result.champion

    def of(one: Surveyed) -> dict[str, Any]:
        return {
            "expression": expression(shortest(one.rule)),
            "operations": one.operations,
            "rate_factor": one.rate,
            "training": one.training,
            "validation": one.validation,
            "known_rule": None if one.known is None else one.known.name,
            "times_known_rule": None if one.known is None else float(one.known.factor),
        }

    return {
        "run_id": run_id,
        "task": result.config.task,
        "hardware": result.config.hardware,
        "engine": result.config.engine,
        "seed": result.config.seed,
        "status": "stopped" if result.stopped else "finished",
        "size": result.survey.size,
        "up_to": result.survey.up_to,
        "terminals": [str(leaf) for leaf in result.rules.formulas.leaves],
        "primitives": list(result.config.genes.primitives),
        "rates": list(result.scores.rates),
        "rules": len(result.rules),
        "rules_by_operations": result.rules.counts,
        "complete_up_to": result.complete,
        "scored": result.scores.done,
        "exact_scores": int(result.scores.exact.sum()),
        "diverged": result.diverged,
        "seconds": round(result.seconds, 3),
        "champion": {**of(champion), "score": row.score, "low": row.low, "high": row.high},
        "best_of_size": [
            {**of(one), "score": (own := result.row(one)).score, "low": own.low, "high": own.high}
            for one in result.best_of_size
        ],
        "best": [of(one) for one in result.close[:SHOWN]],
        "within_one_standard_error": result.within_noise,
        "baselines": {
            r.rule: {"score": r.score, "rate_factor": r.gain} for r in _baselines(result)
        },
        "differences": {r.rule: vars(difference(row, r)) for r in _baselines(result)},
    }


def _baselines(result: SurveyResult) -> list[Any]:
    own = {one.rule.name for one in (result.champion, *result.best_of_size)}
    return [r for r in result.rows if r.rule not in own]


def show(run_id: str, result: SurveyResult, folder: Path) -> None:
    """The end of a survey for a person."""
    page = Page()
    page.say(f", rules of {alphabet(result)}, {result.seconds:.1f} s", bold=result.config.task)
    page.say(claim(result))
    page.say()
    rule = shortest(result.champion.rule)
    for name, equation in rule.equations.items():
        page.line(f"    {name} = {text(equation)}", bold=True)
    page.say()
    rate = result.champion.rate
    if len(result.scores.rates) > 1:
        page.say(f"at {rate:.3g} times the task's learning rate")
    if result.champion.known is not None:
        page.say(str(result.champion.known))
    page.say()
    page.say("The best of every size:")
    show_table(page, table_of(*_by_size(result), text=("rule", "known rule")))
    page.say()
    page.say(f"The {min(SHOWN, len(result.close))} best on validation instances:")
    show_table(page, table_of(*_best(result), text=("rule", "known rule")))
    page.say(closeness(result))
    page.say()
    own = result.champion_row
    own = replace(own, rule="champion")
    rows = sorted([own, *_baselines(result)], key=lambda r: (-r.score, r.rule))
    gaps = {r.rule: "" if r is own else signed(difference(r, own)) for r in rows}
    show_table(page, score_columns(rows, "minus champion", gaps))
    page.say(
        f"n = {own.n} test instances; every rule at the rate, of those tried, that trains best"
    )
    show_next_steps(page, run_id, folder)


def _by_size(result: SurveyResult) -> tuple[list[str], list[list[str]]]:
    counts = result.rules.counts
    headings = ["operations", "rules", "training", "test (95 %)", "rate", "known rule", "rule"]
    rows = []
    for one in result.best_of_size:
        row = result.row(one)
        rows.append(
            [
                str(one.operations),
                f"{counts[one.operations]:,}",
                f"{one.training:.3f}",
                f"{row.score:.3f} ±{(row.high - row.low) / 2:.3f}",
                _rate(one.rate),
                _known(one.known),
                expression(shortest(one.rule)),
            ]
        )
    return headings, rows


def _best(result: SurveyResult) -> tuple[list[str], list[list[str]]]:
    headings = ["validation", "training", "operations", "rate", "known rule", "rule"]
    rows = [
        [
            f"{one.validation:.3f}",
            f"{one.training:.3f}",
            str(one.operations),
            _rate(one.rate),
            _known(one.known),
            expression(shortest(one.rule)),
        ]
        for one in result.close[:SHOWN]
    ]
    return headings, rows


def write_artifacts(log: RunLog, result: SurveyResult) -> None:
    """Write what was found, and close the run: no step that fails keeps the others from being taken."""
    row = result.champion_row
    champion = shortest(result.champion.rule).renamed("champion")
    provenance = {
        "run": log.id,
        "task": result.config.task,
        "seed": str(result.config.seed),
        "survey": claim(result),
        "rate": f"{result.champion.rate:.6g} times the task's",
        "test score": f"{row.score:.4f} [{row.low:.4f}, {row.high:.4f}], n = {row.n}",
    }
    with signals_held():
        tags = {"champion": main_text(champion), "score": f"{row.score:.6f}"}
        log.attempt("the champion in the list of runs", partial(log.tags, tags))
        for name, make in {
            "champion.json": lambda: export(champion, "json", provenance),
            "champion.py": lambda: export(champion, "python", provenance),
            "champion.tex": lambda: export(champion, "latex", provenance),
            "best.csv": lambda: best_csv(result),
            "summary.md": lambda: summary(log.id, result),
        }.items():
            log.attempt(name, lambda name=name, make=make: log.text(name, make()))  # type: ignore[misc]
        log.attempt("scores.npz", lambda: log.data("scores.npz", scores_file(result)))
        for one in result.best_of_size:
            numbers = {
                "best_of_size": one.training,
                "test_of_size": result.row(one).score,
                "rules_of_size": float(result.rules.counts[one.operations]),
            }
            log.attempt("the scores by size", partial(log.metrics, one.operations, numbers))
        final = {
            "test_score": row.score,
            "test_low": row.low,
            "test_high": row.high,
            "complexity": float(result.champion.operations),
            "rules": float(len(result.rules)),
            "diverged": float(result.diverged),
            "complete_up_to": float(result.complete),
            "seconds": result.seconds,
        }
        log.attempt("the final numbers", partial(log.metrics, result.survey.size + 1, final))
        status: Status = "stopped" if result.stopped else "finished"
        log.attempt(f"the mark that the survey has {status}", partial(log.finish, status))


def draw_pictures(log: RunLog, result: SurveyResult) -> None:
    """Draw how the scores are distributed."""

    def draw() -> None:
        from evolve.report.figures_survey import distribution  # late: Matplotlib takes a second

        scores = result.scores
        done = np.arange(len(scores.score)) < scores.done
        exact = scores.score[done & scores.exact & ~scores.diverged]
        bounded = scores.score[done & ~scores.exact]
        known = {r.rule: r.score for r in _baselines(result)[:3]}
        log.figure("scores.png", distribution(exact, bounded, result.diverged, known))

    log.attempt("scores.png", draw)


def best_csv(result: SurveyResult) -> str:
    """The rules that were looked at on validation instances, best first, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ("place", "operations", "rate_factor", "training_score", "validation_score")
    writer.writerow([*columns, "chosen", "known_rule", "expression"])
    for one in result.close:
        numbers = f"{one.rate:.6g}", f"{one.training:.6f}", f"{one.validation:.6f}"
        chosen = "yes" if one is result.champion else ""
        writer.writerow(
            [one.place, one.operations, *numbers, chosen, _known(one.known), equations(one.rule)]
        )
    return out.getvalue()


def scores_file(result: SurveyResult) -> bytes:
    """All that is known of every rule, as arrays (rule,) of NumPy.

    Fingerprints say which rule it is; `score` is exact where `exact`, else a bound.
    """
    scores, found = result.scores, result.rules
    out = io.BytesIO()
    np.savez_compressed(
        out,
        keys=found.all_keys,
        operations=found.sizes.astype(np.int16),
        score=scores.score.astype(np.float32),
        rate=scores.rate.astype(np.float32),
        exact=scores.exact,
        diverged=scores.diverged,
        done=np.array(scores.done),
    )
    return out.getvalue()


def summary(run_id: str, result: SurveyResult) -> str:
    """The survey on one page, in Markdown."""
    row = result.champion_row
    lines = [
        f"# Survey of {result.config.task}, seed {result.config.seed}",
        "",
        f"Run `{run_id}`. Rules of {alphabet(result)}. {claim(result)} Scoring took {result.seconds:.1f} s.",
        "",
        *(f"    {k} = {text(e)}" for k, e in shortest(result.champion.rule).equations.items()),
        "",
        *([str(result.champion.known), ""] if result.champion.known else []),
        closeness(result),
        "",
        *_markdown(*_by_size(result)),
        "",
        f"Test instances: {row.n}, none of which the survey or the choice has seen. Known rules run at the rate, of "
        "those tried, that trains best.",
        "",
        "| rule | rate | score | 95 % interval | minus champion | p |",
        "|---|---|---|---|---|---|",
    ]
    for r in sorted([row, *_baselines(result)], key=lambda r: (-r.score, r.rule)):
        gap = difference(r, row)
        name = "champion" if r is row else r.rule
        lines.append(
            f"| {name} | {_rate(r.gain)} | {r.score:.3f} | {r.low:.3f} to {r.high:.3f} "
            f"| {gap.mean:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}) | {p_value_text(gap.p)} |"
        )
    lines += ["", "The best on validation instances:", "", *_markdown(*_best(result))]
    return "\n".join(lines) + "\n"


def _markdown(headings: list[str], rows: list[list[str]]) -> list[str]:
    bars = [[cell.replace("|", "\\|") for cell in line] for line in (headings, *rows)]
    lines = [f"| {' | '.join(line)} |" for line in bars]
    return [lines[0], "|" + "---|" * len(headings), *lines[1:]]
