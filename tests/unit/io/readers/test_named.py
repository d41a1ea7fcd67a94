"""Any Zarr store or NetCDF-4 file with our names."""

import warnings

import h5py
import numpy as np
import pytest
import rioxarray  # noqa: F401 - writes the CRS
from scipy.io import netcdf_file
from zarr.errors import UnstableSpecificationWarning

import fringefleet
from fringefleet.errors import NetworkError, StackChangedError, StackFormatError
from fringefleet.io import stack_network
from fringefleet.io.stack import file_format
from unit.io.readers import checks

CHUNKS = {
    "unwrapped_phase": {"chunksizes": (3, 8, 8), "zlib": True},
    "coherence": {"chunksizes": (1, 20, 24)},
}


def plain(**attrs):
    """The scene as somebody else may write it: no attributes but ours and what a test adds."""
    stack = checks.simulated()
    return stack.drop_attrs(deep=False).assign_attrs({"wavelength": 0.05546576, "looks": 39} | attrs)


def text(stack):
    dates = np.array(checks.text_dates(stack))
    return stack.assign_coords(reference_date=("pair", dates[:, 0]), secondary_date=("pair", dates[:, 1]))


def whole_numbers(stack):
    return text(stack).assign_coords(
        {
            name: ("pair", text(stack)[name].values.astype("i4"))
            for name in ("reference_date", "secondary_date")
        }
    )


def double(stack):
    return stack.assign({name: stack[name].astype("f8") for name in ("unwrapped_phase", "coherence")})


def pair_last(stack):
    return double(text(stack)).transpose("y", "x", "pair")


LAYOUTS = {
    "NetCDF, as ours": (lambda s: s, {"engine": "h5netcdf", "encoding": CHUNKS}),
    "NetCDF, text dates": (text, {"engine": "h5netcdf"}),
    "NetCDF, whole numbers as dates": (whole_numbers, {"engine": "h5netcdf"}),
    "NetCDF, double precision, pair last": (pair_last, {"engine": "h5netcdf"}),
    "Zarr v2": (lambda s: s, {"zarr_format": 2, "consolidated": False}),
    "Zarr v3, double precision, pair last, text dates": (
        pair_last,
        {"zarr_format": 3, "consolidated": False},
    ),
}


@pytest.fixture(params=LAYOUTS.values(), ids=list(LAYOUTS))
def path(request, tmp_path):
    change, how = request.param
    return write(change(plain()), tmp_path, **how)


def write(stack, tmp_path, **how):
    if "engine" in how:
        stack.to_netcdf(tmp_path / "stack.nc", **how)
        return tmp_path / "stack.nc"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnstableSpecificationWarning)  # of text in Zarr v3
        stack.to_zarr(tmp_path / "stack.zarr", **how)
    return tmp_path / "stack.zarr"


def test_what_comes_out_is_the_same_stack(path):
    stack, expected = fringefleet.open_stack(path, chunks=None), checks.simulated()
    checks.assert_lazy(stack)
    assert stack.attrs["wavelength"] == 0.05546576
    assert stack.attrs["looks"] == 39
    assert stack.attrs["date_format"] == "%Y%m%d"
    assert stack_network(stack) == stack_network(expected)
    np.testing.assert_array_equal(stack.perpendicular_baseline, expected.perpendicular_baseline)
    for name in ("unwrapped_phase", "coherence", "connected_component"):
        assert stack[name].dims == ("pair", "y", "x")
        assert stack[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(stack[name], expected[name])
    np.testing.assert_array_equal(stack.y, expected.y)


def test_every_window_is_read_alike_and_an_array_travels(path):
    checks.assert_windows(path, checks.simulated().unwrapped_phase)
    checks.assert_travels(path)
    checks.assert_one_task_a_block(path)


def test_a_run_gives_the_same_as_from_a_stack_of_ours(path, tmp_path):
    checks.assert_inverts_alike(path, tmp_path)


def test_numbers_that_are_packed_or_filled_come_out_in_radians(tmp_path):
    stack = plain()
    phase = stack.unwrapped_phase.round(2)
    packing = {"dtype": "i2", "scale_factor": 0.01, "_FillValue": -32768}
    filling = {"dtype": "f8", "_FillValue": -9999.0}
    odd = stack.assign(unwrapped_phase=phase, coherence=stack.coherence.where(stack.coherence > 0.6))
    odd.to_netcdf(
        tmp_path / "a.nc", engine="h5netcdf", encoding={"unwrapped_phase": packing, "coherence": filling}
    )
    with h5py.File(tmp_path / "a.nc") as file:
        assert (file["unwrapped_phase"][()] == -32768).sum() == np.isnan(phase).sum() > 0
        assert file["coherence"][()].min() == -9999
    opened = fringefleet.open_stack(tmp_path / "a.nc", chunks=None)
    assert opened.unwrapped_phase.dtype == opened.coherence.dtype == np.float32
    np.testing.assert_allclose(opened.unwrapped_phase, phase, atol=1e-5)
    np.testing.assert_array_equal(opened.coherence, odd.coherence)
    checks.assert_windows(tmp_path / "a.nc", odd.coherence)


def test_times_within_a_day_are_kept(tmp_path):
    stack = plain()
    later = {name: stack[name] + np.timedelta64(3725, "s") for name in ("reference_date", "secondary_date")}
    write(stack.assign_coords(later), tmp_path, engine="h5netcdf")
    opened = fringefleet.open_stack(tmp_path / "stack.nc", chunks=None)
    assert opened.attrs["date_format"] == "%Y%m%dT%H%M%S"
    assert str(opened.secondary_date.values[0])[:19] == "2018-01-18T01:02:05"


@pytest.mark.parametrize("name", ["spatial_ref", "crs"])
def test_the_grid_mapping_of_rioxarray_is_ours_whatever_its_name(tmp_path, name):
    stack = plain().drop_vars("spatial_ref")
    places = {"y": 2190000 - 40.0 * np.arange(20), "x": 480000 + 40.0 * np.arange(24)}
    stack = stack.drop_attrs().assign_coords(places).rio.write_crs("EPSG:32614", grid_mapping_name=name)
    write(stack, tmp_path, engine="h5netcdf")
    opened = fringefleet.open_stack(tmp_path / "stack.nc", chunks=None)
    assert opened.rio.crs.to_epsg() == 32614
    assert opened.unwrapped_phase.attrs["grid_mapping"] == "spatial_ref"
    assert opened.coords["spatial_ref"].shape == ()
    assert opened.y.attrs["units"] == "m"
    np.testing.assert_array_equal(opened.x, places["x"])


def test_rows_and_columns_without_coordinates_are_numbered(tmp_path):
    write(plain().drop_vars(["y", "x", "spatial_ref", "coherence"]), tmp_path, engine="h5netcdf")
    opened = fringefleet.open_stack(tmp_path / "stack.nc", chunks=None)
    assert opened.y.attrs["units"] == "1"
    np.testing.assert_array_equal(opened.x, np.arange(24))
    assert "coherence" not in opened


def test_attributes_by_mintpys_names_are_understood_and_ours_come_first(tmp_path):
    attrs = {"WAVELENGTH": "0.24", "NCORRLOOKS": "8.4", "REF_Y": 3, "REF_X": "5"}
    write(plain(**attrs), tmp_path, engine="h5netcdf")
    opened = fringefleet.open_stack(tmp_path / "stack.nc", chunks=None)
    assert (opened.attrs["wavelength"], opened.attrs["looks"]) == (0.05546576, 39)
    assert opened.attrs["reference_point"] == [3, 5]
    assert opened.attrs["reference_point_y"] == checks.simulated().y.values[3]
    assert opened.attrs["WAVELENGTH"] == "0.24"


def test_stored_chunks_are_known_in_our_order(tmp_path):
    stack = pair_last(plain())
    stack.to_netcdf(
        tmp_path / "a.nc",
        engine="h5netcdf",
        encoding={"unwrapped_phase": {"chunksizes": (8, 6, 3)}, "coherence": {"chunksizes": (20, 24, 1)}},
    )
    opened = fringefleet.open_stack(tmp_path / "a.nc", chunks=None)
    assert opened.unwrapped_phase.encoding["preferred_chunks"] == {"pair": 3, "y": 8, "x": 6}
    assert file_format(opened) == "NetCDF"


def test_another_file_has_other_task_names(tmp_path):
    def task_name():
        return fringefleet.open_stack(tmp_path / "stack.nc").unwrapped_phase.data.name

    write(plain(), tmp_path, engine="h5netcdf")
    before = task_name()
    assert task_name() == before
    write(plain(extra="a"), tmp_path, engine="h5netcdf")
    assert task_name() != before


def test_a_result_is_no_stack(tmp_path):
    result = fringefleet.invert(checks.simulated(), weight_func="no")
    result.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    with pytest.raises(StackFormatError, match="found a result, not a stack"):
        fringefleet.open_stack(tmp_path / "result.nc")


BAD = {
    "no dates": (
        lambda s: s.drop_vars("secondary_date"),
        "found no variable 'secondary_date'; there are .*unwrapped",
    ),
    "whole numbers as phase": (
        lambda s: s.assign(unwrapped_phase=s.unwrapped_phase.fillna(0).astype("i4")),
        "unwrapped_phase with the dimensions .*int32; floating-point numbers over pair, y and x are needed",
    ),
    "coherence of all pairs": (
        lambda s: s.assign(coherence=s.coherence.mean("pair")),
        r"coherence with the dimensions \{'y': 20, 'x': 24\}.*over pair, y and x are needed",
    ),
    "another name of a dimension": (
        lambda s: s.rename(pair="interferogram").drop_vars("perpendicular_baseline"),
        "unwrapped_phase with the dimensions .*interferogram",
    ),
    "dates that are none": (
        lambda s: s.assign_coords(reference_date=("pair", [f"{k}" for k in range(9)])),
        "found the date '0'; a date has the form",
    ),
    "dates as fractions": (
        lambda s: s.assign_coords(reference_date=("pair", np.arange(9) + 0.5)),
        "reference_date with the dimensions .*float64; a date for each pair is needed",
    ),
    "a missing date": (
        lambda s: s.assign_coords(reference_date=s.reference_date.where(np.arange(9) != 4)),
        "a missing time in reference_date",
    ),
    "a baseline at each pixel": (
        lambda s: s.assign_coords(perpendicular_baseline=s.coherence),
        "perpendicular_baseline with the dimensions .*one number for each pair",
    ),
    "a strange grid mapping": (
        lambda s: s.assign_coords(
            spatial_ref=s.spatial_ref.drop_attrs().assign_attrs(grid_mapping_name="flat")
        ),
        "a grid mapping that PROJ cannot parse",
    ),
    "words as coordinates": (
        lambda s: s.drop_vars("y").assign_coords(y=list("abcdefghijklmnopqrst")),
        "the coordinate y of the type .*numbers are needed",
    ),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=list(BAD))
def test_what_is_wrong_is_said_at_once_and_of_which_file(tmp_path, change, message):
    write(change(plain()), tmp_path, engine="h5netcdf")
    with pytest.raises(StackFormatError, match=rf"stack.nc: .*{message}"):
        fringefleet.open_stack(tmp_path / "stack.nc")


def test_the_same_pair_twice_is_no_network(tmp_path):
    write(plain().isel(pair=[0, 1, 2, 0]), tmp_path, engine="h5netcdf")
    with pytest.raises(NetworkError, match=r"stack.nc: .*duplicate"):
        fringefleet.open_stack(tmp_path / "stack.nc")


def test_hdf5_without_names_of_dimensions_is_refused(tmp_path):
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["unwrapped_phase"] = np.zeros((3, 4, 5), "f4")
    with pytest.raises(StackFormatError, match=r"bare.h5: .*not NetCDF-4.*needs? named dimensions"):
        fringefleet.open_stack(tmp_path / "bare.h5")


def test_netcdf_3_is_refused_with_the_way_out(tmp_path):
    with netcdf_file(tmp_path / "old.nc", "w") as file:
        file.createDimension("pair", 3)
    with pytest.raises(StackFormatError, match=r"old.nc: .*NetCDF-3.*nccopy -k nc4 old.nc"):
        fringefleet.open_stack(tmp_path / "old.nc")


def test_a_file_that_is_damaged_is_named_when_it_is_read(tmp_path):
    write(plain(), tmp_path, engine="h5netcdf", encoding={"unwrapped_phase": {"zlib": True, "shuffle": True}})
    path = tmp_path / "stack.nc"
    with h5py.File(path) as file:
        chunk = file["unwrapped_phase"].id.get_chunk_info(0)
    stack = fringefleet.open_stack(path, chunks=None)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + 40] = b"x" * 40
    path.write_bytes(content)
    with pytest.raises(StackChangedError, match=rf"changed after it was opened: .*{path}"):
        stack.unwrapped_phase.load()
    with pytest.raises(StackFormatError, match=rf"unwrapped_phase of {path} cannot be read"):
        fringefleet.open_stack(path, chunks=None).unwrapped_phase.load()
