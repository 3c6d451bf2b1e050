"""`--load my_task.py`: the option of every command that takes a person's own parts."""

from pathlib import Path
from typing import Annotated

import typer


def _load(context: typer.Context, paths: list[Path] | None) -> list[Path] | None:
    if paths and not context.resilient_parsing:  # a shell that completes a line runs nothing
        from evolve.config.own_parts import load_parts
        from substrate.devices import configure

        configure()  # the file may compute something
        load_parts(*paths)
    return paths


Load = Annotated[
    list[Path] | None,
    typer.Option(
        "--load",
        metavar="FILE",
        callback=_load,
        is_eager=True,
        help="Your own Python file with a RULE, FAMILY, PROFILE or TARGET. It is executed. Repeatable.",
    ),
]
