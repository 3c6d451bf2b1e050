"""Pictures of what a network does: activity in time, replay beside its model, similarity, weights.

Arrays in, figures out; every function takes plain NumPy arrays and opens no window.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

GREY, INK = "#8A8A8A", "#222222"


def raster(spikes: np.ndarray, dt: float = 1.0, title: str = "") -> Figure:
    """Draw a dot for each spike.

    Parameters
    ----------
    spikes
        (step, neuron), not 0 where there is a spike.
    dt
        Length of a step [ms].
    """
    figure = _sheet(6.0, 0.9 + min(0.08 * spikes.shape[1] + 0.8, 5.0))
    axes = _dressed(figure.subplots(), title)
    step, neuron = np.nonzero(spikes)
    axes.plot(step * dt, neuron, "|", color=INK, markersize=4)
    axes.set_xlim(0, max(len(spikes) * dt, dt))
    axes.set_ylim(-0.5, max(spikes.shape[1], 1) - 0.5)
    axes.set_xlabel("time (ms)")
    axes.set_ylabel("neuron")
    return figure


def replay(model: np.ndarray, played: np.ndarray, dt: float = 1.0, title: str = "") -> Figure:
    """Draw what was taught above what is replayed, both (step, neuron), in one scale of grey."""
    figure = _sheet(6.0, 4.0)
    top, bottom = figure.subplots(2, 1, sharex=True)
    high = max(float(np.nanmax(model, initial=0)), float(np.nanmax(played, initial=0)), 1e-9)
    for axes, rates, name in ((top, model, "taught"), (bottom, played, "replayed")):
        _dressed(axes, title if axes is top else "")
        extent = (0.0, len(rates) * dt, -0.5, rates.shape[1] - 0.5)
        axes.imshow(
            rates.T, cmap="Greys", vmin=0, vmax=high, aspect="auto", origin="lower", extent=extent
        )
        axes.set_ylabel(f"{name}\nneuron")
    bottom.set_xlabel("time (ms)")
    return figure


def similarities(codes: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw the cosine of every two codes, a square for each stage, for instance before and after learning.

    Parameters
    ----------
    codes
        Activities (pattern, neuron) of each stage; a silent pattern is left blank.
    """
    figure = _sheet(2.8 * max(len(codes), 1) + 0.8, 3.2)
    squares = figure.subplots(1, max(len(codes), 1), squeeze=False)[0]
    image = None
    for axes, (name, activity) in zip(squares, codes.items(), strict=False):
        length = np.linalg.norm(activity, axis=1, keepdims=True)
        unit = np.divide(activity, length, out=np.full(activity.shape, np.nan), where=length > 1e-9)
        image = _dressed(axes, name).imshow(unit @ unit.T, cmap="viridis", vmin=0, vmax=1)
        axes.set_xlabel("pattern")
    squares[0].set_ylabel("pattern")
    if image is not None:
        figure.colorbar(image, ax=list(squares), label="cosine")
    if title:
        figure.suptitle(title, fontsize=10, color=INK, parse_math=False)
    return figure


def weight_matrices(weights: Mapping[str, np.ndarray], title: str = "") -> Figure:
    """Draw weights (post, pre) of each stage or projection, red above 0 and blue below, in one scale."""
    figure = _sheet(2.8 * max(len(weights), 1) + 0.8, 3.2)
    squares = figure.subplots(1, max(len(weights), 1), squeeze=False)[0]
    finite = [np.abs(w[np.isfinite(w)]).max(initial=0) for w in weights.values()]
    high = max([*map(float, finite), 1e-9])
    image = None
    for axes, (name, w) in zip(squares, weights.items(), strict=False):
        image = _dressed(axes, name).imshow(w, cmap="RdBu_r", vmin=-high, vmax=high, aspect="auto")
        axes.set_xlabel("from")
    squares[0].set_ylabel("to")
    if image is not None:
        figure.colorbar(image, ax=list(squares), label="weight")
    if title:
        figure.suptitle(title, fontsize=10, color=INK, parse_math=False)
    return figure


def _sheet(width: float, height: float) -> Figure:
    return Figure((width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def _dressed(axes: Axes, title: str) -> Axes:
    """Light spines, small labels, the title as it is."""
    for side in axes.spines.values():
        side.set_color(GREY)
    axes.tick_params(color=GREY, labelcolor=INK, labelsize=8.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
        label.set_fontsize(9.5)
    if title:
        axes.set_title(title, loc="left", fontsize=9.5, color=INK, parse_math=False)
    return axes
