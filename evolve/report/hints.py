"""Commands that a person can paste, for what to do next."""

import shlex
from pathlib import Path

#: Where runs are kept if nothing else is said.
RUNS = Path("runs")


def hint(runs: Path, *words: object) -> str:
    """A `hebbarium` command that reads this folder of runs, which is named unless it is the usual one."""
    where = [] if Path(runs) == RUNS else ["--runs", str(runs)]
    return shlex.join(["hebbarium", *map(str, words), *where])
