"""Options that several commands share, and the completion of their values in a shell."""

import pkgutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

#: Where runs are kept if nothing is said.
RUNS = Path("runs")


def entries(package: str) -> Callable[[str], list[str]]:
    """Complete a name by the files of a package, which it does not import."""

    def complete(incomplete: str) -> list[str]:
        spec = find_spec(package)
        folders = spec.submodule_search_locations if spec else None
        names = [info.name for info in pkgutil.iter_modules(folders)] if folders else []
        return [
            name
            for name in names
            if name.startswith(incomplete) and not name.startswith("_") and name != "base"
        ]

    return complete


Folder = Annotated[
    Path, typer.Option("--runs", envvar="HEBBARIUM_RUNS", help="Where runs are kept.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more, such as what evaluates the rules.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting, e.g. genes.columns=20, see `hebbarium settings`; repeatable.",
    ),
]
Task = Annotated[
    str | None,
    typer.Option(help="Task family, see `hebbarium tasks`.", autocompletion=entries("tasks")),
]
Hardware = Annotated[
    str | None,
    typer.Option(
        help="Hardware profile, see `hebbarium hardware`. [default: ideal]",
        autocompletion=entries("substrate.hardware"),
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="What evaluates rules: auto (what an estimate finds cheaper), interpreter or compiled. [default: auto]",
        autocompletion=lambda: ["auto", "interpreter", "compiled"],
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, help="Decides the instances. [default: 0]")]
