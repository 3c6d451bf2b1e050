"""A function that is called while a run goes on."""

from collections.abc import Callable

from evolve.running.log import RunView
from evolve.running.result import Progress


class Listener(RunView):
    """Calls a function at the end of every generation; shows nothing."""

    def __init__(self, on_generation: Callable[[Progress], None] | None = None) -> None:
        self._on_generation = on_generation

    def generation(self, progress: Progress) -> None:
        """One generation is done."""
        if self._on_generation is not None:
            self._on_generation(progress)
