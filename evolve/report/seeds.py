"""Several seeds of one search: what each found, whom it beats by a paired test, and in how many seeds."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evolve.ranking.compare import Difference, p_value_text
from evolve.ranking.held_out_chips import KEPT, LEVEL, kept
from evolve.report.display import run_record, show_next_steps
from evolve.report.tables import short_constants, show_table, table_of
from evolve.report.terminal import Page
from evolve.running.result import Result

#: The key of the zoo rule that scores best on a seed's own test instances.
BEST = "best_known"

#: The key of the seeds whose champion holds on chips.
KEEPS = "keeps_its_score_on_chips"


def record(ids: Sequence[str], results: Sequence[Result]) -> dict[str, Any]:
    """What `run --seeds N --json` prints: every run, and in how many seeds the champion beats whom."""
    runs = [{**run_record(i, r), BEST: _best(r)} for i, r in zip(ids, results, strict=True)]
    family = results[0].config.family
    rival = family.rival
    trained = sum(r.reached is not None for r in results)
    tested = sum(
        any(b.rule == rival and r.champion_row.score >= b.score for b in r.rows) for r in results
    )
    rivals = [n for n in dict.fromkeys(("frozen", "hebb", rival)) if n in runs[0]["differences"]]
    tables = [r.chips for r in results if r.chips is not None]
    on_chips = {KEEPS: _rate(sum(map(kept, tables)), len(runs))} if tables else {}
    return {
        "task": results[0].config.task,
        "hardware": results[0].config.hardware,
        "n": len(runs),
        "seconds": round(max(r.seconds for r in results), 3),
        "evaluations": sum(r.evaluations for r in results),
        "rival": rival,
        f"reached_{rival}_in_training": _rate(trained, len(runs)),
        f"at_least_{rival}_in_test": _rate(tested, len(runs)),
        **on_chips,
        "level": LEVEL,
        "against": {name: _counts(runs, name) for name in (*rivals, BEST)},
        "runs": runs,
    }


def _best(result: Result) -> str | None:
    """The best known rule on test instances; chance in that choice is to its advantage."""
    return next((r.rule for r in result.rows if r is not result.champion_row), None)


def _rate(count: int, total: int) -> dict[str, float]:
    from scipy.stats import binomtest  # late: it takes as long to import as JAX

    interval = binomtest(count, total).proportion_ci(0.95, method="wilson")
    return {
        "seeds": count,
        "rate": count / total,
        "low": float(interval.low),
        "high": float(interval.high),
    }


def _gap(run: Mapping[str, Any], name: str) -> Difference | None:
    """Champion minus a rule in one seed."""
    found = run["differences"].get(run[BEST] if name == BEST else name)
    return None if found is None else Difference(**found)


def _counts(runs: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    """In how many seeds the champion is better, not told apart, or worse."""
    gaps = [gap for run in runs if (gap := _gap(run, name)) is not None]
    told = [gap.mean for gap in gaps if gap.p < LEVEL]
    better = sum(mean > 0 for mean in told)
    return {
        "better": better,
        "not_told_apart": len(gaps) - len(told),
        "worse": len(told) - better,
        "higher_mean": sum(gap.mean > 0 for gap in gaps),
    }


def show(record: Mapping[str, Any], folder: Path) -> None:
    """Several seeds for a person.

    Parameters
    ----------
    folder
        Where the runs are kept; the closing hint names it.
    """
    rival = record["rival"]
    page = Page()
    if KEEPS in record:
        _show_chips(page, record)
        page.say()
    _show_scores(page, record)
    page.say(
        f"minus: mean of the paired differences on test instances, * p < {LEVEL}; best known: the zoo rule with the "
        "highest score there"
    )
    for name, counts in record["against"].items():
        page.say(
            f"beats {name.replace('_', ' ')} in {counts['better']} of {record['n']} seeds (p < {LEVEL}), "
            f"not told apart in {counts['not_told_apart']}, worse in {counts['worse']}"
        )
    for key, words in (
        (f"reached_{rival}_in_training", f"reached {rival}'s training score"),
        (f"at_least_{rival}_in_test", f"have a champion at least {rival}'s equal in test"),
        (
            KEEPS,
            f"have one that keeps {KEPT:.0%} of its ideal score on held-out chips and beats {rival} there "
            f"(p < {LEVEL:g})",
        ),
    ):
        if key not in record:
            continue
        share = record[key]
        page.say(
            f"{share['seeds']} of {record['n']} seeds {words}: {share['rate']:.0%} "
            f"(95 % interval {share['low']:.0%} to {share['high']:.0%})"
        )
    page.say(f"{record['evaluations']} rules evaluated in {record['seconds']:.1f} s of search")
    best = max(record["runs"], key=lambda run: run["champion"]["score"])
    show_next_steps(page, best["run_id"], folder)


def _show_scores(page: Page, record: Mapping[str, Any]) -> None:
    """Champions and whom they beat."""
    rival = record["rival"]
    rivals = [name for name in record["against"] if name != "frozen"]  # which scores 0
    minus = [f"minus {name.replace('_', ' ')}" for name in rivals]
    rows = []
    for run in record["runs"]:
        reached = run[f"reached_{rival}"]
        rows.append(
            (
                str(run["seed"]),
                run["run_id"][:8],
                f"{run['champion']['score']:.3f}",
                *(_cell(run, name) for name in rivals),
                run[BEST] or "",
                f"{reached['evaluations']} rules" if reached else "never",
                short_constants(run["champion"]["expression"]),
            )
        )
    headings = ("seed", "run", "score", *minus, "which is", f"reached {rival} after", "champion")
    show_table(page, table_of(headings, rows, text=("run", "which is", "champion")))


def _show_chips(page: Page, record: Mapping[str, Any]) -> None:
    """Champions on many held-out chips, beside the ideal network and the rival, with their cost."""
    rows = []
    for r in record["runs"]:
        row = next(x for x in r["chips"]["rows"] if x["rule"] == "champion")
        own = [str(r["seed"]), r["run_id"][:8], f"{row['ideal']:.3f}"]
        expression = short_constants(r["champion"]["expression"])
        if row["refused"]:
            rows.append([*own, "refused", *[""] * 6, expression])
            continue
        gap = row["difference"]
        chip = [f"{row['score']:.3f}", f"{gap['mean']:+.3f}", p_value_text(gap["p"])]
        cost = [f"{value:.3g}" for value in row["cost"].values()]
        rows.append([*own, *chip, f"{row['retained']:.0%}", *cost, expression])
    minus = f"minus {record['rival']}"
    headings = ["seed", "run", "ideal", "on chip", minus, "p", "retained"]
    headings += ["operations", "words", "bytes", "champion"]
    show_table(page, table_of(headings, rows, text=("run", "champion")))


def _cell(run: Mapping[str, Any], name: str) -> str:
    gap = _gap(run, name)
    if gap is None or not math.isfinite(gap.mean):
        return ""
    return f"{gap.mean:+.3f}{'*' if gap.p < LEVEL else ' '}"
