"""Small runs, and a log that keeps what it is told."""

from evolve.running.log import RunView

SMALL = {
    "options": {"dimensions": [2], "samples": 300},
    "genes": {"columns": 12, "primitives": ["sub", "mul"]},
    "variation": {"islands": 2, "mutation": "gene"},
    "stop": {"generations": 40},
    "instances": {"validation": 10, "test": 10},
}


def few_baselines(baselines):
    """As `baselines`, but of a task that names none it gives three and not every known rule."""

    def few(arena, names=None):
        return baselines(arena, names or ("oja", "hebb", "frozen"))

    return few


class Silent(RunView):
    """A log that keeps the tallies."""

    def __init__(self):
        self.stats_of_all = []

    def generation(self, progress):
        self.stats_of_all.append(progress.stats)
