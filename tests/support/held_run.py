"""A small run that stops in one of its phases until a file appears, so that a test can do harm to it there.

    python -m tests.support.held_run FOLDER PHASE [SEEDS]

It prints "held" when it stands still. Phases: `start`, `search`, `choosing`, `measuring`, `writing`, `pictures`.
"""

import resource
import sys
import time
from pathlib import Path

from evolve.commands import run
from evolve.config.run_config import RunConfig
from evolve.running import parallel_seeds
from evolve.running.log import RunView
from evolve.tracking.run_log import RunLog

#: How the phases that hold are called by the run.
CALLED = {
    "start": "drawing instances",
    "choosing": "choosing",
    "measuring": "measuring the champion",
    "pictures": "drawing pictures",
}
CONFIG = {
    "task": "pca",
    "engine": "interpreter",
    "options": {"dimensions": [2], "samples": 100},
    "genes": {"columns": 8, "primitives": ["sub", "mul"]},
    "variation": {"islands": 8},
    "stop": {"generations": 60},
    "instances": {"validation": 10, "test": 10},
}


def hold(folder: Path) -> None:
    """Stand still until the file `go` appears; without space on the disk from then on if it says so."""
    print("held", flush=True)
    go = folder / "go"
    while not go.exists():
        time.sleep(0.01)
    if go.read_text() == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))


class Holding(RunView):
    """Holds when a phase begins, or in the middle of the search, when every seed has found something."""

    def __init__(self, folder: Path, phase: str, seeds: int) -> None:
        self.folder, self.wanted, self.seeds = folder, phase, seeds
        self.kept: set[str] = set()
        keep = RunLog.keep

        def counted(log: RunLog, *words: object) -> None:
            keep(log, *words)
            self.kept.add(log.id)

        RunLog.keep = counted  # type: ignore[method-assign]

    def _hold(self) -> None:
        self.wanted = ""
        hold(self.folder)

    def phase(self, name: str, steps: int = 0) -> None:
        if self.wanted in CALLED and name.startswith(CALLED[self.wanted]):
            self._hold()

    def generation(self, progress: object) -> None:
        if self.seeds == 1 and progress.generation >= 20:  # type: ignore[attr-defined]
            self.searching()

    def searching(self) -> None:
        """Hold if every seed has found something."""
        if self.wanted == "search" and len(self.kept) == self.seeds:
            self._hold()

    def note(self, text: str) -> None:
        print(f"note: {text}", file=sys.stderr, flush=True)


def few_baselines() -> None:
    """Set the champion beside one known rule, which saves most of the compiling."""
    from evolve.running import select_champion

    every = select_champion.baselines
    select_champion.baselines = lambda arena, names=None: every(arena, ("oja",))


def main() -> None:
    folder, phase = Path(sys.argv[1]), sys.argv[2]
    seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    few_baselines()
    if phase == "writing":
        text = RunLog.text

        def holding(log: RunLog, name: str, content: str) -> None:
            if name == "champion.tex":
                hold(folder)
            text(log, name, content)

        RunLog.text = holding  # type: ignore[method-assign]
    if phase != "pictures":
        run.draw_pictures = lambda *words: None
    config, runs, view = RunConfig(**CONFIG), folder / "runs", Holding(folder, phase, seeds)
    if seeds == 1:
        run.launch(config, runs, view)
    else:
        parallel_seeds.shares_of = lambda searches: 2
        share = parallel_seeds._share

        def quick(*words: object) -> object:
            few_baselines()
            return share(*words)

        parallel_seeds._share = quick
        pass_on = parallel_seeds._pass_on

        def watched(log: object, message: object) -> None:
            pass_on(log, message)
            view.searching()

        parallel_seeds._pass_on = watched
        run.launch_seeds(config, seeds, runs, view)


if __name__ == "__main__":
    from substrate.errors import UserError

    try:
        main()
    except UserError as error:
        print(f"hebbarium: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
