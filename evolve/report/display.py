"""What people and programs see of a run and of a ranking: tables, or JSON on request."""

from pathlib import Path
from typing import Any

from evolve.evaluation.best_rate import RATES
from evolve.expressions.one_line import expression
from evolve.expressions.symbolic import rule_complexity, text
from evolve.ranking.compare import difference, p_value_text
from evolve.ranking.table import Table
from evolve.report.front_table import front_rows, show_front
from evolve.report.score_table import score_columns
from evolve.report.tables import DIGITS, short_constants, show_table, signed
from evolve.report.terminal import Page, command
from evolve.running.head_start import BEST
from evolve.running.result import Result

#: A champion is better than a known rule if the paired test says so at this level.
CERTAIN = 0.01


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
        "complete_up_to": result.complete,
        "seconds": round(result.seconds, 3),
        "champion": {
            "expression": expression(rule),
            "complexity": result.champion.operators,
            "rate_factor": row.gain,
            "score": row.score,
            "low": row.low,
            "high": row.high,
            "metrics": dict(row.metrics),
            "known_rule": None if result.known is None else result.known.name,
            "times_known_rule": None if result.known is None else float(result.known.factor),
        },
        "rates": result.config.rates,
        "baselines": {r.rule: r.score for r in result.rows if r is not row},
        "baseline_rates": {r.rule: r.gain for r in result.rows if r is not row},
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


def completeness(result: Result) -> str:
    """Up to which size every rule was scored before the search, and how, in a sentence."""
    line = f"Complete up to {result.complete} operations: every rule so short was scored"
    if result.config.at_best_rate:
        return f"{line} at the task's learning rate, and the {BEST} best at all {len(RATES)} rates."
    return f"{line}."


def about_champion(result: Result) -> list[str]:
    """What should be known of a champion before it is called a discovery, in sentences."""
    lines, row = [], result.champion_row
    if result.config.at_best_rate:
        lines.append(
            f"It learns at {row.gain:g} times the task's learning rate; it and all known rules have the best of "
            f"{len(RATES)} rates from x{RATES[0]:g} to x{RATES[-1]:g}, chosen on training instances."
        )
    if result.known is not None:
        return [*lines, str(result.known)]
    known = next((r for r in result.rows if r is not row), None)
    if known is not None:
        gap = difference(row, known)
        if gap.mean <= 0 or gap.p >= CERTAIN:
            measured = f"{signed(gap).strip()}, p = {p_value_text(gap.p)}"
            lines.append(f"It is no better than {known.rule} on test instances: {measured}.")
    return lines


def show_result(run_id: str, result: Result, folder: Path) -> None:
    """The end of a run for a person.

    Parameters
    ----------
    folder
        Where the run is kept; the closing hints name it.
    """
    page = Page()
    reached = result.reached
    when = f"{reached.seconds:.1f} s" if reached else "never"
    page.say(
        f", seed {result.config.seed}: {_status(result)} after "
        f"{result.history[-1].generation} generations, {result.evaluations} rules evaluated, "
        f"{result.seconds:.1f} s of search; {result.config.family.rival}'s training score reached after {when}",
        bold=result.config.task,
    )
    if result.complete is not None:
        page.say(completeness(result))
    equations = {name: text(e) for name, e in result.champion.rule.equations.items()}
    page.say()
    for name, equation in equations.items():
        page.line(f"    {name} = {short_constants(equation)}", bold=True)
    page.say()
    for line in about_champion(result):
        page.say(line)
    page.say()
    if any(short_constants(equation) != equation for equation in equations.values()):
        page.say(f"constants with {DIGITS} digits; an exported rule has all")
        page.say()
    show_front(page, front_rows(result.front, result.champion))
    page.say("scores on validation instances, on which the marked rule was chosen")
    page.say()
    own = result.champion_row
    gaps = {r.rule: "" if r is own else signed(difference(r, own)) for r in result.rows}
    show_table(page, score_columns(result.rows, "minus champion", gaps))
    page.say(f"n = {own.n} test instances that neither the search nor the choice has seen")
    sums = ", ".join(f"{name} {value:.2f}" for name, value in result.fitness.items())
    page.say(
        "F, the quality that the task measures, before it becomes a score, summed over the training instances: "
        f"{sums}"
    )
    if result.chips is not None:
        from evolve.report.hardware import show_chips

        page.say()
        show_chips(page, result.chips)
    show_next_steps(page, run_id, folder)


def show_next_steps(page: Page, run_id: str, folder: Path) -> None:
    """Commands for what a person may want next, to be pasted."""
    page.say()
    page.line(f"Take it away:  {command('export', run_id[:8], '--to', 'python', runs=folder)}")
    page.line(f"Browse:        {command('ui', runs=folder)}")


def show_ranking(table: Table) -> None:
    """A ranking for a person."""
    page = Page()
    best = table.baseline.rule
    gaps = {r: "" if r == best else signed(d) for r, d in table.differences.items()}
    show_table(page, score_columns(table.rows, f"minus {best}", gaps))
    rate = "each rule at the rate that suits it" if table.tuned else "all rules at the task's rate"
    page.say(f"{table.config.task}: n = {table.rows[0].n} test instances, {rate}")
