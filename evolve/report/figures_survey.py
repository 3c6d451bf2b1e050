"""The picture of a survey: how the scores of all rules are distributed."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from evolve.report.figures_run import BLUE, GREY, PALE, empty_figure, styled

#: Bars between the lowest score that is shown and 1.
BARS, LOWEST = 60, -1.0


def distribution(
    exact: np.ndarray, bounded: np.ndarray, diverged: int, known: Mapping[str, float]
) -> Figure:
    """Draw a histogram of training scores, with known rules beside it.

    Parameters
    ----------
    exact
        Scores of the rules that have learned on all training instances.
    bounded
        Bounds of those that cannot be among the best.
    diverged
        How many have no score, since they diverged.
    known
        Scores of known rules.
    """
    figure = empty_figure(6.0, 3.4)
    axes = styled(figure.add_subplot())
    edges = np.linspace(LOWEST, 1, BARS + 1)
    clipped = [np.clip(values, LOWEST, 1) for values in (exact, bounded)]
    low, _ = np.histogram(clipped[0], edges)
    high, _ = np.histogram(clipped[1], edges)
    width = edges[1] - edges[0]
    axes.bar(edges[:-1], low, width, align="edge", color=BLUE, label=f"{len(exact):,} scored")
    if len(bounded):
        axes.bar(
            edges[:-1], high, width, bottom=low, align="edge", color=PALE, edgecolor=GREY,
            linewidth=0.4, label=f"{len(bounded):,} at most",
        )  # fmt: skip
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.set_xlim(LOWEST, 1)
    top = axes.get_ylim()[1]
    for name, score in known.items():
        axes.axvline(score, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.text(
            score, top, f" {name}", rotation=90, va="top", ha="right", fontsize=8, parse_math=False
        )
    axes.set_xlabel("training score")
    axes.set_ylabel("rules")
    axes.legend(
        frameon=False,
        fontsize=8,
        loc="upper left",
        title=f"{diverged:,} diverged",
        title_fontsize=8,
    )
    return figure
