"""Pictures show what they are given, also when there is little of it or it is strange."""

import io
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from evolve.report.figures_run import fitness_curve, pareto_front, trajectories

NAN, INF = float("nan"), float("inf")


def png(figure: Figure) -> bytes:
    """Draw it, with warnings as errors."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=60)
    return image.getvalue()


def words(figure: Figure) -> str:
    """All that is written in a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))


def heights(figure: Figure) -> list[float]:
    """Vertical centres of the labels at the right of the first axes, from below."""
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    return sorted((box.y0 + box.y1) / 2 for box in boxes)


def test_fitness_of_every_generation_is_drawn() -> None:
    figure = fitness_curve([0.1, 0.5, 0.9], [0.0, 0.2, 0.6], {"oja": 0.95})
    curves = {line.get_color(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert [0.1, 0.5, 0.9] in curves.values() and [0.0, 0.2, 0.6] in curves.values()
    assert all(word in words(figure) for word in ("best", "median", "oja", "generation"))


def test_labels_do_not_overlap() -> None:
    close = {"oja": 0.90, "sanger": 0.901, "oja_subspace": 0.902}
    figure = fitness_curve([0.1, 0.903], [0.0, 0.899], close)
    figure.set_dpi(100)
    assert np.diff(heights(figure)).min() > 11  # points of their size, at 100 dots an inch


@pytest.mark.parametrize(
    ("best", "median"),
    [
        ([], []),
        ([0.5], [-1.0]),
        ([NAN, 0.2], [-INF, INF]),
        ([NAN], [NAN]),
        ([-1.0] * 3, [-1.0] * 3),
    ],
)
def test_little_or_strange_fitness_is_drawn(best: list[float], median: list[float]) -> None:
    assert png(fitness_curve(best, median, {})).startswith(b"\x89PNG")


def test_a_bad_median_does_not_flatten_the_curve() -> None:
    figure = fitness_curve([0.1, 0.9], [-1e6, 0.5], {})
    low, high = figure.axes[0].get_ylim()
    assert low > -0.3 and high < 1.1


def test_a_long_run_is_thinned_to_its_ends() -> None:
    rising = np.linspace(0.0, 1.0, 100_000)
    drawn = max(
        (line.get_xydata() for line in fitness_curve(rising, rising, {}).axes[0].lines), key=len
    )
    assert len(drawn) <= 1000
    assert drawn[0].tolist() == [0, 0] and drawn[-1].tolist() == [99_999, 1]


def test_the_front_is_drawn_and_listed_simplest_first() -> None:
    points = [(4, 0.98, "post*(pre - post*w)"), (1, 0.2, "post*pre"), (9, 0.99, "z" * 200)]
    figure = pareto_front(points, 0, {"oja": 0.97})
    axes, table = figure.axes
    assert axes.collections[0].get_offsets().tolist() == [[1, 0.2], [4, 0.98], [9, 0.99]]
    written = [text.get_text() for text in table.texts]
    assert written[3:9] == ["1", "0.200", "post*pre", "4", "0.980", "post*(pre - post*w)"]
    assert written[-1].endswith("z…") and "oja" in words(figure)
    marked = {text.get_text() for text in table.texts if text.get_color() == "#D55E00"}
    assert marked == {"4", "0.980", "post*(pre - post*w)"}


@pytest.mark.parametrize("chosen", [None, 0])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_fronts_of_any_size_fit_their_table(count: int, chosen: int | None) -> None:
    chosen = None if count == 0 else chosen
    figure = pareto_front([(i, i / 30, f"rule_{i}") for i in range(count)], chosen, {})
    assert png(figure).startswith(b"\x89PNG")
    bounds = figure.bbox
    for text in figure.axes[1].texts:
        box = text.get_window_extent()
        assert bounds.x0 <= box.x0 and box.x1 <= bounds.x1
        assert bounds.y0 <= box.y0 and box.y1 <= bounds.y1


def test_formulas_are_not_taken_for_mathtext() -> None:
    assert png(pareto_front([(1, 0.5, r"$\nonsense{$ _x_ ^2")], None, {"$a_b": 0.4}))
    assert png(fitness_curve([0.1, 0.2], [0.1, 0.2], {"$x_1$": 0.3, r"$\bad$": 0.1}))


def test_trajectories_show_instances_and_their_median() -> None:
    angle = np.array([[80.0, 60.0, 40.0], [50.0, 30.0, 10.0], [20.0, 10.0, 0.0]])
    pair = (angle, np.ones((3, 3)))
    figure = trajectories({"champion": pair, "oja": pair}, "pca", every=50)
    top, bottom = figure.axes
    medians = [line for line in top.lines if line.get_linewidth() > 1]
    assert [line.get_label() for line in medians] == ["champion", "oja"]
    assert medians[0].get_xydata().tolist() == [[0, 60], [50, 30], [100, 10]]
    assert len(top.lines) == 2 * (3 + 1)
    assert top.get_ylim() == (0, 90) and bottom.get_ylim()[0] == 0
    assert all(word in words(figure) for word in ("pca", "champion", "oja", "step"))


def test_diverged_trajectories_stay_in_the_picture() -> None:
    angle = np.full((5, 4), 45.0)
    norm = np.array([1.0, 10.0, 1e30, INF, NAN])[:, None] * np.ones((5, 4))
    figure = trajectories({"hebb": (angle, norm), "dead": (angle * NAN, norm * NAN)}, "pca")
    assert png(figure).startswith(b"\x89PNG")
    assert figure.axes[1].get_ylim()[1] <= 3.0
    assert png(trajectories({}, "nothing"))
    assert png(trajectories({"one": (angle[:1], norm[:1])}, "one step"))


def test_nothing_is_left_to_a_screen() -> None:
    before = "matplotlib.pyplot" in sys.modules
    png(fitness_curve([0.1, 0.2], [0.1, 0.2], {}))
    assert before or "matplotlib.pyplot" not in sys.modules
