"""The start: whole commands in processes of their own, with and without programs from an earlier run."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

from evolve.bench.figures import Figure, Say
from evolve.bench.workloads import Sizes
from substrate.errors import UserError

ROOT = Path(__file__).parent.parent.parent


class Started(NamedTuple):
    """One command, from the shell's point of view."""

    first: float  # seconds to the first generation
    whole: float
    memory: float  # largest resident size, MB


def measure(sizes: Sizes, say: Say) -> list[Figure]:
    """Start the default search with an empty cache folder, and again with the one that this left."""
    cold, warm = [], []
    for turn in range(sizes.starts):
        with tempfile.TemporaryDirectory() as folder:
            say(f"a first and a second start, {turn + 1} of {sizes.starts}")
            cold.append(_start(Path(folder), sizes.start))
            warm.append(_start(Path(folder), sizes.start))
    return [
        Figure(
            f"start.{name}_{what}",
            f"{words}, {state}",
            unit,
            "less",
            tuple(getattr(one, field) for one in runs),
        )
        for what, words, unit, field in (
            ("first_generation", "to the first generation", "s", "first"),
            ("whole", "to the end", "s", "whole"),
            ("memory", "peak memory", "MB", "memory"),
        )
        for name, state, runs in (
            ("cold", "nothing compiled before", cold),
            ("warm", "programs on disk", warm),
        )
    ]


def _start(folder: Path, words: tuple[str, ...]) -> Started:
    """Run the command with its cache and its store in a folder, and watch what it tells a person."""
    command = [
        *(sys.executable, "-m", "evolve", "run", "pca", "--seed", "1"),
        *("--runs", str(folder / "runs"), *words),
    ]
    environment = {**os.environ, "HEBBARIUM_CACHE": str(folder / "cache"), "COLUMNS": "200"}
    began = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as out,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert process.stderr is not None
        first, said = _first_generation(process.stderr, began)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or first is None:
        raise UserError(f"{' '.join(command)} did not run to its end:\n{said[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return Started(first, time.perf_counter() - began, usage.ru_maxrss * unit / 1e6)


def _first_generation(stderr: IO[str], began: float) -> tuple[float | None, str]:
    """Read to the end; returns when the first line about a generation came, and all that was said."""
    first, said = None, ""
    for line in stderr:
        said += line
        if first is None and line.startswith("generation"):
            first = time.perf_counter() - began
    return first, said
