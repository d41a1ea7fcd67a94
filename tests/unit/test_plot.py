import importlib
import sys

import numpy as np
import pytest
import xarray as xr

from fringefleet import plot
from fringefleet.errors import InputError, MissingExtraError
from fringefleet.network import Network
from fringefleet.plot import canvas, network, result
from fringefleet.simulate import Scene, simulate_dataset
from fringefleet.status import Status

SCENE = Scene(n_date=6, neighbours=2, shape=(30, 24))


@pytest.fixture(scope="module")
def stack_and_truth():
    return simulate_dataset(SCENE)


@pytest.fixture
def inverted(stack_and_truth):
    """A result with a known error of 2 mm at all dates but the first, and a masked corner."""
    stack, truth = stack_and_truth
    shape = SCENE.shape
    displacement = truth.copy(data=truth.values + 0.002 * (np.arange(6) > 0)[:, None, None].astype("f4"))
    displacement[:, SCENE.reference_point[0], SCENE.reference_point[1]] = 0
    displacement[:, :3, :3] = np.nan
    status = np.zeros(shape, "u1")
    status[:3, :3] = Status.MASKED
    status[SCENE.reference_point] = Status.REFERENCE_POINT
    coherence = np.linspace(0.3, 1, status.size, dtype="f4").reshape(shape)
    return xr.Dataset(
        {
            "displacement": displacement,
            "temporal_coherence": (
                ("y", "x"),
                np.where(status == Status.MASKED, np.nan, coherence),
            ),
            "pair_count": (("y", "x"), np.where(status == Status.MASKED, 0, 9).astype("u2")),
            "status": (("y", "x"), status),
        },
        attrs={**stack.attrs, "reference_date": "2018-01-06"},
    )


def is_png(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000


def test_every_picture_is_drawn_without_a_warning(tmp_path, inverted, stack_and_truth):
    stack, truth = stack_and_truth
    plot.plot_maps(inverted, tmp_path / "new" / "maps.png")
    plot.plot_series(inverted, truth, tmp_path / "series.png")
    plot.plot_series(inverted, None, tmp_path / "alone.png")
    plot.plot_error(inverted, truth, tmp_path / "error.png")
    plot.plot_network(stack, tmp_path / "network.png")
    plot.plot_network(Network(("2018-01-06", "2018-01-18"), ((0, 1),)), tmp_path / "bare.png")
    pictures = list(tmp_path.rglob("*.png"))
    assert len(pictures) == 6
    assert all(is_png(picture) for picture in pictures)


def test_a_lazy_result_draws_the_same_picture(tmp_path, inverted):
    plot.plot_maps(inverted, tmp_path / "now.png")
    plot.plot_maps(inverted.chunk(y=8, x=8), tmp_path / "lazy.png")
    assert (tmp_path / "now.png").read_bytes() == (tmp_path / "lazy.png").read_bytes()


def test_radar_coordinates_without_reference_or_baseline_are_enough(tmp_path, inverted, stack_and_truth):
    stack, _ = stack_and_truth
    radar = inverted.assign_coords(y=np.arange(30), x=np.arange(24)).drop_vars("spatial_ref")
    radar.attrs = {}
    plot.plot_maps(radar, tmp_path / "maps.png")
    plot.plot_network(stack.drop_vars(["perpendicular_baseline", "coherence"]), tmp_path / "network.png")
    assert is_png(tmp_path / "maps.png")
    assert is_png(tmp_path / "network.png")


def test_the_error_is_the_root_mean_square_over_the_dates(inverted, stack_and_truth):
    _, truth = stack_and_truth
    error = result._rms_error(inverted, truth)
    assert np.isnan(error[:3, :3]).all()
    inside = error.values[np.isfinite(error.values)]
    np.testing.assert_allclose(np.sort(inside)[1:], 2 * np.sqrt(5 / 6), rtol=1e-4)
    assert inside.min() == 0  # the reference point


def test_strips_of_the_error_map_fit_together(inverted, stack_and_truth, monkeypatch):
    _, truth = stack_and_truth
    whole = result._rms_error(inverted, truth)
    monkeypatch.setattr(result, "STRIP_BYTES", 4 * 6 * 24 * 7)
    xr.testing.assert_equal(result._rms_error(inverted, truth), whole)


def test_the_truth_is_made_relative_to_the_reference_of_the_result(stack_and_truth):
    _, truth = stack_and_truth
    row, column, date = 4, 20, 3
    moved = truth - truth.isel(y=row, x=column, drop=True)
    moved = (moved - moved.isel(date=date, drop=True)).to_dataset(name="displacement")
    moved.attrs = {
        "reference_point_y": float(truth["y"][row]),
        "reference_point_x": float(truth["x"][column]),
        "reference_date": str(truth["date"].values[date]),
    }
    part = moved["displacement"].isel(y=slice(5, 9), x=slice(None, None, 3))
    xr.testing.assert_allclose(result._match(truth, part, moved), part, atol=1e-7)


def test_telling_pixels_are_the_extremes_of_the_pixels_with_an_answer(inverted):
    chosen = result._telling_pixels(inverted)
    last = inverted["displacement"].isel(date=-1)
    good = inverted["temporal_coherence"] >= inverted["temporal_coherence"].median()
    pixels = list(chosen.values())
    assert float(last.isel(pixels[0])) == float(last.where(good).min())
    assert float(last.isel(pixels[1])) == float(last.where(good).max())
    assert float(inverted["temporal_coherence"].isel(pixels[3])) < 0.35


def test_telling_pixels_of_a_thinned_scene_point_into_the_whole_one(inverted, monkeypatch):
    monkeypatch.setattr(canvas, "MAX_PIXELS", 10)
    monkeypatch.setattr(result, "MAX_PIXELS", 10)
    for pixel in result._telling_pixels(inverted).values():
        assert pixel["y"] % 3 == pixel["x"] % 3 == 0
        assert np.isfinite(inverted["displacement"].isel(pixel)).all()


def test_a_result_without_any_answer_has_maps_but_no_series(tmp_path, inverted, stack_and_truth):
    empty = inverted.copy()
    empty["displacement"] = xr.full_like(inverted["displacement"], np.nan)
    plot.plot_maps(empty, tmp_path / "maps.png")
    plot.plot_error(empty, stack_and_truth[1], tmp_path / "error.png")
    with pytest.raises(InputError, match=r"no pixel with an answer among 720"):
        plot.plot_series(empty, None, tmp_path / "series.png")


def test_maps_are_thinned_before_they_are_read():
    lazy = xr.DataArray(np.zeros((2, 2501, 900), "u1"), dims=("date", "y", "x"))
    assert dict(canvas.thin(lazy).sizes) == {"date": 2, "y": 834, "x": 900}


def test_a_map_reaches_to_the_outer_edges_of_its_pixels():
    assert canvas._edges(np.array([10.0, 8.0, 6.0])) == (11.0, 5.0)
    assert canvas._edges(np.array([3])) == (2.5, 3.5)


def test_a_pair_without_baseline_is_drawn_between_the_baselines_of_its_dates(
    tmp_path, stack_and_truth, monkeypatch
):
    stack, _ = stack_and_truth
    pairs = stack["perpendicular_baseline"].values.copy()
    pairs[2] = np.nan
    drawn = []
    monkeypatch.setattr(network, "save", lambda figure, _path: drawn.append(figure.axes[0]))
    plot.plot_network(stack.assign_coords(perpendicular_baseline=("pair", pairs)), tmp_path / "network.png")
    heights = np.array(drawn[0].collections[0].get_segments())[:, :, 1]
    np.testing.assert_allclose(np.diff(heights)[:, 0], stack["perpendicular_baseline"], atol=1e-3)


def test_without_matplotlib_the_message_names_the_extra(monkeypatch):
    for name in list(sys.modules):
        if name.partition(".")[0] == "matplotlib" or name.startswith("fringefleet.plot"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fringefleet\[plot\]"'):
        importlib.import_module("fringefleet.plot")
