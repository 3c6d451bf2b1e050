"""Pictures of activity show what they are given, also when it is little or strange."""

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from evolve.report.figures_activity import raster, replay, similarities, weight_matrices

NAN = float("nan")


def drawn(figure: Figure) -> bool:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=60)
    return image.getvalue().startswith(b"\x89PNG")


def test_every_spike_is_a_dot_at_its_time():
    spikes = np.zeros((100, 4))
    spikes[10, 1] = spikes[50, 3] = 1
    figure = raster({"$x_1$": spikes}, dt=0.5)
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[5, 1], [25, 3]]
    assert drawn(figure)


def test_replay_is_shown_beside_its_model_in_one_scale():
    model, played = np.eye(5), 0.3 * np.eye(5)[::-1]
    figure = replay(model, {"champion": played}, dt=2.0)
    top, bottom = (axes.images[0] for axes in figure.axes)
    assert top.get_clim() == bottom.get_clim() == (0, 1)
    np.testing.assert_array_equal(top.get_array(), model.T)
    np.testing.assert_array_equal(bottom.get_array(), played.T)
    assert drawn(figure)


def test_similarities_are_cosines_whatever_the_amplitude():
    code = np.array([[1.0, 0.0], [0.0, 5.0], [3.0, 3.0], [0.0, 0.0]])
    figure = similarities({"before": code, "after": 7 * code})
    before, after = (np.ma.filled(axes.images[0].get_array(), NAN) for axes in figure.axes[:2])
    np.testing.assert_allclose(
        before[:3, :3], [[1, 0, 0.5**0.5], [0, 1, 0.5**0.5], [0.5**0.5] * 2 + [1]]
    )
    np.testing.assert_allclose(before[:3, :3], after[:3, :3])
    assert np.isnan(before[3]).all() and drawn(figure)


def test_weights_share_a_scale_about_zero():
    figure = weight_matrices(
        {"before": np.zeros((2, 3)), "after": np.array([[-2.0, 1.0], [NAN, 0.5]])}
    )
    assert {axes.images[0].get_clim() for axes in figure.axes[:2]} == {(-2, 2)}
    assert drawn(figure)


@pytest.mark.parametrize("draw", [similarities, weight_matrices])
def test_nothing_to_show_is_an_empty_picture(draw):
    assert drawn(draw({}))
    assert drawn(raster({"a": np.zeros((5, 0)), "b": np.zeros((5, 3))})) and drawn(raster({}))


def test_a_replay_of_signs_has_0_in_the_middle_of_its_scale():
    figure = replay(np.array([[1.0, -1.0]]), {"champion": np.array([[NAN, 0.5]])})
    assert figure.axes[0].images[0].get_clim() == (-1, 1)
    assert drawn(figure)
