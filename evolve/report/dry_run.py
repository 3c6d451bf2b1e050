"""What a run would do: its configuration as a TOML file, with a forecast in its comments."""

from typing import Any

from evolve.config.engine_choice import decide
from evolve.config.run_config import RunConfig
from evolve.config.written import toml
from evolve.report.terminal import Page, clean, dump, write


def show_plan(config: RunConfig, seeds: int, as_json: bool) -> None:
    """Print a configuration that can be read back, and what it is expected to take."""
    whole = configuration(config)
    if as_json:
        dump({"configuration": whole, "seeds": seeds, "forecast": forecast(config, seeds)})
        return
    lines = [f"# {line}" for line in words(config, seeds)]
    text = "\n".join([*lines, "", toml(whole)])
    if Page().terminal:
        text = "".join(f"{clean(line)}\n" for line in text.splitlines())
    write(text)


def configuration(config: RunConfig) -> dict[str, Any]:
    """Every setting, nested, with the options of the task filled in."""
    return {**config.model_dump(), "options": config.task_options.model_dump()}


def forecast(config: RunConfig, seeds: int) -> dict[str, Any]:
    """What is to be done, and seconds of search by the estimate that chooses the engine, which is rough."""
    decided, choice = decide(config)
    plan, stop = config.plan, config.stop
    rules = plan.islands * (plan.parents + plan.children * stop.generations)
    return {
        "engine": decided.engine,
        "rules_at_most": seeds * min(rules, stop.evaluations or rules),
        "search_seconds_roughly": seeds * getattr(choice, decided.engine),
    }


def words(config: RunConfig, seeds: int) -> list[str]:
    """The forecast for a person, line by line."""
    found = forecast(config, seeds)
    many = f" with {seeds} seeds" if seeds > 1 else ""
    return [
        f"hebbarium run {config.task}{many}, not started",
        f"forecast: at most {found['rules_at_most']:,} rules to judge; the search takes very roughly "
        f"{found['search_seconds_roughly']:.2g} s with the engine {found['engine']}",
    ]
