"""The packages that belong together stay together: a `tasks.py` in somebody's folder is not ours.

Python looks for `tasks` in the current folder first. The packages beside this one are therefore looked up beside it.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

NAMES = ("substrate", "tasks", "rules_zoo")
HOME = Path(__file__).resolve().parent.parent


class Siblings:
    """Finds the packages beside this one, whatever else is called like them."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Where a package is, if it is one of them; asked by Python at every import."""
        return PathFinder.find_spec(name, [str(HOME)]) if name in NAMES else None


def keep_together() -> None:
    """Look the packages up beside this one from now on.

    Raises
    ------
    ImportError
        If something else has been imported under one of their names; it says which file.
    """
    for name in NAMES:
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if module is not None and (file is None or Path(file).resolve().parent != HOME / name):
            where = file or f"the folder {next(iter(getattr(module, '__path__', ['?'])))}"
            raise ImportError(
                f"Hebbarium's package {name!r} ({HOME / name}) cannot be imported: {where} has been imported under "
                "this name. Rename it, or import Hebbarium first.",
                name=name,
                path=file,
            )
    if Siblings not in sys.meta_path:
        sys.meta_path.insert(0, Siblings)
