import importlib
import itertools
import sys

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fringefleet import plot
from fringefleet.errors import InputError, MissingExtraError
from fringefleet.network.network import Network
from fringefleet.plot import figures, ground, shown
from fringefleet.plot.canvas import save
from fringefleet.plot.colours import STATUS_COLOURS
from fringefleet.plot.figures import (
    error_figure,
    histograms_figure,
    maps_figure,
    matrix_figure,
    network_figure,
    rms_error,
    series_figure,
)
from fringefleet.plot.series_axes import matched, representative_pixels
from fringefleet.products.registry import variable_named
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
    displacement.attrs = dict(variable_named("displacement").attrs)
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
    for name in full:
        full[name].attrs = dict(variable_named(name).attrs)
    residual = np.linspace(1, 0.2, len(SCENE.pairs))
    i, j = np.array(SCENE.pairs).T
    return full.assign(pair_residual_rms=("pair", residual)).assign_coords(
        reference_date=("pair", full["date"].values[i]),
        secondary_date=("pair", full["date"].values[j]),
        perpendicular_baseline=("date", np.array([0, 50, -20, 10, 80, 0], "f4")),
    )


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


def panel_named(figure, name):
    (panel,) = (panel for panel in figure.axes if title_of(panel) == name)
    return panel


def bar_of(panel):
    """The colour bar of a map: an inset, or axes of their own."""
    (image,) = panel.images
    return image.colorbar


def test_every_page_is_drawn_without_a_warning(tmp_path, inverted, stack_and_truth):
    stack, truth = stack_and_truth
    bare = Network(("2018-01-06", "2018-01-18"), ((0, 1),))
    pages = [histograms_figure(inverted), series_figure(inverted, truth), error_figure(inverted, truth)]
    pages += [draw(source) for draw in (network_figure, matrix_figure) for source in (stack, bare)]
    for number, page in enumerate(pages):
        save(page, picture := tmp_path / "new" / f"{number}.png", dpi=60)
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_maps_that_were_asked_for_are_drawn_besides(inverted, with_everything):
    usual = ["Line-of-sight displacement", "Pairs used", "Temporal coherence"]
    assert titles(maps_figure(inverted)) == [*usual, "Pixel status"]
    more = ["RMS closure of triplets", "DEM error", "Standard deviation"]
    dem = ["Standard deviation of the DEM error"]
    assert sorted(titles(maps_figure(with_everything))) == sorted([*usual, *more, *dem, "Pixel status"])
    page = maps_figure(with_everything.drop_vars("dem_error_std"))
    assert len(titles(page)) == 7  # and an empty place without axes
    assert panel_named(page, "Pixel status").get_xlabel() == "Longitude [°]"


def test_values_are_in_the_unit_of_their_label(with_everything):
    page = maps_figure(with_everything)
    std = panel_named(page, "Standard deviation")
    assert std.get_title(loc="left") == "Standard deviation [mm]\n2018-03-07 since 2018-01-06"
    assert std.images[0].get_array().max() == pytest.approx(1)  # mm
    assert panel_named(page, "DEM error").images[0].get_array().min() == -12
    motion = panel_named(page, "Line-of-sight displacement")
    expected = 100 * with_everything["displacement"].isel(date=-1).values
    np.testing.assert_allclose(motion.images[0].get_array().filled(np.nan), expected, rtol=1e-6)


@pytest.mark.parametrize("unit", ["mm", "cm", "m"])
def test_a_unit_counts_for_all_lengths_of_a_page_and_no_other_map(with_everything, unit):
    factor = {"mm": 1000, "cm": 100, "m": 1}[unit]
    page = maps_figure(with_everything, unit=unit)
    found = {panel.get_title(loc="left").replace("\n", " "): panel for panel in page.axes if panel.images}
    assert found[f"DEM error [{unit}]"].images[0].get_array().min() == pytest.approx(-12 * factor)
    assert found["RMS closure of triplets [rad]"].images[0].get_array().max() == pytest.approx(0.3)
    for panel in histograms_figure(with_everything, unit=unit).axes:
        assert "DEM" not in panel.get_xlabel() or panel.get_xlabel().endswith(f"[{unit}]")


def test_the_legend_of_the_status_has_the_classes_that_occur_with_their_share(inverted):
    panel = panel_named(maps_figure(inverted), "Pixel status")
    bar = bar_of(panel)
    labels = [label.get_text() for label in bar.ax.get_yticklabels()]
    assert labels == ["ok 98.6 %", "masked 1.2 %", "reference point 0.1 %"]
    drawn = panel.images[0].to_rgba(panel.images[0].get_array(), bytes=True)
    expected = [STATUS_COLOURS[Status(code)] for code in inverted["status"].values.ravel()]
    found = ["#{:02x}{:02x}{:02x}".format(*pixel[:3]) for pixel in drawn.reshape(-1, 4)]
    assert found == expected


@pytest.mark.parametrize("code", Status)
def test_a_scene_of_one_status_has_its_colour_and_no_other(inverted, code):
    inverted["status"][:] = code
    panel = panel_named(maps_figure(inverted), "Pixel status")
    (label,) = bar_of(panel).ax.get_yticklabels()
    assert label.get_text() == f"{code.words} 100.0 %"
    assert panel.images[0].cmap.colors == [STATUS_COLOURS[code]]


def of_shape(result, shape):
    """The same pixels over and over, in a scene of another shape."""
    rows, columns = (np.arange(n) % result.sizes[axis] for axis, n in zip("yx", shape, strict=True))
    scene = result.isel(y=rows, x=columns)
    y, x = 19.8 - 1e-3 * np.arange(shape[0]), 1e-3 * np.arange(shape[1]) - 99.6
    row, column = SCENE.reference_point
    scene = scene.assign_coords(y=("y", y, result["y"].attrs), x=("x", x, result["x"].attrs))
    return scene.assign_attrs(reference_point_y=y[row], reference_point_x=x[column])


@pytest.mark.parametrize("shape", [(60, 100), (1000, 100), (100, 1000), (200, 30)])
def test_pages_fit_the_shape_of_the_scene_and_no_text_is_drawn_over_another(with_everything, shape):
    scene = of_shape(with_everything, shape)
    for page in (maps_figure(scene), plot.map(scene, "displacement").figure):
        assert overlapping(page) == []
        width, height = page.get_size_inches()
        assert 0.2 < width / height < 4
        assert any(panel.get_xlabel() for panel in page.axes)
        longer = 1 / np.cos(np.radians(float(scene["y"].mean())))  # is a degree of latitude
        for panel in (panel for panel in page.axes if panel.images):
            box = panel.get_window_extent()
            assert box.height / box.width == pytest.approx(shape[0] / shape[1] * longer, rel=0.02)
        for text in (*page.texts, *(panel._left_title for panel in page.axes)):
            assert text.get_window_extent().x1 <= page.bbox.x1 + 1, text.get_text()
        drawn = page.get_tightbbox()
        assert drawn.width / width > 0.75
        assert drawn.height / height > 0.75


def test_a_standard_deviation_gives_the_series_error_bars(with_everything):
    (bars,) = series_figure(with_everything).axes[0].collections
    (low, high) = bars.get_segments()[3][:, 1]
    assert high - low == pytest.approx(0.2)  # twice 1 mm, in cm


def pairs_in(panel):
    (lines,) = (art for art in panel.collections if art.get_array() is not None)
    return lines


def test_pairs_of_a_result_are_coloured_by_residual_with_the_worst_on_top(with_everything):
    panel = plot.network(with_everything)
    lines = pairs_in(panel)
    assert (np.diff(lines.get_array()) > 0).all()
    assert panel.figure.axes[1].get_ylabel() == "RMS residual [rad]"
    worst = np.array(lines.get_segments()[-1])[:, 1]
    assert worst.tolist() == [0, 50]  # the first pair has the largest residual


def test_a_pair_without_any_residual_does_not_spoil_the_picture(tmp_path, with_everything):
    with_everything["pair_residual_rms"][2] = np.nan
    for name, draw in (("network", network_figure), ("matrix", matrix_figure)):
        save(draw(with_everything), tmp_path / f"{name}.png")
        assert is_png(tmp_path / f"{name}.png")


def test_a_result_without_table_of_pairs_has_no_picture_of_its_network(inverted):
    for draw in (plot.network, plot.matrix):
        with pytest.raises(InputError, match="found no table of pairs"):
            draw(inverted)


def test_a_lazy_result_draws_the_same_picture(inverted):
    pages = maps_figure(inverted), maps_figure(inverted.chunk(y=8, x=8))
    panels = ([panel for panel in page.axes if panel.images] for page in pages)
    for now, lazy in zip(*panels, strict=True):
        assert now.get_title(loc="left") == lazy.get_title(loc="left")
        np.testing.assert_array_equal(now.images[0].get_array(), lazy.images[0].get_array())


def test_radar_coordinates_without_reference_or_baseline_are_enough(tmp_path, inverted, stack_and_truth):
    stack, _ = stack_and_truth
    radar = inverted.assign_coords(y=np.arange(30), x=np.arange(24)).drop_vars("spatial_ref")
    radar.attrs = {}
    save(maps_figure(radar), tmp_path / "maps.png")
    save(network_figure(stack.drop_vars(["perpendicular_baseline", "coherence"])), tmp_path / "network.png")
    assert is_png(tmp_path / "maps.png")
    assert is_png(tmp_path / "network.png")


def test_the_reference_point_is_marked_where_the_map_has_it_and_stretches_no_other(inverted):
    row = SCENE.reference_point[0]
    for rows, is_inside in ((slice(row - 1, row + 2), True), (slice(0, row - 3), False)):
        part = inverted.isel(y=rows)
        panel = Figure().subplots()
        panel.imshow(part["temporal_coherence"])
        before = panel.axis()
        ground.mark_reference(panel, part)
        assert len(panel.lines) == is_inside
        if not is_inside:
            assert panel.axis() == before


def test_the_error_is_the_root_mean_square_over_the_dates(inverted, stack_and_truth):
    _, truth = stack_and_truth
    error = rms_error(inverted, truth)
    assert np.isnan(error[:3, :3]).all()
    inside = error.values[np.isfinite(error.values)]
    np.testing.assert_allclose(np.sort(inside)[1:], 2 * np.sqrt(5 / 6), rtol=1e-4)
    assert inside.min() == 0  # the reference point


def test_strips_of_the_error_map_fit_together(inverted, stack_and_truth, monkeypatch):
    _, truth = stack_and_truth
    whole = rms_error(inverted, truth)
    monkeypatch.setattr(figures, "STRIP_BYTES", 4 * 6 * 24 * 7)
    xr.testing.assert_equal(rms_error(inverted, truth), whole)


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
    xr.testing.assert_allclose(matched(truth, part, moved), part, atol=1e-7)


def test_representative_pixels_are_the_extremes_of_the_pixels_with_an_answer(inverted):
    chosen = representative_pixels(inverted)
    last = inverted["displacement"].isel(date=-1)
    good = inverted["temporal_coherence"] >= inverted["temporal_coherence"].median()
    pixels = [dict(zip(("y", "x"), pixel, strict=True)) for pixel in chosen.values()]
    assert float(last.isel(pixels[0])) == float(last.where(good).min())
    assert float(last.isel(pixels[1])) == float(last.where(good).max())
    assert float(inverted["temporal_coherence"].isel(pixels[3])) < 0.35


def test_representative_pixels_of_a_thinned_scene_point_into_the_whole_one(inverted, monkeypatch):
    monkeypatch.setattr(shown, "MAX_PIXELS", 10)
    for row, column in representative_pixels(inverted).values():
        assert row % 3 == column % 3 == 0
        assert np.isfinite(inverted["displacement"].isel(y=row, x=column)).all()


def test_a_result_without_any_answer_has_maps_but_no_series(tmp_path, inverted, stack_and_truth):
    empty = inverted.copy()
    empty["displacement"] = xr.full_like(inverted["displacement"], np.nan)
    for page in (maps_figure(empty), histograms_figure(empty), error_figure(empty, stack_and_truth[1])):
        save(page, tmp_path / "page.png")
    with pytest.raises(InputError, match=r"no pixel with an estimate among 720"):
        series_figure(empty)


def test_maps_are_thinned_before_they_are_read():
    lazy = xr.Dataset({"n": (("date", "y", "x"), np.zeros((2, 2501, 900), "u1"))})
    assert dict(shown.thin(lazy).sizes) == {"date": 2, "y": 834, "x": 900}


def test_a_map_reaches_to_the_outer_edges_of_its_pixels():
    scene = xr.Dataset(coords={"y": [10.0, 8.0, 6.0], "x": [3]})
    assert ground.edges(scene, "y") == (11.0, 5.0)
    assert ground.edges(scene.assign_attrs(X_STEP=-1), "x") == (3.5, 2.5)


def test_a_pair_without_baseline_is_drawn_between_the_baselines_of_its_dates(stack_and_truth):
    stack, _ = stack_and_truth
    pairs = stack["perpendicular_baseline"].values.copy()
    pairs[2] = np.nan
    panel = plot.network(stack.assign_coords(perpendicular_baseline=("pair", pairs)))
    heights = np.array(pairs_in(panel).get_segments())[:, :, 1]
    np.testing.assert_allclose(np.diff(heights)[:, 0], stack["perpendicular_baseline"], atol=1e-3)


def test_without_matplotlib_the_message_names_the_extra(monkeypatch):
    for name in list(sys.modules):
        if name.partition(".")[0] == "matplotlib" or name.startswith("fringefleet.plot"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "fringefleet\[plot\]"'):
        _ = importlib.import_module("fringefleet.plot").map
