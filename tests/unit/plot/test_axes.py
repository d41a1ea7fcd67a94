"""What the public helpers draw into axes: the artists, their numbers and their words."""

from datetime import date

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_hex, to_rgba
from matplotlib_scalebar.scalebar import ScaleBar
from pyproj import CRS, Transformer

from fringefleet import invert, plot
from fringefleet.errors import InputError, OptionError
from fringefleet.network.network import Network
from fringefleet.plot.colours import CATEGORIES, WARNING
from fringefleet.simulate import Scene, simulate_dataset
from fringefleet.status import Status

SCENE = Scene(n_date=8, neighbours=2, shape=(30, 40), missing=0.2)


@pytest.fixture(scope="module")
def stack_and_truth():
    return simulate_dataset(SCENE)


@pytest.fixture(scope="module")
def solved(stack_and_truth):
    return invert(stack_and_truth[0], std=True, velocity=True, min_redundancy=0).load()


@pytest.fixture
def result(solved):
    return solved.copy(deep=True)


def image_of(panel):
    (image,) = panel.images
    return image


def values_of(panel):
    return image_of(panel).get_array().filled(np.nan)


def bar_labels(panel):
    return [label.get_text() for label in image_of(panel).colorbar.ax.get_yticklabels()]


def test_the_axes_are_those_that_are_given(result, stack_and_truth):
    figure, panels = plt.subplots(1, 5)
    calls = (
        lambda ax: plot.map(result, ax=ax),
        lambda ax: plot.series(result, ax=ax),
        lambda ax: plot.histogram(result, ax=ax),
        lambda ax: plot.network(stack_and_truth[0], ax=ax),
        lambda ax: plot.matrix(stack_and_truth[0], ax=ax),
    )
    for call, ax in zip(calls, panels, strict=True):
        assert call(ax) is ax
        assert ax.has_data()
    assert plt.get_fignums() == [figure.number]


def test_without_axes_a_figure_is_made(result, stack_and_truth):
    for draw, source in ((plot.map, result), (plot.series, result), (plot.network, stack_and_truth[0])):
        draw(source)
    assert len(plt.get_fignums()) == 3


def test_a_velocity_is_shown_first_and_a_path_is_opened(result, tmp_path):
    assert plot.map(result).get_title(loc="left").startswith("Velocity [mm/year]")
    result.drop_vars([name for name in result if "velocity" in str(name)]).to_zarr(
        tmp_path / "result.zarr", consolidated=False
    )
    for path in (tmp_path / "result.zarr", str(tmp_path / "result.zarr")):
        assert plot.map(path).get_title(loc="left").startswith("Line-of-sight displacement [cm]")


def test_uplift_is_blue_and_subsidence_red_and_the_bar_says_so(result):
    result["velocity"][:] = np.nan
    result["velocity"][0, :3] = [-0.05, 0, 0.05]
    panel = plot.map(result, "velocity", vlim=(-50, 50))
    image = image_of(panel)
    away, none, towards = (to_rgba(colour) for colour in image.to_rgba(image.get_array())[0, :3])
    assert away[0] > 2 * max(away[1:3])
    assert towards[2] > 2 * towards[0]
    assert min(none[:3]) > 0.9
    label = image.colorbar.ax.get_ylabel()
    assert label.index("away (subsidence)") < label.index("towards (uplift)")


def test_the_convention_is_that_of_every_motion_and_of_nothing_else(result):
    for name in ("displacement", "velocity"):
        assert "towards (uplift)" in image_of(plot.map(result, name)).colorbar.ax.get_ylabel()
    for name in ("velocity_std", "temporal_coherence", "pair_count", "displacement_std", "status"):
        assert image_of(plot.map(result, name)).colorbar.ax.get_ylabel() == ""


def test_motion_in_azimuth_is_neither_uplift_nor_subsidence(result):
    result["displacement"].attrs["long_name"] = "displacement in azimuth, with the sign of the offsets"
    panel = plot.map(result, "displacement")
    assert panel.get_title(loc="left").startswith("Displacement in azimuth [cm]")
    assert image_of(panel).colorbar.ax.get_ylabel() == ""


@pytest.mark.parametrize(
    ("vlim", "arrows"),
    [((-1e3, 1e3), "neither"), ((0, 1e3), "min"), ((-1e3, 0), "max"), ((-1e-3, 1e-3), "both")],
)
def test_the_bar_has_arrows_where_values_lie_beyond_it(result, vlim, arrows):
    panel = plot.map(result, "velocity", vlim=vlim)
    assert image_of(panel).colorbar.extend == arrows
    assert image_of(panel).get_clim() == vlim


def test_outliers_give_the_bar_an_arrow(result):
    result["velocity"][0, 0] = 100.0
    assert image_of(plot.map(result, "velocity")).colorbar.extend in ("max", "both")


def test_the_title_states_unit_dates_and_reference_point(result):
    title = " ".join(plot.map(result, "displacement", date="2018-01-30").get_title(loc="left").split())
    y, x = (result.attrs[f"reference_point_{axis}"] for axis in "yx")
    wanted = "Line-of-sight displacement [cm] 2018-01-30 since 2018-01-06 reference point"
    assert title.replace(",", "") == f"{wanted} {y:.4f}° N {-x:.4f}° W"


def test_dates_are_taken_in_any_spelling(result):
    moments = "20180130", "2018-01-30", np.datetime64("2018-01-30"), date(2018, 1, 30), result["date"][2]
    panels = [plot.map(result, "displacement", date=moment) for moment in moments]
    for panel in panels:
        np.testing.assert_array_equal(values_of(panel), values_of(panels[0]))
    np.testing.assert_allclose(values_of(panels[0]), 100 * result["displacement"][2], rtol=1e-6)


@pytest.mark.parametrize("unit", ["mm", "cm", "m"])
def test_the_unit_of_the_label_is_that_of_the_values(result, unit):
    factor = {"mm": 1000, "cm": 100, "m": 1}[unit]
    panel = plot.map(result, "velocity", unit=unit)
    assert f"[{unit}/year]" in panel.get_title(loc="left")
    np.testing.assert_allclose(values_of(panel), factor * result["velocity"], rtol=1e-6)
    histogram = plot.histogram(result, "displacement_std", unit=unit)
    assert histogram.get_xlabel() == f"Standard deviation [{unit}]"
    highest = factor * float(result["displacement_std"].isel(date=-1).max())
    assert 0.8 * highest < histogram.get_xlim()[1] <= 1.001 * highest


def test_a_variable_whose_unit_a_calculation_lost_has_none(result):
    lost = (1000 * result["velocity"]).drop_attrs()
    panel = plot.map(lost)
    assert "[" not in panel.get_title(loc="left")
    np.testing.assert_allclose(values_of(panel), lost, rtol=1e-6)


def test_a_variable_of_the_users_is_drawn_by_its_attributes(result):
    gaps = result["gap_filled"].astype(int).sum("date").rename("gaps")
    gaps.attrs = {"long_name": "gap-filled dates", "units": "1"}
    panel = plot.map(gaps)
    assert panel.get_title(loc="left") == "Gap-filled dates"
    np.testing.assert_array_equal(values_of(panel), gaps)


def test_a_count_has_whole_numbers_only(result):
    result["pair_count"][:] = 5 + np.arange(1200).reshape(30, 40) % 6
    image = image_of(plot.map(result, "pair_count"))
    ticks = image.colorbar.get_ticks()
    assert (ticks == np.round(ticks)).all()
    counts = range(5, 11)
    colours = {to_hex(colour) for colour in image.to_rgba(np.array(counts))}
    assert len(colours) == 6  # one for each
    bars = plot.histogram(result, "pair_count").patches
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == list(counts)
    assert [bar.get_height() for bar in bars] == 6 * [200]


def test_a_count_that_is_the_same_everywhere_is_the_only_one(result):
    result["pair_count"][:] = 30
    assert image_of(plot.map(result, "pair_count")).colorbar.get_ticks().tolist() == [30]
    histogram = plot.histogram(result, "pair_count")
    assert histogram.get_xticks().tolist() == [30]
    assert [bar.get_height() for bar in histogram.patches] == [1200]


def test_many_counts_share_bars_of_as_many_numbers(result):
    result["pair_count"][:] = np.arange(1, 1201).reshape(30, 40)
    bars = plot.histogram(result, "pair_count").patches
    assert len(bars) <= 61
    assert {bar.get_width() for bar in bars} == {20}
    assert sum(bar.get_height() for bar in bars) == 1200
    image = image_of(plot.map(result, "pair_count"))
    assert image.get_clim() == (pytest.approx(1, abs=3), pytest.approx(1200, abs=3))


def test_pixels_without_an_estimate_are_no_count_of_zero(result):
    left_out = result["pair_count"].values == 0
    if not left_out.any():
        result["pair_count"][0, 0] = 0
        left_out = result["pair_count"].values == 0
    np.testing.assert_array_equal(np.isnan(values_of(plot.map(result, "pair_count"))), left_out)


def test_only_the_classes_that_occur_are_in_the_legend_and_the_histogram(result):
    codes, counts = np.unique(result["status"], return_counts=True)
    found = [Status(code).words for code in codes]
    assert 2 <= len(found) < len(Status)
    labels = bar_labels(plot.map(result, "status"))
    assert labels == [f"{word} {n / 12:.1f} %" for word, n in zip(found, counts, strict=True)]
    histogram = plot.histogram(result, "status")
    assert [label.get_text() for label in histogram.get_yticklabels()] == found
    assert [bar.get_width() for bar in histogram.patches] == counts.tolist()


def test_other_flags_have_their_words(result):
    result["gap_filled"][3, :10] = 1
    result["gap_filled"][3, 10:] = 0
    labels = bar_labels(plot.map(result, "gap_filled", date="20180211"))
    assert [label.split(" 3")[0].split(" 6")[0] for label in labels] == ["observed", "gap filled"]


def test_values_that_are_no_flags_are_drawn_as_numbers_though_the_words_were_kept(result):
    gaps = result["gap_filled"].astype(int).sum("date", keep_attrs=True)
    gaps[0, :4] = [0, 1, 2, 3]
    assert "flag_values" in gaps.attrs
    panel = plot.map(gaps)
    np.testing.assert_array_equal(values_of(panel), gaps)
    assert {"0", "1", "2"} <= set(bar_labels(panel))
    assert plot.histogram(gaps).get_ylabel() == "Pixels"  # and not one bar for each word


def test_the_histogram_says_what_it_leaves_out(result):
    result["velocity"][0, :2] = 1.0
    panel = plot.histogram(result, "velocity")
    assert "0.2 % of pixels beyond" in panel.get_title(loc="left").replace("\n", " ")
    drawn = sum(bar.get_height() for bar in panel.patches)
    assert drawn < np.isfinite(result["velocity"]).sum()


def test_the_scale_bar_measures_the_ground(result):
    (bar,) = (artist for artist in plot.map(result).artists if isinstance(artist, ScaleBar))
    metres_of_degree = bar.dx
    latitude = np.radians(float(result["y"].mean()))
    assert metres_of_degree == pytest.approx(111_320 * np.cos(latitude), rel=0.005)


def test_rows_and_columns_have_no_scale_bar_and_no_degrees(result):
    radar = result.drop_vars(["spatial_ref", "y", "x"])
    radar.attrs = {name: value for name, value in radar.attrs.items() if not name.startswith("reference_p")}
    panel = plot.map(radar)
    assert not [artist for artist in panel.artists if isinstance(artist, ScaleBar)]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("Column", "Row")


@pytest.fixture
def in_utm(result):
    """The same scene at 30 m in UTM zone 14 N."""
    crs = CRS.from_epsg(32614)
    y, x = 2_150_000 - 30.0 * np.arange(30), 485_000 + 30.0 * np.arange(40)
    moved = result.assign_coords(
        y=("y", y, {"units": "m", "standard_name": "projection_y_coordinate"}),
        x=("x", x, {"units": "m", "standard_name": "projection_x_coordinate"}),
        spatial_ref=((), 0, crs.to_cf()),
    )
    row, column = SCENE.reference_point
    moved.attrs |= {"reference_point_y": y[row], "reference_point_x": x[column]}
    return moved


def test_a_projected_scene_has_degrees_at_its_edges(in_utm):
    panel = plot.map(in_utm)
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("Longitude [°]", "Latitude [°]")
    to_degrees = Transformer.from_crs(32614, 4326, always_xy=True)
    ends = in_utm["y"].values[-1], in_utm["x"].values[0]
    panel.figure.canvas.draw()
    names = [label.get_text() for label in panel.get_xticklabels()]
    assert len(names) >= 2
    for at, name in zip(panel.get_xticks(), names, strict=True):
        assert float(name) == pytest.approx(to_degrees.transform(at, ends[0])[0], abs=6e-5)
    for at, label in zip(panel.get_yticks(), panel.get_yticklabels(), strict=True):
        assert float(label.get_text()) == pytest.approx(to_degrees.transform(ends[1], at)[1], abs=6e-5)
    (bar,) = (artist for artist in panel.artists if isinstance(artist, ScaleBar))
    assert bar.dx == pytest.approx(1, abs=1e-3)
    place = to_degrees.transform(in_utm.attrs["reference_point_x"], in_utm.attrs["reference_point_y"])
    assert f"{place[1]:.4f}° N, {-place[0]:.4f}° W" in " ".join(panel.get_title(loc="left").split())


def test_where_north_is_not_up_a_scene_keeps_its_coordinates(in_utm):
    polar = in_utm.assign_coords(spatial_ref=((), 0, CRS.from_epsg(3413).to_cf()))
    polar = polar.assign_coords(
        y=("y", -1_000_000 - 100.0 * np.arange(30), {"units": "m", "long_name": "northing"}),
        x=("x", 1_500_000 + 100.0 * np.arange(40), {"units": "m", "long_name": "easting"}),
    )
    panel = plot.map(polar)
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("Easting [m]", "Northing [m]")


def test_a_mask_is_an_expression_the_stored_one_or_none(result):
    result["mask"] = (result["temporal_coherence"] > result["temporal_coherence"].median()).astype("u1")
    n_kept = int((result["mask"] == 1).sum())
    assert 0 < n_kept < result["mask"].size
    for mask, wanted in ((None, n_kept), (False, int(np.isfinite(result["velocity"]).sum()))):
        assert np.isfinite(values_of(plot.map(result, "velocity", mask=mask))).sum() == wanted
    some = plot.map(result, "velocity", mask="pair_count > 12 and status == ok")
    wanted = (result["pair_count"] > 12) & (result["status"] == Status.OK)
    np.testing.assert_array_equal(np.isfinite(values_of(some)), wanted & np.isfinite(result["velocity"]))


def test_a_series_is_that_of_the_pixel_in_the_unit_of_its_label(result):
    panel = plot.series(result, yx=(4, 5), unit="mm")
    assert panel.get_ylabel().replace("\n", " ") == "Line-of-sight displacement [mm]"
    filled = result["gap_filled"][:, 4, 5].values == 1
    by_label = {line.get_label(): line for line in panel.lines}
    observed = by_label["row 4, column 5"].get_ydata()
    np.testing.assert_allclose(
        observed[~filled], 1000 * result["displacement"][:, 4, 5].values[~filled], rtol=1e-6
    )
    assert np.isnan(observed[filled]).all()


def test_gap_filled_dates_are_hollow(result):
    row, column = (int(at) for at in np.argwhere(result["gap_filled"].any("date").values)[0])
    panel = plot.series(result, yx=(row, column))
    (hollow,) = (line for line in panel.lines if line.get_label() == "gap-filled")
    filled = result["gap_filled"][:, row, column].values == 1
    np.testing.assert_allclose(
        hollow.get_ydata(), 100 * result["displacement"][:, row, column].values[filled], rtol=1e-6
    )
    assert hollow.get_markerfacecolor() == "white"


def test_pixels_in_the_same_axes_have_colours_of_their_own(result):
    panel = plot.series(result, yx=(4, 5))
    plot.series(result, yx=(6, 7), ax=panel)
    points = [line for line in panel.lines if line.get_label().startswith("row")]
    assert [to_hex(line.get_color()) for line in points] == list(CATEGORIES[:2])
    words = [text.get_text() for text in panel.get_legend().get_texts()]
    assert {"row 4, column 5", "row 6, column 7"} <= set(words)
    assert panel.get_title(loc="left") == ""  # which would be of one of them


def test_the_truth_is_once_in_the_legend_of_two_pixels(result, stack_and_truth):
    panel = plot.series(result, yx=(4, 5), truth=stack_and_truth[1])
    plot.series(result, yx=(6, 7), truth=stack_and_truth[1], ax=panel)
    words = [text.get_text() for text in panel.get_legend().get_texts()]
    assert sorted(set(words) - {"gap-filled"}) == ["row 4, column 5", "row 6, column 7", "truth"]
    assert len(words) == len(set(words))


def test_gap_filled_dates_take_no_colour_of_the_next_pixel(result):
    first, second = np.argwhere(result["gap_filled"].any("date").values)[:2].tolist()
    panel = plot.series(result, yx=tuple(first))
    plot.series(result, yx=tuple(second), ax=panel)
    points = [line for line in panel.lines if line.get_label().startswith("row")]
    assert [to_hex(line.get_color()) for line in points] == list(CATEGORIES[:2])


def test_a_series_says_where_the_pixel_is_and_how_good(result):
    title = " ".join(plot.series(result, yx=(4, 5)).get_title(loc="left").split())
    y, x = float(result["y"][4]), float(result["x"][5])
    coherence = float(result["temporal_coherence"][4, 5])
    assert title == f"{y:.4f}° N, {-x:.4f}° W, temporal coherence {coherence:.2f}, row 4, column 5"


def test_the_truth_is_a_line_with_the_reference_of_the_result(result, stack_and_truth):
    _, truth = stack_and_truth
    panel = plot.series(result, yx=(4, 5), truth=truth)
    (line,) = (line for line in panel.lines if line.get_label() == "truth")
    row, column = SCENE.reference_point
    known = truth[:, 4, 5] - truth[:, row, column]
    np.testing.assert_allclose(line.get_ydata(), 100 * (known - known[0]), atol=1e-5)


def test_a_matrix_is_symmetric_and_has_the_coherence_of_each_pair(stack_and_truth):
    stack, _ = stack_and_truth
    values = values_of(plot.matrix(stack, yx=(3, 4)))
    assert values.shape == (8, 8)
    np.testing.assert_array_equal(values, values.T)
    for pair, (i, j) in enumerate(SCENE.pairs):
        coherence = float(stack["coherence"][pair, 3, 4])
        assert values[i, j] == pytest.approx(-1 if np.isnan(coherence) else coherence)
    assert np.isnan(np.diag(values)).all()
    assert np.isfinite(values).sum() <= 2 * len(SCENE.pairs)


DAYS = tuple(f"2018-01-{day:02d}" for day in range(1, 8))


def bridges_in(panel):
    return [art for art in panel.collections if art.get_array() is None and len(art.get_segments())]


def test_bridges_of_a_network_are_marked_and_counted():
    panel = plot.network(Network(DAYS[:5], ((0, 1), (1, 2), (0, 2), (2, 3), (3, 4))))
    (marked,) = bridges_in(panel)
    assert len(marked.get_segments()) == 2
    spans = sorted(segment[:, 0].min() for segment in marked.get_segments())
    assert np.diff(spans).tolist() == [1]
    assert to_hex(marked.get_colors()[0]) == WARNING
    (text,) = panel.get_legend().get_texts()
    assert text.get_text().startswith("2 bridges")


def test_a_network_without_bridges_has_no_mark():
    panel = plot.network(Network(DAYS[:3], ((0, 1), (1, 2), (0, 2))))
    assert bridges_in(panel) == []
    assert panel.get_legend() is None


def test_components_of_a_network_have_colours_and_are_counted():
    panel = plot.network(Network(DAYS[:6], ((0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5))))
    assert "2 components" in panel.get_title(loc="left")
    dates = [line for line in panel.lines if line.get_marker() == "o"]
    assert [to_hex(line.get_markerfacecolor()) for line in dates] == list(CATEGORIES[:2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda it: plot.map(it, "velocit"),
            r"found variable = 'velocit', and no such variable. Did you mean",
        ),
        (lambda it: plot.map(it, 3), "found variable = 3 of the type int"),
        (lambda it: plot.map(it, "spatial_ref"), "which has no axis and is no map"),
        (lambda _: plot.map(3), "found source = 3 of the type int"),
        (lambda it: plot.map(it, "velocity", date="20170101"), "velocity, which has no dates"),
        (lambda it: plot.map(it, "displacement", date="20170101"), "none of the dates"),
        (lambda it: plot.map(it, unit="km"), "found unit = 'km'; use one of mm, cm, m"),
        (lambda it: plot.map(it, "status", unit="mm"), "status, which is no length"),
        (lambda it: plot.map(it, vlim=3), "found vlim = 3; give the values of the first and the last colour"),
        (lambda it: plot.map(it, vlim=(3, 2)), "smaller value first"),
        (lambda it: plot.map(it, mask="coherenc > 1"), "coherenc"),
        (lambda it: plot.map(it, mask=3), "found mask = 3 of the type int"),
        (lambda it: plot.map(it, mask=True), "found mask = True"),
        (lambda it: plot.map(it, ax=3), "found ax = 3 of the type int"),
        (lambda it: plot.series(it, yx=(1, 2), lalo=(1, 2)), "both yx and lalo"),
        (
            lambda it: plot.series(it, yx=(1.5, 2)),
            "yx = .1.5, 2.; give row and column: two whole numbers",
        ),
        (lambda it: plot.series(it, lalo=(1, "a")), "found lalo"),
        (lambda it: plot.series(it, truth=3), "found truth = 3 of the type int"),
        (lambda it: plot.histogram(it, unit="km"), "found unit = 'km'; use one of mm, cm, m"),
        (lambda _: plot.network(3), "found source = 3 of the type int"),
    ],
)
def test_arguments_are_checked_in_the_words_of_python(result, call, message):
    with pytest.raises((OptionError, InputError), match=message):
        call(result)


def test_a_pixel_of_what_has_no_coherence_is_refused(stack_and_truth):
    stack, _ = stack_and_truth
    with pytest.raises(InputError, match="no coherence of pairs to read there"):
        plot.matrix(stack.drop_vars("coherence"), yx=(1, 2))


def test_a_dataset_without_any_map_is_refused():
    with pytest.raises(OptionError, match="found no map over y and x; give a result"):
        plot.map(xr.Dataset({"n": ("x", [1])}))


def test_a_date_asks_for_what_has_dates(result):
    assert plot.map(result).get_title(loc="left").startswith("Velocity")
    day = np.datetime_as_string(result["date"].values[2], "D")
    title = plot.map(result, date=day).get_title(loc="left")
    assert title.splitlines()[0] == "Line-of-sight displacement [cm]"
    assert day in title
    plt.close("all")


@pytest.mark.parametrize("flipped", [("y",), ("x",), ("y", "x")])
def test_north_is_up_however_the_rows_are_stored(result, flipped):
    turned = result.isel({axis: slice(None, None, -1) for axis in flipped})
    panel = plot.map(turned)
    for low, high in (panel.get_xlim(), panel.get_ylim()):
        assert low < high
    first_column, last_column, last_row, first_row = image_of(panel).get_extent()
    row, column = 5, 7  # of the result as it was
    y, x = float(result["y"][row]), float(result["x"][column])
    at = (
        int((y - first_row) / (last_row - first_row) * 30),
        int((x - first_column) / (last_column - first_column) * 40),
    )
    assert values_of(panel)[at] == pytest.approx(1000 * float(result["velocity"][row, column]))


def test_rows_of_radar_geometry_go_down(result):
    low, high = plot.map(result.drop_vars(["spatial_ref", "y", "x"])).get_ylim()
    assert low > high


def test_a_date_that_was_cut_out_is_that_of_the_title(result):
    for cut in (result.isel(date=3), result["displacement"].isel(date=3)):
        title = plot.map(cut, "displacement").get_title(loc="left")
        assert "2018-02-11" in title
        assert "2018-03-31" not in title


def test_series_of_two_units_are_not_drawn_over_each_other(result):
    panel = plot.series(result, yx=(4, 5))
    with pytest.raises(OptionError, match=r"displacement \[cm\], and a series of .*\[mm\].*the same unit"):
        plot.series(result, yx=(6, 7), unit="mm", ax=panel)


def test_a_title_of_the_user_stays(result):
    panel = plot.series(result, yx=(4, 5))
    panel.set_title("Mine", loc="left")
    plot.series(result, yx=(6, 7), ax=panel)
    assert panel.get_title(loc="left") == "Mine"


@pytest.mark.parametrize("part", [{"y": [20]}, {"x": [20]}, {"y": [20], "x": [20]}])
def test_a_single_row_or_pixel_is_as_large_as_the_others(result, part):
    panel = plot.map(result.isel(part))
    step = float(result["x"][1] - result["x"][0])
    for dim, ends in (("y", panel.get_ylim()), ("x", panel.get_xlim())):
        n_pixel = len(part[dim]) if dim in part else result.sizes[dim]
        assert abs(ends[1] - ends[0]) == pytest.approx(step * n_pixel)
    assert not [line for line in panel.lines if line.get_label() == "reference point"]


def projected(result, epsg, corner, step):
    y, x = corner[0] - step * np.arange(30), corner[1] + step * np.arange(40)
    crs = ((), 0, CRS.from_epsg(epsg).to_cf())
    return result.assign_coords(y=("y", y, {"units": "m"}), x=("x", x, {"units": "m"}), spatial_ref=crs)


def test_longitudes_across_the_date_line_are_those_of_the_ground(result):
    panel = plot.map(projected(result, 32760, (8_000_000, 815_000), 300.0))
    panel.figure.canvas.draw()
    found = [float(label.get_text()) for label in panel.get_xticklabels()]
    assert found
    assert all(179 < abs(degree) <= 180 for degree in found)


def test_degrees_are_of_both_axes_or_of_none(result):
    panel = plot.map(projected(result, 3031, (1_200_000, -500_000), 300.0))
    labels = {panel.get_xlabel(), panel.get_ylabel()}
    assert labels in ({"Longitude [°]", "Latitude [°]"}, {"Easting [m]", "Northing [m]"})


def test_the_scale_bar_knows_that_a_metre_of_mercator_is_none(result):
    mercator = projected(result, 3857, (9_000_000, 1_000_000), 100.0)
    (bar,) = (artist for artist in plot.map(mercator).artists if isinstance(artist, ScaleBar))
    latitude = Transformer.from_crs(3857, 4326, always_xy=True).transform(1_000_000, 9_000_000)[1]
    assert bar.dx == pytest.approx(np.cos(np.radians(latitude)), rel=0.01)


def test_coordinates_without_units_have_those_of_the_crs(result):
    for axis in ("y", "x"):
        result[axis].attrs = {}
    panel = plot.map(result)
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("Longitude [°]", "Latitude [°]")
    assert panel.get_aspect() > 1.05


def test_pairs_without_a_value_are_there_and_counted(stack_and_truth):
    stack, _ = stack_and_truth
    n_pair = len(SCENE.pairs)
    is_known = xr.DataArray(np.arange(n_pair) > 2, dims="pair")
    panel = plot.network(stack.assign(coherence=stack["coherence"].where(is_known)))
    lines = next(art for art in panel.collections if art.get_array() is not None)
    assert len(lines.get_segments()) == n_pair
    lines.update_scalarmappable()
    np.testing.assert_allclose(lines.get_colors()[:3, :3], 0.6)  # below the others
    assert "3 of them without a value" in panel.get_title(loc="left")
    none = plot.network(stack.assign(coherence=stack["coherence"].where(False)))
    assert none.figure.axes[1].get_ylabel() == "Time span [day]"
    assert "without a value" not in none.get_title(loc="left")


@pytest.mark.parametrize(
    "cut",
    [
        lambda truth: truth.isel(y=slice(0, 3)),
        lambda truth: truth.isel(date=slice(0, 4)),
        lambda truth: truth.assign_coords(x=truth["x"] + 1),
    ],
)
def test_a_truth_of_another_place_or_other_dates_is_refused(result, stack_and_truth, cut):
    _, truth = stack_and_truth
    with pytest.raises(InputError, match="found a truth that lacks pixels or dates"):
        plot.series(result, yx=(20, 5), truth=cut(truth))


def test_a_result_without_its_reference_date_still_has_its_truth(result, stack_and_truth):
    _, truth = stack_and_truth
    panels = [
        plot.series(part, yx=(4, 5), truth=truth) for part in (result.isel(date=slice(2, None)), result)
    ]
    found, expected = (
        next(line for line in panel.lines if line.get_label() == "truth").get_ydata() for panel in panels
    )
    np.testing.assert_allclose(found, expected[2:], rtol=1e-6)


def test_the_stored_mask_hides_no_status_but_a_rule_that_is_given_does(result):
    result["mask"] = (result["temporal_coherence"] > result["temporal_coherence"].median()).astype("u1")
    assert np.isfinite(values_of(plot.map(result, "status"))).all()
    some = np.isfinite(values_of(plot.map(result, "status", mask="mask == 1")))
    np.testing.assert_array_equal(some, result["mask"] == 1)


def test_a_comparison_is_drawn_as_yes_and_no(result):
    good = (result["temporal_coherence"] > 0).rename("good")
    good[0, :4] = False
    labels = bar_labels(plot.map(good))
    assert [label.split()[0] for label in labels] == ["no", "yes"]
    assert [label.get_text() for label in plot.histogram(good).get_yticklabels()] == ["no", "yes"]


def test_a_time_of_day_is_told_and_a_date_with_two_is_refused(result):
    times = result["date"].values.copy()
    times[1] = times[0] + np.timedelta64(6, "h")
    twice = result.assign_coords(date=times)
    title = plot.map(twice, "displacement", date="20180106T0600").get_title(loc="left")
    assert "2018-01-06 06:00 since 2018-01-06" in title
    with pytest.raises(OptionError, match=r"20180106, which is 20180106.* and 20180106T0600"):
        plot.map(twice, "displacement", date="20180106")


def test_dates_of_a_fit_are_no_count_of_zero_where_there_is_no_velocity(result):
    fit = result[["velocity", "date_count"]]
    fit["velocity"][0, :9], fit["date_count"][0, :9] = np.nan, 0
    assert np.isnan(values_of(plot.map(fit, "date_count"))[0, :9]).all()


def test_a_pixel_without_an_estimate_says_so_at_the_dates_of_the_result(result):
    result["displacement"][:, 4, 5] = np.nan
    result["temporal_coherence"][4, 5] = np.nan
    panel = plot.series(result, yx=(4, 5))
    assert "no estimate" in panel.get_title(loc="left")
    low, high = panel.get_xlim()
    assert 17_000 < low < high < 18_000  # days since 1970


@pytest.mark.parametrize("units", ["mrad", "month", "meters of water"])
def test_what_only_begins_like_a_length_is_none(result, units):
    result["velocity"].attrs["units"] = units
    with pytest.raises(OptionError, match="velocity, which is no length"):
        plot.map(result, "velocity", unit="m")


def test_limits_of_colours_of_codes_are_refused(result):
    with pytest.raises(OptionError, match="whose values are codes"):
        plot.map(result, "status", vlim=(0, 1))
