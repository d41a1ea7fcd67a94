"""Attributes of results: extent, dates, reference and kind are their own, whatever they were made from."""

import io
import json
import logging

import h5py
import numpy as np
import pytest
import rasterio
import xarray as xr
from rich.console import Console

import fringefleet
from fringefleet import FitOptions, Options, Run, Selection, TimeFunctions, VelocityRun
from fringefleet.cli.info import print_description
from fringefleet.errors import InputError, OptionError, StackFormatError
from fringefleet.execution.new_reference import NewReference
from fringefleet.execution.report import report_path
from fringefleet.execution.rereferencing import rereference_result
from fringefleet.io.attribute_facts import attribute_facts
from fringefleet.io.describe import describe
from fringefleet.io.mintpy.attributes import with_own_attributes
from fringefleet.products.fit_attributes import FIT_ATTRIBUTES
from fringefleet.simulate import Scene, simulate_dataset, simulate_stack

SCENE = Scene(n_date=8, shape=(40, 50), noise=0.3, seed=4)
ROW, COLUMN = SCENE.reference_point  # 35, 5
DATES = np.char.replace(SCENE.dates.astype("datetime64[D]").astype(str), "-", "").tolist()
OUTSIDE = Selection(rows=(4, 24), columns=(10, 40), start_date=DATES[1], end_date=DATES[6])
INSIDE = Selection(rows=(30, 40), columns=(2, 40))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A stack, its inversion with everything, and two parts; maps of velocity of each."""
    folder = tmp_path_factory.mktemp("own")
    simulate_stack(SCENE, folder / "stack.zarr")
    for name, selection in (("whole", Selection()), ("outside", OUTSIDE), ("inside", INSIDE)):
        options = Options(velocity=True, std=True)
        job = Run(
            folder / "stack.zarr", folder / f"{name}.zarr", options, chunks=(40, 50), selection=selection
        )
        fringefleet.run(job)
        fringefleet.run_velocity(VelocityRun(job.output, folder / f"{name}_velocity.zarr"))
    return folder


def attributes(path):
    return xr.open_zarr(path).attrs


def corner(attrs):
    return float(attrs["Y_FIRST"]), float(attrs["X_FIRST"])


def check_place(attrs, data):
    """Compare the attributes of extent with the coordinates, which are the centres of the pixels."""
    assert (int(attrs["LENGTH"]), int(attrs["WIDTH"])) == (data.sizes["y"], data.sizes["x"])
    steps = float(attrs["Y_STEP"]), float(attrs["X_STEP"])
    for first, step, dim in zip(corner(attrs), steps, ("y", "x"), strict=True):
        np.testing.assert_allclose(first + step * (np.arange(data.sizes[dim]) + 0.5), data[dim], atol=1e-9)


@pytest.mark.parametrize("kind", ["", "_velocity"])
def test_a_part_without_the_reference_point_has_its_own_extent_and_only_the_place_of_the_point(folder, kind):
    whole, part = (xr.open_zarr(folder / f"{name}{kind}.zarr") for name in ("whole", "outside"))
    check_place(part.attrs, part)
    check_place(whole.attrs, whole)
    assert not {"REF_Y", "REF_X", "reference_point"} & part.attrs.keys()
    for name in ("REF_LAT", "REF_LON", "reference_point_y", "reference_point_x"):
        assert part.attrs[name] == whole.attrs[name]
    assert part.attrs["spatial:shape"] == [20, 30]
    assert (part.attrs["START_DATE"], part.attrs["END_DATE"]) == (DATES[1], DATES[6])
    expected = ("velocity", "m/year") if kind else ("timeseries", "m")
    assert (part.attrs["FILE_TYPE"], part.attrs["UNIT"]) == expected


@pytest.mark.parametrize("kind", ["", "_velocity"])
def test_a_part_with_the_reference_point_counts_its_row_and_column_there(folder, kind):
    whole, part = (xr.open_zarr(folder / f"{name}{kind}.zarr") for name in ("whole", "inside"))
    check_place(part.attrs, part)
    assert part.attrs["reference_point"] == [ROW - 30, COLUMN - 2]
    assert (part.attrs["REF_Y"], part.attrs["REF_X"]) == (str(ROW - 30), str(COLUMN - 2))
    assert (whole.attrs["REF_Y"], whole.attrs["REF_X"]) == (str(ROW), str(COLUMN))
    assert part.attrs["REF_LAT"] == whole.attrs["REF_LAT"]


def test_a_lazy_part_of_a_stack_or_of_a_result_has_what_a_run_of_the_part_has(folder):
    expected = attributes(folder / "inside.zarr")
    cut = {"y": slice(30, 40), "x": slice(2, 40)}
    names = ("LENGTH", "WIDTH", "Y_FIRST", "X_FIRST", "REF_Y", "REF_X", "REF_LAT", "START_DATE", "FILE_TYPE")
    of_stack = fringefleet.invert(fringefleet.open_stack(folder / "stack.zarr").isel(cut))
    of_result = fringefleet.rereference(xr.open_zarr(folder / "whole.zarr").isel(cut), date=DATES[0])
    for found in (of_stack, of_result):
        assert {name: found.attrs[name] for name in names} == {name: expected[name] for name in names}
        assert found.attrs["reference_point"] == expected["reference_point"]
    assert of_result.attrs["spatial:bbox"] == expected["spatial:bbox"]
    maps = fringefleet.velocity(xr.open_zarr(folder / "whole.zarr").isel(cut))
    assert (maps.attrs["LENGTH"], maps.attrs["UNIT"]) == ("10", "m/year")
    assert maps.attrs["reference_point"] == expected["reference_point"]


def test_pixels_at_unequal_distances_have_no_corner(folder):
    rows = fringefleet.open_stack(folder / "stack.zarr").isel(y=[30, 31, 35, 37])
    attrs = fringefleet.invert(rows).attrs
    assert attrs["LENGTH"] == "4"
    assert attrs["REF_Y"] == "2"
    assert not {"Y_FIRST", "X_FIRST", "Y_STEP"} & attrs.keys()


def radar_stack():
    """The scene in radar geometry: rows and columns, and the slant range of the first column."""
    stack, _ = simulate_dataset(SCENE)
    place = ("Y_FIRST", "X_FIRST", "Y_STEP", "X_STEP", "Y_UNIT", "X_UNIT", "EPSG")
    stack.attrs = {name: value for name, value in stack.attrs.items() if name not in place}
    stack.attrs |= {"reference_point_y": ROW, "reference_point_x": COLUMN}
    numbers = {dim: (dim, np.arange(stack.sizes[dim]), {"units": "1"}) for dim in ("y", "x")}
    return stack.drop_vars("spatial_ref").assign_coords(numbers)


def test_a_part_in_radar_geometry_has_its_own_near_range_however_often_it_is_cut():
    stack = radar_stack()
    start, size = float(stack.attrs["STARTING_RANGE"]), float(stack.attrs["RANGE_PIXEL_SIZE"])
    first = fringefleet.invert(stack.isel(y=slice(30, 40), x=slice(2, 40)))
    assert first.attrs["first_pixel"] == [30, 2]
    assert (first.attrs["REF_Y"], first.attrs["REF_X"]) == (str(ROW - 30), str(COLUMN - 2))
    assert float(first.attrs["STARTING_RANGE"]) == pytest.approx(start + 2 * size)
    assert first.attrs["REF_LAT"] == stack.attrs["REF_LAT"]
    again = with_own_attributes(first.isel(y=slice(4, 8), x=slice(1, 9)))
    assert again.attrs["first_pixel"] == [34, 3]
    assert (again.attrs["REF_Y"], again.attrs["REF_X"]) == ("1", "2")
    assert float(again.attrs["STARTING_RANGE"]) == pytest.approx(start + 3 * size)
    assert again.attrs["REF_LAT"] == stack.attrs["REF_LAT"]
    assert with_own_attributes(again).attrs == again.attrs
    away = fringefleet.rereference(again, point=(0, 0))
    assert (away.attrs["REF_Y"], away.attrs["REF_X"]) == ("0", "0")
    assert not {"REF_LAT", "REF_LON"} & away.attrs.keys()  # nothing tells where that pixel is


def test_another_reference_is_in_the_attributes_of_either_kind(folder, tmp_path):
    fringefleet.run(
        Run(folder / "stack.zarr", tmp_path / "a.zarr", setting=fringefleet.Setting(reference_point=(7, 9)))
    )
    rereference_result(folder / "whole.zarr", tmp_path / "b.zarr", NewReference(point=(7, 9)))
    y, x = (xr.open_zarr(folder / "whole.zarr")[dim].values for dim in ("y", "x"))
    for name in ("a.zarr", "b.zarr"):
        attrs = attributes(tmp_path / name)
        assert (attrs["REF_Y"], attrs["REF_X"]) == ("7", "9")
        assert (float(attrs["REF_LAT"]), float(attrs["REF_LON"])) == (y[7], x[9])


def test_a_new_reference_forgets_no_earlier_one_and_no_fit_that_it_left_out(folder, tmp_path):
    rereference_result(folder / "inside.zarr", tmp_path / "one.zarr", NewReference(point=(1, 2)))
    rereference_result(tmp_path / "one.zarr", tmp_path / "two.zarr", NewReference(date=DATES[3]))
    first, second = attributes(tmp_path / "one.zarr"), attributes(tmp_path / "two.zarr")
    assert not set(FIT_ATTRIBUTES) & (first.keys() | second.keys())
    assert set(FIT_ATTRIBUTES) & attributes(folder / "inside.zarr").keys()
    lines = second["rereferenced"].splitlines()
    assert lines[0] == first["rereferenced"]
    assert lines[0].startswith("row 1, column 2 (y ")
    assert lines[1].startswith(f"date {DATES[3]}: displacements since another date")
    assert [line.partition(", ")[2] for line in second["history"].splitlines()[1:]] == [
        f"rereference: {lines[0].partition(':')[0]}",
        f"rereference: date {DATES[3]}",
    ]
    assert (second["made_from"], second["REF_Y"]) == ("one.zarr", "1")


def test_both_ways_to_a_velocity_write_the_same_attributes(folder):
    in_the_pass, after = attributes(folder / "whole.zarr"), attributes(folder / "whole_velocity.zarr")
    names = set(FIT_ATTRIBUTES) - {"velocity_std_unknown"}
    assert {name: in_the_pass[name] for name in names} == {name: after[name] for name in names}
    assert (after["n_date_used"], after["velocity_degrees_of_freedom"]) == (8, 6)
    assert (after["first_date_used"], after["last_date_used"]) == (DATES[0], DATES[-1])


def test_another_fit_replaces_all_that_was_said_of_the_first(folder):
    options = FitOptions(uncertainty="none", start_date=DATES[2])
    attrs = fringefleet.velocity(folder / "whole.zarr", TimeFunctions(polynomial=2), options).attrs
    assert (attrs["time_functions"], attrs["first_date_used"]) == ("polynomial 2", DATES[2])
    assert (attrs["START_DATE"], attrs["END_DATE"]) == (DATES[2], DATES[-1])
    assert "velocity_degrees_of_freedom" not in attrs


@pytest.mark.parametrize("uncertainty", ["residual", "bootstrap"])
def test_as_many_dates_as_parameters_give_no_errors_and_a_warning(folder, tmp_path, caplog, uncertainty):
    options = FitOptions(end_date=DATES[1], uncertainty=uncertainty)
    fringefleet.run_velocity(
        VelocityRun(folder / "whole.zarr", tmp_path / "two.zarr", options=options, functions=TimeFunctions())
    )
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert warnings[0].startswith("found 2 dates for 2 parameters of the time functions")
    assert "uncertainty = covariance, or uncertainty = none" in warnings[0]
    found = xr.open_zarr(tmp_path / "two.zarr")
    assert found.attrs["velocity_std_unknown"] == warnings[0]
    assert found["velocity_std"].isnull().all()
    assert found["velocity"].notnull().any()


def test_an_inversion_of_two_dates_warns_of_unknown_errors_too(caplog):
    stack, _ = simulate_dataset(Scene(n_date=2, shape=(8, 8)))
    found = fringefleet.invert(stack, velocity=True)
    assert "found 2 dates for 2 parameters" in caplog.text
    assert found.attrs["velocity_degrees_of_freedom"] == 0
    caplog.clear()
    fringefleet.invert(stack, velocity=True, uncertainty="covariance")
    fringefleet.invert(stack, velocity=True, uncertainty="none")
    assert not caplog.text


def test_python_takes_paths_of_results(folder):
    whole = xr.open_zarr(folder / "whole.zarr")
    for given in (folder / "whole.zarr", str(folder / "whole.zarr")):
        moved = fringefleet.rereference(given, date=DATES[3])
        assert moved["displacement"].chunks
        np.testing.assert_array_equal(
            moved["displacement"], fringefleet.rereference(whole, date=DATES[3])["displacement"]
        )
        maps = fringefleet.velocity(given)
        assert maps["velocity"].chunks
        np.testing.assert_array_equal(maps["velocity"], fringefleet.velocity(whole)["velocity"])
    with pytest.raises(InputError, match="no such file"):
        fringefleet.velocity(folder / "nothing.zarr")
    with pytest.raises(TypeError, match="found result = 3 of the type int"):
        fringefleet.rereference(3, date=DATES[3])


def test_maps_of_velocity_are_refused_where_series_are_needed(folder, tmp_path):
    maps = folder / "whole_velocity.zarr"
    series = rf"found maps of velocity, .*, in {maps}; .* needs the displacement at dates"
    with pytest.raises(StackFormatError, match=series):
        fringefleet.velocity(maps)
    with pytest.raises(StackFormatError, match=series):
        fringefleet.run_velocity(VelocityRun(maps, tmp_path / "out.zarr"))
    with pytest.raises(StackFormatError, match=series):
        fringefleet.rereference(maps, date=DATES[1])
    with pytest.raises(StackFormatError, match=series):
        rereference_result(maps, tmp_path / "out.zarr", NewReference(date=DATES[1]))
    message = rf"found maps of velocity in {maps}, .* Give another format: cog, netcdf"
    with pytest.raises(StackFormatError, match=message):
        fringefleet.export_result(maps, tmp_path / "files", "mintpy")
    for limit, value, name in (
        ("status", "ok", "status"),
        ("min_temporal_coherence", 0.7, "temporal_coherence"),
    ):
        with pytest.raises(
            OptionError, match=rf"found {limit}, and no map {name} in {maps}\. It has date_count"
        ):
            fringefleet.mask_result(maps, **{limit: value})
    assert not list(tmp_path.iterdir())


def test_a_result_of_which_nothing_is_selected_is_refused(folder):
    empty = xr.open_zarr(folder / "whole.zarr").isel(x=slice(0, 0))
    with pytest.raises(StackFormatError, match="the result is empty"):
        fringefleet.velocity(empty)
    with pytest.raises(StackFormatError, match="the result is empty"):
        fringefleet.rereference(empty, date=DATES[1])


def test_a_new_reference_is_checked_before_anything_is_said(folder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    with pytest.raises(OptionError, match="found date = 19990101, which is none of the dates"):
        rereference_result(folder / "whole.zarr", tmp_path / "out.zarr", NewReference(date="19990101"))
    assert not caplog.records
    rereference_result(folder / "whole.zarr", tmp_path / "out.zarr", NewReference(date=DATES[3]))
    messages = [record.getMessage() for record in caplog.records]
    assert messages[0].startswith("left out, as they belong to the old reference: date_count, intercept")
    assert sum("no Dask client" in message for message in messages) == 1
    assert sum("left out" in message for message in messages) == 1


def test_the_report_of_a_velocity_names_threads_where_they_compute(folder, tmp_path, caplog):
    caplog.set_level(logging.INFO, "fringefleet")
    fringefleet.run_velocity(VelocityRun(folder / "whole.zarr", tmp_path / "out.zarr"), client=None)
    report = json.loads(report_path(tmp_path / "out.zarr").read_text())
    assert report["runs"][0]["computed_by"] == "threads of this process, 1 at once"
    assert "of the threads' time" in caplog.text


def test_exports_say_what_they_are_of(folder, tmp_path):
    cut = xr.open_zarr(folder / "whole.zarr").isel(y=slice(30, 40), x=slice(2, 40))
    expected = attributes(folder / "inside.zarr")
    names = ("LENGTH", "WIDTH", "Y_FIRST", "X_FIRST", "REF_Y", "REF_X", "REF_LAT")
    (netcdf,) = fringefleet.export_result(
        cut, tmp_path / "part.nc", "netcdf", dates=DATES[2:4], variables="displacement", unit="mm"
    )
    (store,) = fringefleet.export_result(cut, tmp_path / "part.zarr", "zarr2", dates=DATES[2:4])
    for found in (xr.open_dataset(netcdf).attrs, xr.open_zarr(store).attrs):
        assert {name: found[name] for name in names} == {name: expected[name] for name in names}
        assert (found["START_DATE"], found["END_DATE"]) == (DATES[2], DATES[3])
        assert np.array_equal(found["reference_point"], expected["reference_point"])
        assert not {"FILE_TYPE", "UNIT"} & found.keys()
    assert xr.open_zarr(store).attrs["spatial:bbox"] == expected["spatial:bbox"]
    (image,) = fringefleet.export_result(
        folder / "outside_velocity.zarr", tmp_path / "v.tif", "cog", variables="velocity"
    )
    with rasterio.open(image) as file:
        tags = file.tags()
    assert "reference_point" not in tags
    assert float(tags["reference_point_y"]) == expected["reference_point_y"]
    assert (tags["first_date_used"], tags["velocity_uncertainty"]) == (DATES[1], "residual")
    series, *_ = fringefleet.export_result(folder / "outside.zarr", tmp_path / "mintpy", "mintpy")
    with h5py.File(series) as file:
        assert {"REF_LAT", "REF_LON"} <= set(file.attrs)
        assert not {"REF_Y", "REF_X"} & set(file.attrs)
        assert (file.attrs["REF_DATE"], file.attrs["START_DATE"]) == (DATES[1], DATES[1])


def facts(path):
    """Facts of attributes in `info`, by label; what has several is a list."""
    found = {}
    for label, text in attribute_facts(describe(path)):
        found.setdefault(label, []).append(text)
    return {label: texts[0] if len(texts) == 1 else texts for label, texts in found.items()}


def test_info_of_a_part_says_what_it_is_of_and_where_the_reference_point_is(folder):
    found = facts(folder / "outside.zarr")
    y, x = (attributes(folder / "outside.zarr")[f"reference_point_{dim}"] for dim in ("y", "x"))
    n_pair = attributes(folder / "outside.zarr")["n_pair"]
    assert found["Made from"] == f"{n_pair} pairs of the stack stack.zarr"
    part = f"rows 4 to 23, columns 10 to 39, start date {DATES[1]}, end date {DATES[6]}"
    assert found["Part"] == part
    assert found["Reference point"] == f"outside of this part (y {y:.6g}, x {x:.6g})"
    assert found["Reference date"] == DATES[1]
    assert "selected_rows" not in found["Made with"]
    assert facts(folder / "inside.zarr")["Reference point"].startswith("row 5, column 3 (y ")


def test_info_of_maps_of_velocity_says_what_was_fitted_to_which_dates_and_how_sure_it_is(folder, tmp_path):
    found = facts(folder / "outside_velocity.zarr")
    assert found["Made from"].startswith("the result outside.zarr, from ")
    assert found["Functions of time"] == "polynomial 1"
    assert found["Dates used"] == f"6, {DATES[1]} to {DATES[6]}; gap-filled ones left out"
    assert found["Standard errors"] == (
        "from the residuals of the fit, as if dates were independent; Student's t with date_count - 2 "
        "degrees of freedom (at most 4)"
    )
    assert found["History"].endswith("velocity: polynomial 1")
    options = FitOptions(uncertainty="none")
    fringefleet.run_velocity(VelocityRun(folder / "whole.zarr", tmp_path / "v.zarr", options=options))
    assert facts(tmp_path / "v.zarr")["Standard errors"] == "none"
    fringefleet.run_velocity(
        VelocityRun(folder / "whole.zarr", tmp_path / "two.zarr", options=FitOptions(end_date=DATES[1]))
    )
    assert facts(tmp_path / "two.zarr")["Standard errors"].startswith("not known: found 2 dates for 2 param")


def test_info_of_what_is_masked_and_rereferenced_says_so(folder, tmp_path):
    rereference_result(folder / "inside.zarr", tmp_path / "one.zarr", NewReference(point=(1, 2)))
    rereference_result(tmp_path / "one.zarr", tmp_path / "two.zarr", NewReference(date=DATES[3]))
    fringefleet.mask_result(tmp_path / "two.zarr", min_temporal_coherence=0.5)
    found = facts(tmp_path / "two.zarr")
    assert found["Mask"] == "temporal_coherence >= 0.5"
    assert found["Made from"].startswith("the result one.zarr, from ")
    assert (found["Reference point"].partition(" (")[0], found["Reference date"]) == (
        "row 1, column 2",
        DATES[3],
    )
    assert [text.partition(":")[0].partition(" (")[0] for text in found["Rereferenced"]] == [
        "row 1, column 2",
        f"date {DATES[3]}",
    ]
    assert "Functions of time" not in found
    fringefleet.run_velocity(VelocityRun(tmp_path / "two.zarr", tmp_path / "v.zarr"))
    maps = facts(tmp_path / "v.zarr")
    assert maps["Mask before"] == "temporal_coherence >= 0.5: other pixels were not used"
    assert "Mask" not in maps
    assert maps["Rereferenced"] == found["Rereferenced"]


def test_the_command_info_names_the_kind_and_no_dates_where_there_are_none(folder):
    shown = {}
    for name in ("outside", "outside_velocity"):
        console = Console(file=io.StringIO(), width=200)
        print_description(describe(folder / f"{name}.zarr"), console)
        shown[name] = console.file.getvalue()
    assert "outside.zarr: result of an inversion, Zarr" in shown["outside"]
    assert f"Dates              6, {DATES[1]} to {DATES[6]}" in shown["outside"]
    assert "outside_velocity.zarr: maps of velocity, Zarr" in shown["outside_velocity"]
    lines = shown["outside_velocity"].splitlines()
    assert [line[:10] for line in lines if line.startswith("Dates")] == ["Dates used"]
