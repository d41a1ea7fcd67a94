import importlib
import itertools
import re
import sys

import numpy as np
import pytest
import xarray as xr
import zarr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fringefleet import invert, plot
from fringefleet.errors import InputError, MissingExtraError
from fringefleet.execution.job import Run
from fringefleet.io.store.marks import DONE
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.pipeline import run
from fringefleet.plot import canvas, network, result
from fringefleet.plot.pictures import draw_pictures
from fringefleet.products.velocity import is_map
from fringefleet.simulate import Scene, simulate_dataset, simulate_stack
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


@pytest.fixture
def with_everything(inverted):
    """What a result has if all is asked for, a number a map."""
    maps = {"closure_rms": 0.3, "dem_error": -12.0, "dem_error_std": 5.0}
    there = np.isfinite(inverted["temporal_coherence"])
    full = inverted.assign({name: there * np.float32(value) for name, value in maps.items()})
    full["displacement_std"] = xr.full_like(full["displacement"], 0.001)
    residual = np.linspace(1, 0.2, len(SCENE.pairs))
    i, j = np.array(SCENE.pairs).T
    return full.assign(pair_residual_rms=("pair", residual)).assign_coords(
        reference_date=("pair", full["date"].values[i]),
        secondary_date=("pair", full["date"].values[j]),
        perpendicular_baseline=("date", np.array([0, 50, -20, 10, 80, 0], "f4")),
    )


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be saved."""
    figures = []
    for module in (network, result):
        monkeypatch.setattr(module, "save", lambda figure, _path: figures.append(figure))
    return figures


def title_of(panel):
    """The title of a map, without its unit."""
    return panel.get_title(loc="left").replace("\n", " ").partition(" [")[0]


def titles(figure):
    return [title_of(panel) for panel in figure.axes if title_of(panel)]


def texts_of(panel):
    """Texts that are drawn in a panel and its colour bar: titles, names of axes, labels of ticks in view."""
    found = [panel.title, panel._left_title, panel.xaxis.label, panel.yaxis.label]
    for axis in (panel.xaxis, panel.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        found += [label for tick in ticks for label in (tick.label1, tick.label2)]
    return [*found, *(text for child in panel.child_axes for text in texts_of(child))]


def overlapping(figure):
    """Texts of a figure that are drawn over each other."""
    drawing = FigureCanvasAgg(figure)
    drawing.draw()
    shown = [text for panel in figure.axes for text in texts_of(panel)]
    shown = list({id(text): text for text in shown if text.get_visible() and text.get_text()}.values())
    boxes = [(text.get_text(), text.get_window_extent().shrunk(0.98, 0.9)) for text in shown]
    return [(a, b) for (a, one), (b, other) in itertools.combinations(boxes, 2) if one.overlaps(other)]


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


def test_maps_that_were_asked_for_are_drawn_besides(drawn, tmp_path, inverted, with_everything):
    usual = ["Displacement towards satellite, 2018-03-07", "Pairs used", "Temporal coherence"]
    plot.plot_maps(inverted, tmp_path / "maps.png")
    assert sorted(titles(drawn[0])) == sorted([*usual, "Status"])
    plot.plot_maps(with_everything, tmp_path / "maps.png")
    more = ["Standard deviation, 2018-03-07", "RMS closure of triplets"]
    dem = ["DEM error", "Standard deviation of the DEM error"]
    assert sorted(titles(drawn[1])) == sorted([*usual, *more, *dem, "Status"])
    plot.plot_maps(with_everything.drop_vars("dem_error_std"), tmp_path / "maps.png")
    assert len(titles(drawn[2])) == 7  # and an empty place without axes
    (above,) = (panel for panel in drawn[2].axes if title_of(panel) == "Status")
    assert above.get_xlabel() == "Longitude [°]"


def test_maps_are_in_their_units(drawn, tmp_path, with_everything):
    plot.plot_maps(with_everything, tmp_path / "maps.png")
    values = {title_of(panel): panel.images for panel in drawn[0].axes}
    assert "Standard deviation, 2018-03-07 [mm]" in [p.get_title(loc="left") for p in drawn[0].axes]
    assert values["Standard deviation, 2018-03-07"][0].get_array().max() == pytest.approx(1)  # mm
    assert values["DEM error"][0].get_array().min() == -12


def test_every_status_has_a_colour_of_its_own(drawn, tmp_path, inverted):
    assert len(set(result.STATUS_COLOURS)) == len(Status)
    plot.plot_maps(inverted, tmp_path / "maps.png")
    (panel,) = (panel for panel in drawn[0].axes if title_of(panel) == "Status")
    (bar,) = panel.child_axes
    labels = [re.sub(r" [\d.]+ %$", "", label.get_text()) for label in bar.get_yticklabels()]
    assert labels == [name.replace("_", " ") for name in Status.meanings().split()]


@pytest.mark.parametrize("shape", [(20, 200), (60, 300), (100, 100), (300, 60), (200, 20)])
def test_no_text_is_drawn_over_another_whatever_the_shape_of_the_scene(drawn, tmp_path, shape):
    scene = Scene(n_date=8, neighbours=2, shape=shape)
    found = invert(simulate_dataset(scene)[0], std=True, velocity=True, periodic=(1,)).load()
    plot.plot_maps(found, tmp_path / "maps.png")
    plot.plot_velocity(found[[name for name in found if is_map(name)]], tmp_path / "velocity.png")
    for figure in drawn:
        assert overlapping(figure) == []
        width, height = figure.get_size_inches()
        assert 0.5 < width / height < 4
        assert sum(bool(panel.get_xlabel()) for panel in figure.axes) >= 2


def test_a_standard_deviation_gives_the_series_error_bars(drawn, tmp_path, with_everything):
    plot.plot_series(with_everything, None, tmp_path / "series.png")
    (bars,) = drawn[0].axes[0].collections
    (low, high) = bars.get_segments()[3][:, 1]
    assert high - low == pytest.approx(0.2)  # twice 1 mm, in cm


def test_pairs_of_a_result_are_coloured_by_residual_with_the_worst_on_top(drawn, tmp_path, with_everything):
    plot.plot_network(with_everything, tmp_path / "network.png")
    (lines,) = (art for art in drawn[0].axes[0].collections if art.get_array() is not None)
    assert (np.diff(lines.get_array()) > 0).all()
    assert drawn[0].axes[1].get_ylabel() == "RMS residual [rad]"
    worst = np.array(lines.get_segments()[-1])[:, 1]
    assert worst.tolist() == [0, 50]  # the first pair has the largest residual


def test_a_pair_without_any_residual_does_not_spoil_the_picture(tmp_path, with_everything):
    with_everything["pair_residual_rms"][2] = np.nan
    plot.plot_network(with_everything, tmp_path / "network.png")
    assert is_png(tmp_path / "network.png")


def test_a_result_without_table_of_pairs_has_no_picture_of_its_network(tmp_path, inverted):
    with pytest.raises(InputError, match="found no table of pairs"):
        plot.plot_network(inverted, tmp_path / "network.png")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A stack, its truth, and two results, one of them with a table of pairs."""
    folder = tmp_path_factory.mktemp("plot")
    simulate_stack(SCENE, folder / "stack.zarr")
    for name, options in (("plain", Options()), ("full", Options(diagnose=True))):
        run(Run(folder / "stack.zarr", folder / f"{name}.zarr", options))
    return folder


@pytest.mark.parametrize(
    ("path", "truth", "pictures"),
    [
        ("stack.zarr", None, ["network.png"]),
        ("plain.zarr", None, ["maps.png", "series.png"]),
        ("full.zarr", "stack_truth.zarr", ["maps.png", "series.png", "error.png", "network.png"]),
    ],
)
def test_the_command_draws_all_that_there_are_data_for(stores, tmp_path, path, truth, pictures):
    found = list(draw_pictures(stores / path, tmp_path, truth and stores / truth))
    assert [picture.name for picture in found] == pictures
    assert all(is_png(picture) for picture in found)


@pytest.mark.parametrize(
    ("path", "truth", "message"),
    [
        ("stack.zarr", "stack_truth.zarr", "found a truth for the stack"),
        ("stack_truth.zarr", None, "found only a displacement"),
        ("plain.zarr", "stack.zarr", "found the stack .* as truth"),
        ("plain.zarr", "other_truth.zarr", "rows and columns .4, 4. that lacks 3 of the dates"),
    ],
)
def test_a_path_or_truth_that_cannot_be_drawn_is_refused(stores, tmp_path, path, truth, message):
    if truth == "other_truth.zarr" and not (stores / truth).exists():
        simulate_stack(Scene(n_date=3, shape=(4, 4)), stores / "other.zarr")
    with pytest.raises(InputError, match=message):
        list(draw_pictures(stores / path, tmp_path, truth and stores / truth))


def test_a_result_that_is_not_finished_is_refused(stores, tmp_path):
    zarr.open_group(stores / "plain.zarr", mode="r+", use_consolidated=False)[DONE][0, 0] = 0
    with pytest.raises(InputError, match="is not finished"):
        list(draw_pictures(stores / "plain.zarr", tmp_path, None))


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


def test_the_reference_point_is_marked_where_the_map_has_it_and_stretches_no_other(inverted):
    row = SCENE.reference_point[0]
    for rows, is_inside in ((slice(row - 1, row + 2), True), (slice(0, row - 3), False)):
        part = inverted.isel(y=rows)
        panel = Figure().subplots()
        canvas.draw_map(panel, part["temporal_coherence"], "", "")
        before = panel.axis()
        canvas.mark_reference(panel, part)
        assert panel.axis() == before
        assert len(panel.lines) == is_inside


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


def test_representative_pixels_are_the_extremes_of_the_pixels_with_an_answer(inverted):
    chosen = result._representative_pixels(inverted)
    last = inverted["displacement"].isel(date=-1)
    good = inverted["temporal_coherence"] >= inverted["temporal_coherence"].median()
    pixels = list(chosen.values())
    assert float(last.isel(pixels[0])) == float(last.where(good).min())
    assert float(last.isel(pixels[1])) == float(last.where(good).max())
    assert float(inverted["temporal_coherence"].isel(pixels[3])) < 0.35


def test_representative_pixels_of_a_thinned_scene_point_into_the_whole_one(inverted, monkeypatch):
    monkeypatch.setattr(canvas, "MAX_PIXELS", 10)
    monkeypatch.setattr(result, "MAX_PIXELS", 10)
    for pixel in result._representative_pixels(inverted).values():
        assert pixel["y"] % 3 == pixel["x"] % 3 == 0
        assert np.isfinite(inverted["displacement"].isel(pixel)).all()


def test_a_result_without_any_answer_has_maps_but_no_series(tmp_path, inverted, stack_and_truth):
    empty = inverted.copy()
    empty["displacement"] = xr.full_like(inverted["displacement"], np.nan)
    plot.plot_maps(empty, tmp_path / "maps.png")
    plot.plot_error(empty, stack_and_truth[1], tmp_path / "error.png")
    with pytest.raises(InputError, match=r"no pixel with an estimate among 720"):
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
        _ = importlib.import_module("fringefleet.plot").plot_maps
