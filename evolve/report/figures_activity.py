"""Pictures of what a network does: activity in time, replay beside its model, similarity, weights.

Arrays in, figures out; every function takes plain NumPy arrays and opens no window.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

GREY, DARK, ORANGE = "#8A8A8A", "#222222", "#D55E00"


def raster(
    spikes: Mapping[str, np.ndarray],
    dt: float = 1.0,
    start: float = 0.0,
    axes: tuple[str, str] = ("time (ms)", "neuron"),
) -> Figure:
    """Draw a dot for each spike, a panel for each network.

    Parameters
    ----------
    spikes
        (step, row), not 0 where there is a spike; rows are neurons, or repetitions of one.
    dt, start
        Length of a step and time of the first, in the unit of the horizontal axis.
    """
    rows = max((s.shape[1] for s in spikes.values()), default=1)
    figure = _empty_figure(2.8 * max(len(spikes), 1) + 1.0, 1.3 + min(0.08 * rows + 0.8, 3.4))
    panels = figure.subplots(1, max(len(spikes), 1), sharex=True, sharey=True, squeeze=False)[0]
    size = 4.0 if rows < 60 else 1.2
    for panel, (name, some) in zip(panels, spikes.items(), strict=False):
        _styled(panel, name)
        step, row = np.nonzero(some)
        panel.plot(start + step * dt, row, "|" if rows < 60 else ".", color=DARK, markersize=size)
        panel.set_xlim(start, start + max(len(some) * dt, dt))
        panel.set_ylim(-0.5, max(rows, 1) - 0.5)
        panel.set_xlabel(axes[0])
        if start < 0:
            panel.axvline(0.0, color=GREY, linewidth=0.8, zorder=0)
    panels[0].set_ylabel(axes[1])
    return figure


def replay(
    model: np.ndarray,
    played: Mapping[str, np.ndarray],
    dt: float = 1.0,
    axes: tuple[str, str] = ("time (ms)", "neuron"),
    title: str = "taught",
    marks: Sequence[float] = (),
) -> Figure:
    """Draw what should be there above what each network makes of it, all (step, row) and in one scale.

    Values below 0 are blue, values above 0 red; where there are none below 0, they are grey to black.

    Parameters
    ----------
    title
        What the first is called.
    marks
        Where on the horizontal axis something happens.
    """
    rows = {title: model, **played}
    figure = _empty_figure(6.4, 0.7 + 1.25 * len(rows))
    panels = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    finite = [r[np.isfinite(r)] for r in rows.values()]
    high = max(*(float(np.abs(r).max(initial=0)) for r in finite), 1e-9)
    signed = any(float(r.min(initial=0)) < 0 for r in finite)
    scale = {"cmap": "RdBu_r" if signed else "Greys", "vmin": -high if signed else 0, "vmax": high}
    for panel, (name, rates) in zip(panels, rows.items(), strict=True):
        _styled(panel, name)
        extent = (0.0, len(rates) * dt, -0.5, rates.shape[1] - 0.5)
        panel.imshow(
            rates.T, aspect="auto", origin="lower", extent=extent, interpolation="nearest", **scale
        )
        for mark in marks:
            panel.axvline(mark, color=ORANGE, linewidth=1.2)
        panel.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        panel.set_ylabel(axes[1])
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[-1].set_xlabel(axes[0])
    return figure


def similarities(codes: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw the cosine of every two codes, a square for each stage, for instance before and after learning.

    Parameters
    ----------
    codes
        Activities (pattern, neuron) of each stage; a silent pattern is left blank.
    """
    figure = _empty_figure(2.8 * max(len(codes), 1) + 0.8, 3.2)
    squares = figure.subplots(1, max(len(codes), 1), squeeze=False)[0]
    image = None
    for axes, (name, activity) in zip(squares, codes.items(), strict=False):
        length = np.linalg.norm(activity, axis=1, keepdims=True)
        unit = np.divide(activity, length, out=np.full(activity.shape, np.nan), where=length > 1e-9)
        image = _styled(axes, name).imshow(unit @ unit.T, cmap="viridis", vmin=0, vmax=1)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_xlabel("pattern")
    squares[0].set_ylabel("pattern")
    if image is not None:
        figure.colorbar(image, ax=list(squares), label="cosine")
    if title:
        figure.suptitle(title, fontsize=10, color=DARK, parse_math=False)
    return figure


def weight_matrices(weights: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw weights (post, pre) of each stage or projection, red above 0 and blue below, in one scale.

    Those of a single neuron are bars.
    """
    figure = _empty_figure(2.8 * max(len(weights), 1) + 0.8, 3.2)
    squares = figure.subplots(1, max(len(weights), 1), squeeze=False)[0]
    finite = [np.abs(w[np.isfinite(w)]).max(initial=0) for w in weights.values()]
    high = max([*map(float, finite), 1e-9])
    image = None
    for axes, (name, w) in zip(squares, weights.items(), strict=False):
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        if len(w) == 1:
            _styled(axes, name).bar(np.arange(w.size), w[0], color=DARK)
            axes.set_ylim(-high if np.any(w < 0) else 0.0, 1.05 * high)
            axes.set_xlabel("from")
            continue
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        image = _styled(axes, name).imshow(w, cmap="RdBu_r", vmin=-high, vmax=high, aspect="auto")
        axes.set_xlabel("from")
    squares[0].set_ylabel("weight" if weights and image is None else "to")
    if image is not None:
        figure.colorbar(image, ax=list(squares), label="weight")
    if title:
        figure.suptitle(title, fontsize=10, color=DARK, parse_math=False)
    return figure


def _empty_figure(width: float, height: float) -> Figure:
    return Figure((width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def _styled(axes: Axes, title: str) -> Axes:
    """Light spines, small labels, the title as it is."""
    for side in axes.spines.values():
        side.set_color(GREY)
    axes.tick_params(color=GREY, labelcolor=DARK, labelsize=8.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(DARK)
        label.set_fontsize(9.5)
    if title:
        axes.set_title(title, loc="left", fontsize=9.5, color=DARK, parse_math=False)
    return axes
