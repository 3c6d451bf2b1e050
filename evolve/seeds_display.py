"""What people and programs see of several seeds of one run."""

import math
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from evolve.display import run_record
from evolve.result import Result
from evolve.verdict import KEPT, LEVEL, kept

#: Key of the seeds whose champion holds on chips.
KEEPS = "keeps_its_score_on_chips"


def seeds_record(ids: list[str], results: list[Result]) -> dict[str, Any]:
    """What `run --seeds N --json` prints: every run, and how many seeds reached the reference."""
    from scipy.stats import binomtest

    runs = [run_record(i, r) for i, r in zip(ids, results, strict=True)]
    trained = sum(r.reached is not None for r in results)
    rival = results[0].config.family.rival
    tested = sum(
        any(b.rule == rival and r.champion_row.score >= b.score for b in r.rows) for r in results
    )

    def rate(count: int) -> dict[str, float]:
        interval = binomtest(count, len(runs)).proportion_ci(0.95, method="wilson")
        return {
            "seeds": count,
            "rate": count / len(runs),
            "low": float(interval.low),
            "high": float(interval.high),
        }

    tables = [r.chips for r in results if r.chips is not None]
    on_chips = {KEEPS: rate(sum(map(kept, tables)))} if tables else {}
    return {
        "task": results[0].config.task,
        "hardware": results[0].config.hardware,
        "n": len(runs),
        "seconds": round(results[0].seconds, 3),
        "evaluations": sum(r.evaluations for r in results),
        "rival": rival,
        f"reached_{rival}_in_training": rate(trained),
        f"at_least_{rival}_in_test": rate(tested),
        **on_chips,
        "runs": runs,
    }


def show_seeds(record: Mapping[str, Any]) -> None:
    """Several seeds for a person."""
    rival = record["rival"]
    grid = _on_chips(record) if KEEPS in record else _scores(record)
    console = Console()
    console.print(grid)
    for key, words in (
        (f"reached_{rival}_in_training", f"reached {rival}'s training score"),
        (f"at_least_{rival}_in_test", f"have a champion at least {rival}'s equal in test"),
        (
            KEEPS,
            f"have one that keeps {KEPT:.0%} of its ideal score on held-out chips and beats {rival} there "
            f"(p < {LEVEL:g})",
        ),
    ):
        if key in record:
            share = record[key]
            console.print(
                f"{share['seeds']} of {record['n']} seeds {words}: {share['rate']:.0%} "
                f"(95 % interval {share['low']:.0%} to {share['high']:.0%})",
                highlight=False,
            )
    console.print(
        f"{record['evaluations']} rules evaluated in {record['seconds']:.1f} s of search",
        highlight=False,
    )


def _scores(record: Mapping[str, Any]) -> Grid:
    """Champions beside the rival."""
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    rival = record["rival"]
    for name in ("seed", "run", "score", rival, "reached after", "champion"):
        grid.add_column(name, overflow="fold")
    for r in record["runs"]:
        reached = r[f"reached_{rival}"]
        grid.add_row(
            str(r["seed"]),
            r["run_id"][:8],
            f"{r['champion']['score']:.3f}",
            f"{r['baselines'].get(rival, math.nan):.3f}",
            f"{reached['evaluations']} rules" if reached else "never",
            r["champion"]["expression"],
        )
    return grid


def _on_chips(record: Mapping[str, Any]) -> Grid:
    """Champions on many held-out chips, beside the ideal network and the rival, with their cost."""
    grid = Grid(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    names = ("seed", "run", "ideal", "on chip", f"minus {record['rival']}", "p", "retained")
    for name in (*names, "operations", "words", "bytes", "champion"):
        grid.add_column(name, overflow="fold")
    for r in record["runs"]:
        row = next(x for x in r["chips"]["rows"] if x["rule"] == "champion")
        own = [str(r["seed"]), r["run_id"][:8], f"{row['ideal']:.3f}"]
        if row["refused"]:
            grid.add_row(*own, "refused", *[""] * 3)
            continue
        gap = row["difference"]
        grid.add_row(
            *own,
            f"{row['score']:.3f}",
            f"{gap['mean']:+.3f}",
            f"{gap['p']:.2g}",
            f"{row['retained']:.0%}",
            *(f"{value:.3g}" for value in row["cost"].values()),
            r["champion"]["expression"],
        )
    return grid
