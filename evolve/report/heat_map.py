"""A sweep over the limits of a chip as a picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from evolve.ranking.sweep import Cell, as_table


def heat_map(rule: str, ideal: float, cells: Sequence[Cell]) -> Figure:
    """The share of the ideal score that is left, bits down, rounding, mismatch and period across."""
    rows, columns, values = as_table(cells)
    share = values / ideal if ideal > 0 else values
    figure = Figure(
        figsize=(1.6 + 0.9 * len(columns), 1.6 + 0.45 * len(rows)), layout="constrained"
    )
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="viridis", vmin=0.0, vmax=1.0, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), [str(r) for r in rows])
    axes.set_ylabel("bits of a weight")
    axes.set_title(f"{rule}: share of the ideal score", fontsize=10)
    for i, j in np.ndindex(share.shape):
        colour = "black" if share[i, j] > 0.6 else "white"
        axes.text(j, i, f"{share[i, j]:.2f}", ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(image)
    return figure
