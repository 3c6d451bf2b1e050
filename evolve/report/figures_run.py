"""Pictures of a run: how fitness rose, what simplicity costs, and how a champion learns.

Every function returns a figure of its own; nothing is drawn on a screen or kept by Matplotlib.
Colours are Okabe and Ito's, which people with colour blindness tell apart (Okabe & Ito 2008).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY)
DARK, GREY, PALE = "#222222", "#767676", "#E6E6E6"

#: Points of a line at most; a page cannot show more.
MOST_POINTS = 1000

#: Instances that get a line of their own, and characters of a rule that are shown.
SHOWN_INSTANCES, RULE_CHARACTERS = 30, 56

#: Lowest score that a curve shows: early medians lie far below and would flatten the rest.
LOWEST_SCORE = -0.1

#: Longest weight vector that is shown; a stable rule keeps it near 1.
LONGEST_NORM = 3.0


def fitness_curve(
    best: Sequence[float], median: Sequence[float], reference: Mapping[str, float]
) -> Figure:
    """Draw the best and the median score of every generation, beside known rules."""
    figure = empty_figure(6.0, 3.4)
    axes = styled(figure.add_subplot())
    last = max(len(best), len(median)) - 1
    lines = (("best", BLUE, 2.2, best), ("median", SKY, 1.4, median))
    ends: list[tuple[float, str, str]] = []
    for name, score in reference.items():
        axes.axhline(score, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        ends.append((score, name, GREY))
    for name, colour, width, series in lines:
        steps, values = _thinned(_finite(series))
        axes.plot(steps, values, "o" if len(steps) == 1 else "-", color=colour, linewidth=width)
        known = values[np.isfinite(values)]
        if known.size:
            ends.append((float(known[-1]), name, colour))
    scores = np.concatenate([_finite(best), _finite(list(reference.values())), [0.0]])
    low = max(LOWEST_SCORE, np.nanmin(np.concatenate([scores, _finite(median)])))
    high = np.nanmax(scores)
    room = 0.05 * max(high - low, 0.1)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(*((0, last) if last > 0 else (-0.5, 0.5)))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("generation")
    axes.set_ylabel("training score")
    _label_ends(axes, ends)
    return figure


def pareto_front(
    points: Sequence[tuple[int, float, str]], chosen: int | None, reference: Mapping[str, float]
) -> Figure:
    """Draw score against complexity, with a table of the rules.

    Parameters
    ----------
    points
        Complexity, score and equation of each rule on the front.
    chosen
        Index of the champion in `points`.
    reference
        Scores of known rules.
    """
    shown = sorted(range(len(points)), key=lambda i: points[i][0])
    texts = [_cut(points[i][2]) for i in shown]
    wide = 0.068 * max((len(text) for text in texts), default=4) + 1.15  # inches of the table
    tall = max(3.2, 0.22 * (len(points) + 2))
    figure = empty_figure(4.2 + wide, tall)
    axes, table = figure.subplots(1, 2, width_ratios=(4.2, wide))
    styled(axes)
    for name, score in reference.items():
        axes.axhline(score, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
        where = (1, score), (-2, -3), ("axes fraction", "data")
        _write(axes, name, *where, color=GREY, fontsize=8.5, ha="right", va="top")
    sizes = [points[i][0] for i in shown]
    scores = [points[i][1] for i in shown]
    axes.plot(sizes, scores, color=BLUE, linewidth=1.2, drawstyle="steps-post", alpha=0.5)
    colours = [ORANGE if i == chosen else BLUE for i in shown]
    axes.scatter(sizes, scores, color=colours, s=34, zorder=3, clip_on=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.margins(x=0.06, y=0.08)
    axes.set_xlabel("complexity (operations)")
    axes.set_ylabel("score")
    _list_rules(table, [(*points[i][:2], t) for i, t in zip(shown, texts, strict=True)], colours)
    return figure


def trajectories(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str, every: int = 1
) -> Figure:
    """Draw how weights turn towards the component, and how long they become.

    Parameters
    ----------
    curves
        For each rule the angle in degrees and the norm of the weights, both (step, instance).
    every
        Steps between two rows.
    """
    figure = empty_figure(6.0, 4.8)
    top, bottom = figure.subplots(2, 1, sharex=True)
    for axes in (top, bottom):
        styled(axes)
    bottom.axhline(1.0, color=GREY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    highest, longest = 1.2, 1
    for i, (name, pair) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        for axes, values in zip((top, bottom), pair, strict=True):
            values = _finite(values)
            steps, thin = _thinned(values)
            middle = _median(thin)
            axes.plot(
                steps * every, thin[:, :SHOWN_INSTANCES], color=colour, linewidth=0.5, alpha=0.25
            )
            axes.plot(steps * every, middle, color=colour, linewidth=2.2, label=name, zorder=3 + i)
        highest = np.nanmax([highest, *_finite(pair[1]).ravel()])
        longest = max(longest, len(pair[0]) - 1)
    top.set_ylim(0, 90)
    top.set_yticks((0, 30, 60, 90))
    top.set_ylabel("angle to component (°)")
    bottom.set_ylim(0, min(1.05 * highest, LONGEST_NORM))
    bottom.set_ylabel("length of weights")
    bottom.set_xlabel("step")
    bottom.set_xlim(0, longest * every)
    figure.align_ylabels()
    top.set_title(title, loc="left", fontsize=10, color=DARK, parse_math=False)
    if curves:
        above: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 3}
        legend = top.legend(frameon=False, fontsize=9, handlelength=1.4, borderaxespad=0.2, **above)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def empty_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    return Figure((width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))


def styled(axes: Axes) -> Axes:
    """Remove the frame at the top and right, and draw the rest in light colours."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.grid(color=PALE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color=GREY, labelcolor=DARK, labelsize=8.5)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(DARK)
        label.set_fontsize(9.5)
    return axes


def _label_ends(axes: Axes, ends: Iterable[tuple[float, str, str]]) -> None:
    """Name lines at their right end, pushed apart where they would overlap."""
    low, high = axes.get_ylim()
    texts = sorted(((y - low) / (high - low), text, colour) for y, text, colour in ends)
    placed = [min(max(y, 0.0), 1.0) for y, _, _ in texts]
    for _ in range(100):
        for i in range(len(placed) - 1):
            push = (0.062 - (placed[i + 1] - placed[i])) / 2
            if push > 0:
                placed[i], placed[i + 1] = placed[i] - push, placed[i + 1] + push
    for y, (_, text, colour) in zip(placed, texts, strict=True):
        _write(axes, text, (1, y), (6, 0), color=colour, fontsize=9, va="center")


def _write(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    points: tuple[int, int],
    coordinates: str | tuple[str, str] = "axes fraction",
    **style: Any,
) -> None:
    """Write a text some points from a place, as it is: a $ in a rule's name is no mathematics."""
    place: dict[str, Any] = {"xycoords": coordinates, "textcoords": "offset points"}
    axes.annotate(text, at, points, parse_math=False, annotation_clip=False, **place, **style)


def _list_rules(
    axes: Axes, rules: Sequence[tuple[int, float, str]], colours: Sequence[str]
) -> None:
    """Write complexity, score and equation of every rule, one a line."""
    axes.set_axis_off()
    lines = [("ops", "score", "rule", GREY)]
    lines += [(str(n), f"{s:.3f}", t, c) for (n, s, t), c in zip(rules, colours, strict=True)]
    height = axes.get_figure().get_figheight()  # type: ignore[union-attr]
    for i, (size, score, text, colour) in enumerate(lines):
        dark = GREY if i == 0 else ORANGE if colour == ORANGE else DARK
        y = 1 - i * 0.21 / (height - 0.6)
        font: dict[str, Any] = {"color": dark, "fontsize": 8, "va": "top", "family": "monospace"}
        for x, side, what in ((22, "right", size), (64, "right", score), (76, "left", text)):
            _write(axes, what, (0, y), (x, 0), ha=side, **font)


def _cut(text: str) -> str:
    return text if len(text) <= RULE_CHARACTERS else f"{text[: RULE_CHARACTERS - 1]}…"


def _finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Replace what is not finite by NaN, which leaves a gap in a line."""
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)


def _thinned(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pick at most `MOST_POINTS` rows, evenly, with the first and the last."""
    rows = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).astype(int))
    return rows, values[rows]


def _median(values: np.ndarray) -> np.ndarray:
    """The median over instances; a row without numbers has none."""
    middle = np.full(len(values), np.nan)
    rows = np.isfinite(values).any(axis=1)
    middle[rows] = np.nanmedian(values[rows], axis=1)
    return middle
