"""What a run would do: its configuration as a TOML file, with a forecast in its comments."""

from typing import Any

from evolve.config.forecast import forecast, in_time
from evolve.config.run_config import RunConfig
from evolve.config.written import toml
from evolve.report.terminal import Page, clean, dump, write
from substrate.memory import in_words


def show_plan(config: RunConfig, seeds: int, as_json: bool) -> None:
    """Print a configuration that can be read back, and what it is expected to take."""
    whole = configuration(config)
    if as_json:
        dump({"configuration": whole, "seeds": seeds, "forecast": vars(forecast(config, seeds))})
        return
    lines = [f"# {line}" for line in words(config, seeds)]
    text = "\n".join([*lines, "", toml(whole)])
    if Page().terminal:
        text = "".join(f"{clean(line)}\n" for line in text.splitlines())
    write(text)


def configuration(config: RunConfig) -> dict[str, Any]:
    """Every setting, nested, with the options of the task filled in."""
    return {**config.model_dump(), "options": config.task_options.model_dump()}


def words(config: RunConfig, seeds: int) -> list[str]:
    """The forecast for a person, line by line."""
    found = forecast(config, seeds)
    many = f" with {seeds} seeds" if seeds > 1 else ""
    return [
        f"hebbarium run {config.task}{many}, not started.",
        f"forecast: some {in_time(found.seconds)} on this machine, right within a factor of three: "
        f"{in_time(found.compile)} to compile, {in_time(found.search)} to search with the engine {found.engine},",
        f"{in_time(found.finish)} to choose the champion, to measure it and to write it down; "
        f"{in_words(found.bytes)} of memory.",
    ]
