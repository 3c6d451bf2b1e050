"""`hebbarium presets` and `run --preset`: configurations of published searches that come with the platform.

They are the files `runs/*.toml` of the repository; an installed package has them in `evolve/presets`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "presets", _PACKAGE.parent / "runs")


def preset_files() -> Mapping[str, Path]:
    """The presets by name."""
    folder = next((f for f in _FOLDERS if f.is_dir()), _FOLDERS[0])
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def preset_file(preset: str | None, config: Path | None) -> Path | None:
    """The file with settings that a person asks for, by the name of a preset or by its path.

    Raises
    ------
    UserError
        If both are given, there is no such preset, or a file that is not there would be one.
    """
    from substrate.errors import UserError, chosen

    files = preset_files()
    if preset is not None:
        if config is not None:
            raise UserError("--preset and --config both give a file of settings. Give one of them.")
        return chosen("preset", preset.removesuffix(".toml"), files)
    if config is not None and not config.exists() and config.stem in files:
        raise UserError(
            f"There is no file {config}. The preset of this name comes with Hebbarium: --preset {config.stem}"
        )
    return config


def presets(
    name: Annotated[str | None, typer.Argument(help="Print one preset, to copy from.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")] = False,
) -> None:
    """List the presets: configurations of published searches."""
    import tomllib

    from evolve.report.tables import show_table, table_of
    from evolve.report.terminal import Page, command, dump, write
    from substrate.errors import chosen

    files = preset_files()
    if name is not None:
        files = {name: chosen("preset", name, files)}
    texts = {key: path.read_text(encoding="utf-8") for key, path in files.items()}
    if json:
        rows = [
            {"preset": key, "about": _title(text), "settings": tomllib.loads(text)}
            for key, text in texts.items()
        ]
        dump({"presets": rows})
    elif name is not None:
        write(texts[name])
    else:
        page, about = Page(), "what it searches for"
        lines = [(key, _title(text)) for key, text in texts.items()]
        show_table(page, table_of(("preset", about), lines, (about,)))
        for what, words in (("Run one: ", ("run", "--preset")), ("Print one:", ("presets",))):
            for first in list(texts)[:1]:
                page.line(f"{what}  {command(*words, first)}")


def _title(text: str) -> str:
    """The first line of a preset says what it is."""
    return text.partition("\n")[0].lstrip("# ")
