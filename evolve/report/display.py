"""What people and programs see: progress while a run works, tables when it is done, JSON on request."""

import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table as Grid
from rich.text import Text

from evolve.config.run_config import RunConfig
from evolve.expressions.one_line import expression
from evolve.expressions.symbolic import rule_complexity, text
from evolve.ranking.compare import Row, difference
from evolve.ranking.table import Table
from evolve.report.front_table import front_rows
from evolve.report.front_table import grid as front_grid
from evolve.report.score_table import score_tables
from evolve.report.tables import signed
from evolve.running.log import RunView
from evolve.running.result import Progress, Result
from evolve.tracking.listing import RunRow
from rules_zoo import RULES
from substrate.errors import unknown
from substrate.rule import Rule
from tasks import FAMILIES

#: Without a terminal, a line of progress this often, in seconds.
LINE_EVERY = 5.0


class Quiet(RunView):
    """Shows nothing but what is missing at the end."""

    def note(self, text: str) -> None:
        """Say it."""
        print(f"note: {text}", file=sys.stderr)


class Watch(RunView):
    """One line that follows the search, or, without a terminal, a line now and then."""

    def __init__(self, config: RunConfig, console: Console) -> None:
        self.config, self.console = config, console
        self.live: Live | None = None
        self.last = 0.0
        self.steps, self.done, self.began = 0, 0, 0.0

    def phase(self, name: str, steps: int = 0) -> None:
        """Say what happens now."""
        self._stop()
        self.steps, self.done, self.began = steps, 0, time.monotonic()
        self.console.print(f"[dim]{self.config.task}, seed {self.config.seed}: {name}[/dim]")
        if name == "searching" and self.console.is_terminal:
            self.live = Live(console=self.console, refresh_per_second=8, transient=False)
            self.live.start()

    def generation(self, progress: Progress) -> None:
        """Show where the search is."""
        stats = progress.stats
        line = (
            f"generation {progress.generation:>5} of {self.config.stop.generations}   best {stats.best:7.4f}   "
            f"median {stats.median:7.4f}   {progress.evaluations:>7} rules   {progress.seconds:6.1f} s"
        )
        if self.live:
            self.live.update(Text(line))
        elif time.monotonic() - self.last > LINE_EVERY:
            self.last = time.monotonic()
            self.console.print(line, highlight=False)

    def step(self) -> None:
        """Show how far the phase is, and how long the rest may take."""
        self.done += 1
        now = time.monotonic()
        if now - self.last > LINE_EVERY:
            self.last = now
            left = (now - self.began) / self.done * (self.steps - self.done)
            line = f"  {self.done} of {self.steps}, some {left:.0f} s left"
            self.console.print(line, highlight=False)

    def note(self, text: str) -> None:
        """Say what is missing."""
        self._stop()
        self.console.print(f"note: {text}", highlight=False, markup=False)

    def _stop(self) -> None:
        if self.live:
            self.live.stop()
        self.live = None


@contextmanager
def watching(config: RunConfig, quiet: bool) -> Iterator[RunView]:
    """A view on standard error for as long as a run lasts."""
    view = Quiet() if quiet else Watch(config, Console(stderr=True))
    try:
        yield view
    finally:
        if isinstance(view, Watch):
            view._stop()


def dump(record: Mapping[str, Any]) -> None:
    """Print one JSON object on one line; what is not finite becomes null."""

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: clean(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [clean(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    print(json.dumps(clean(record), allow_nan=False))


def _status(result: Result) -> str:
    return "stopped" if result.stopped else "finished"


def run_record(run_id: str, result: Result) -> dict[str, Any]:
    """What `run --json` prints."""
    row, rule = result.champion_row, result.champion.rule
    reached = result.reached
    return {
        "run_id": run_id,
        "task": result.config.task,
        "hardware": result.config.hardware,
        "engine": result.config.engine,
        "seed": result.config.seed,
        "status": _status(result),
        "generations": result.history[-1].generation,
        "evaluations": result.evaluations,
        "seconds": round(result.seconds, 3),
        "champion": {
            "expression": expression(rule),
            "complexity": result.champion.operators,
            "score": row.score,
            "low": row.low,
            "high": row.high,
            "metrics": dict(row.metrics),
        },
        "baselines": {r.rule: r.score for r in result.rows if r is not row},
        "differences": {r.rule: vars(difference(row, r)) for r in result.rows if r is not row},
        f"reached_{result.config.family.rival}": None
        if reached is None
        else {"seconds": round(reached.seconds, 3), "evaluations": reached.evaluations},
        "F": result.fitness,
        **_chips(result),
    }


def _chips(result: Result) -> dict[str, Any]:
    if result.chips is None:
        return {}
    from evolve.report.hardware import chip_record  # late: Matplotlib takes a second

    return {"chips": chip_record(result.chips)}


def rank_record(table: Table) -> dict[str, Any]:
    """What `rank --json` prints."""
    return {
        "task": table.config.task,
        "hardware": table.config.hardware,
        "n": table.rows[0].n,
        "baseline": table.baseline.rule,
        "engine": table.choice._asdict(),
        "rows": [
            {
                "rule": r.rule,
                "expression": expression(table.rules[r.rule]),
                "score": r.score,
                "low": r.low,
                "high": r.high,
                "complexity": rule_complexity(table.rules[r.rule]).operators,
                "rate_factor": r.gain,
                "diverged": r.diverged,
                "difference": vars(table.differences[r.rule]),
                "metrics": dict(r.metrics),
            }
            for r in table.rows
        ],
    }


def show_result(run_id: str, result: Result) -> None:
    """The end of a run for a person."""
    console = Console()
    reached = result.reached
    when = f"{reached.seconds:.1f} s" if reached else "never"
    console.print(
        f"\n[bold]{result.config.task}[/bold], seed {result.config.seed}: {_status(result)} after "
        f"{result.history[-1].generation} generations, {result.evaluations} rules evaluated, "
        f"{result.seconds:.1f} s of search; {result.config.family.rival}'s training score reached after {when}",
        highlight=False,
    )
    for name, equation in result.champion.rule.equations.items():
        console.print(f"\n    [bold]{name} = {text(equation)}[/bold]\n", highlight=False)
    console.print(front_grid(front_rows(result.front, result.champion)))
    console.print("scores on validation instances, on which the marked rule was chosen\n")
    own = result.champion_row
    gaps = {r.rule: "" if r is own else signed(difference(r, own)) for r in result.rows}
    _print_scores(console, result.rows, "minus champion", gaps)
    console.print(f"n = {own.n} test instances that neither the search nor the choice has seen")
    sums = ", ".join(f"{name} {value:.2f}" for name, value in result.fitness.items())
    console.print(f"F on the training instances (sum over data sets): {sums}", highlight=False)
    if result.chips is not None:
        from evolve.report.hardware import show_chips

        console.print()
        show_chips(result.chips)
    console.print(
        f"\nTake it away:  hebbarium export {run_id[:8]} --to python\nBrowse:        hebbarium ui",
        highlight=False,
    )


def show_ranking(table: Table) -> None:
    """A ranking for a person."""
    console = Console()
    best = table.baseline.rule
    gaps = {r: "" if r == best else signed(d) for r, d in table.differences.items()}
    _print_scores(console, table.rows, f"minus {best}", gaps)
    rate = "each rule at the rate that suits it" if table.tuned else "all rules at the task's rate"
    console.print(
        f"{table.config.task}: n = {table.rows[0].n} test instances, {rate}\nengine: {table.choice}",
        highlight=False,
    )


def _print_scores(console: Console, rows: list[Row], versus: str, gaps: Mapping[str, str]) -> None:
    for place, grid in enumerate(score_tables(rows, versus, gaps, console.width)):
        if place:
            console.print()
        console.print(grid)


def show_runs(rows: list[RunRow], as_json: bool) -> None:
    """The runs of a store."""
    if as_json:
        dump({"runs": [{**r._asdict(), "started": r.started.isoformat()} for r in rows]})
        return
    if not rows:
        print("No runs yet. Start one with: hebbarium run pca", file=sys.stderr)
        return
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "task", "seed", "status", "score", "champion"):
        grid.add_column(name, overflow="fold")
    for r in rows:
        grid.add_row(
            r.id[:8],
            r.task,
            str(r.seed),
            r.status,
            "" if r.score is None else f"{r.score:.3f}",
            r.champion,
        )
    Console().print(grid)


def show_rules(name: str | None, as_json: bool) -> None:
    """The zoo, or one rule in full."""
    if name is not None and name not in RULES:
        raise unknown("rule", name, RULES)
    chosen = {name: RULES[name]} if name else RULES
    if as_json:
        dump({"rules": [_rule_record(r) for r in chosen.values()]})
        return
    if name is not None:
        from evolve.exports import export

        print(export(RULES[name], "python"), end="")
        return
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for column in ("rule", "reads", "locality", "equations"):
        grid.add_column(column, overflow="fold")
    for rule in chosen.values():
        reads = " ".join(sorted(rule.reads))
        grid.add_row(rule.name, reads, rule.locality.name.lower(), expression(rule))
    Console().print(grid)


def _rule_record(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "equations": {k: text(e) for k, e in rule.equations.items()},
        "constants": dict(rule.constants),
        "reads": sorted(rule.reads),
        "locality": rule.locality.name.lower(),
        "complexity": rule_complexity(rule).operators,
        "reference": rule.reference,
        "note": rule.note,
    }


def show_tasks(name: str | None, as_json: bool) -> None:
    """The task families, or one with its options."""
    if name is not None and name not in FAMILIES:
        raise unknown("task", name, FAMILIES)
    chosen = [FAMILIES[name]] if name else list(FAMILIES.values())
    if as_json:
        records = [
            {
                "task": f.name,
                "asks": f.asks,
                "solved": f.solved,
                "reference": f.reference,
                "options": {
                    key: {"default": field.default, "description": field.description}
                    for key, field in f.options.model_fields.items()
                },
            }
            for f in chosen
        ]
        dump({"tasks": records})
        return
    console = Console()
    for f in chosen:
        console.print(f"[bold]{f.name}[/bold]  {f.asks}", highlight=False)
        if name is None:
            continue
        console.print(f"solved: {f.solved}\nsource: {f.reference}\n", highlight=False)
        for key, field in f.options.model_fields.items():
            line = f"  --set options.{key}={field.default!r:<16} {field.description}"
            console.print(line, highlight=False, markup=False)  # [ms] is a unit
