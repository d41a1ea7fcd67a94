"""Interferograms of GMTSAR: grids as GMT writes them, in NetCDF-4 and in NetCDF-3."""

from datetime import date

import h5netcdf
import h5py
import numpy as np
import pytest
from scipy.io import netcdf_file

import fringefleet
from fringefleet.errors import StackFormatError
from fringefleet.io.stack import file_format
from unit.io.readers import checks

DATES = checks.text_dates(checks.simulated())
BASELINES = dict(
    zip(sorted({day for pair in DATES for day in pair}), [0.0, 60.0, -20.0, 35.5, 80.2, -12.0], strict=True)
)
PRM = """\
num_rng_bins\t\t= 22000
SC_identity \t\t= 10
lookdir \t\t= R
orbdir \t\t= D
radar_wavelength \t= 0.0554658
SC_clock_start \t\t= 2018005.5885325549
SC_clock_stop \t\t= 2018005.5885651845
near_range \t\t= 799002.2677
earth_radius \t\t= 6371383.6
SC_height \t\t= 705500.0
SC_vel \t\t\t= 7589.1
PRF \t\t\t= 486.486310
rng_samp_rate \t\t= 64345238.125714
input_file\t\t= S1_20180106_ALL_F1.raw
"""


def days_from_zero(day):
    """YYYYDDD as GMTSAR takes it off SC_clock_start: 1 January is 000."""
    when = date(int(day[:4]), int(day[4:6]), int(day[6:]))
    return f"{when.year}{(when - date(when.year, 1, 1)).days:03d}"


def name(pair):
    return "_".join(days_from_zero(day) for day in pair)


FIRST = name(DATES[0])


def axes(shape, geocoded, pixel):
    """Coordinates from the south, or from the first line, of pixels 8 range bins and 4 lines wide."""
    steps, starts = ((0.001, 0.002), (19.0, 260.5)) if geocoded else ((4.0, 8.0), (2.0, 4.0))
    for label, size, step, start in zip(
        ("lat", "lon") if geocoded else ("y", "x"), shape, steps, starts, strict=True
    ):
        centres = start + step * np.arange(size)
        margin = step / 2 if pixel else 0.0
        yield label, centres, np.array([centres[0] - margin, centres[-1] + margin])


def write_grid(path, rows_from_above, *, classic=False, geocoded=False, pixel=True):
    """Write a grid bottom up, as GMT does."""
    write = write_netcdf3 if classic else write_netcdf4
    z = np.ascontiguousarray(rows_from_above[::-1], "f4")
    attrs = {"title": "", "history": "gmt grdmath tmp.grd mask2_patch.grd MUL = tmp.grd", "description": ""}
    attrs |= {"node_offset": np.int32(1)} if pixel else {}
    write(path, z, list(axes(z.shape, geocoded, pixel)), attrs)


def write_netcdf4(path, z, coordinates, attrs):
    path.unlink(missing_ok=True)
    with h5netcdf.File(path, "w") as file:
        file.attrs.update({"Conventions": "CF-1.7", "GMT_version": "6.1.1"} | attrs)
        for label, centres, ends in reversed(coordinates):
            file.dimensions[label] = len(centres)
            variable = file.create_variable(label, (label,), "f8", data=centres)
            variable.attrs.update({"long_name": label, "actual_range": ends})
        dims = tuple(label for label, _, _ in coordinates)
        packed = {
            "chunks": (min(8, len(z)), min(16, z.shape[1])),
            "compression": "gzip",
            "compression_opts": 3,
            "shuffle": True,
        }
        variable = file.create_variable("z", dims, "f4", data=z, fillvalue=np.float32("nan"), **packed)
        variable.attrs.update({"long_name": "z", "actual_range": np.array([np.nanmin(z), np.nanmax(z)])})


def write_netcdf3(path, z, coordinates, attrs):
    with netcdf_file(path, "w") as file:
        for key, value in ({"Conventions": "COARDS, CF-1.5", "GMT_version": "5.4.5"} | attrs).items():
            setattr(file, key, value)
        for label, centres, ends in reversed(coordinates):
            file.createDimension(label, len(centres))
            variable = file.createVariable(label, "f8", (label,))
            variable[:] = centres
            variable.long_name, variable.actual_range = label, ends
        variable = file.createVariable("z", "f4", tuple(label for label, _, _ in coordinates))
        variable[:] = z
        variable.long_name, variable._FillValue = "z", np.float32("nan")


def write_stack(root, naming=name, **how):
    for index, pair in enumerate(DATES):
        folder = root / "intf_all" / naming(pair)
        folder.mkdir(parents=True)
        stack = checks.simulated().isel(pair=index)
        ending = "_ll.grd" if how.get("geocoded") else ".grd"
        write_grid(folder / f"unwrap{ending}", stack.unwrapped_phase.values, **how)
        write_grid(folder / f"corr{ending}", stack.coherence.values, **how)
        write_grid(folder / f"conncomp{ending}", stack.connected_component.values, **how)
        for day in pair:
            (folder / f"S1_{day}_ALL_F1.PRM").write_text(PRM)
    rows = [
        f"S1_{day}_ALL_F1 {days_from_zero(day)}.5885325549 {k * 12 + 1465} -5.5 {baseline}\n"
        for k, (day, baseline) in enumerate(BASELINES.items())
    ]
    (root / "baseline_table.dat").write_text("".join(rows))
    (root / "config.S1_TOPS.txt").write_text("# filters\nfilter_wavelength = 200\ndec_factor = 2\n")
    return root


@pytest.fixture
def root(tmp_path):
    return write_stack(tmp_path / "F1")


LAYOUTS = {
    "NetCDF-4, pixel registration": {},
    "NetCDF-4, gridline registration": {"pixel": False},
    "NetCDF-3, pixel registration": {"classic": True},
    "NetCDF-3, gridline registration, named YYYYMMDD": {"classic": True, "pixel": False, "naming": "_".join},
}


@pytest.mark.parametrize("how", LAYOUTS.values(), ids=list(LAYOUTS))
def test_what_was_written_comes_out_in_radar_geometry(tmp_path, how):
    root, expected = write_stack(tmp_path / "F1", **how), checks.simulated()
    stack = fringefleet.open_stack(root, chunks=None)
    checks.assert_lazy(stack)
    assert file_format(stack) == "GMTSAR"
    for variable in ("unwrapped_phase", "coherence", "connected_component"):
        np.testing.assert_array_equal(stack[variable], expected[variable])
    np.testing.assert_array_equal(stack.reference_date, expected.reference_date)
    np.testing.assert_array_equal(stack.secondary_date, expected.secondary_date)
    assert stack.y.attrs["units"] == "1"
    np.testing.assert_array_equal(stack.x, np.arange(24))
    assert not {"Y_FIRST", "X_STEP", "Y_UNIT"} & set(stack.attrs)
    checks.assert_windows(root / "intf_all", expected.unwrapped_phase)


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize("pixel", [False, True])
def test_geocoded_grids_are_taken_when_one_of_them_is_named(tmp_path, classic, pixel):
    root = write_stack(tmp_path / "F1", geocoded=True, classic=classic, pixel=pixel)
    path = root / "intf_all" / FIRST / "unwrap_ll.grd"
    stack = fringefleet.open_stack(path, chunks=None)
    np.testing.assert_array_equal(stack.unwrapped_phase, checks.simulated().unwrapped_phase)
    np.testing.assert_array_equal(stack.coherence, checks.simulated().coherence)
    np.testing.assert_allclose(stack.y, 19.0 + 0.001 * np.arange(20)[::-1])
    np.testing.assert_allclose(stack.x, -99.5 + 0.002 * np.arange(24))
    assert stack.spatial_ref.attrs["grid_mapping_name"] == "latitude_longitude"
    assert stack.attrs["Y_STEP"] == pytest.approx(-0.001)
    assert stack.attrs["X_FIRST"] == pytest.approx(-99.501)
    assert stack.attrs["EPSG"] == 4326
    checks.assert_travels(path)


def test_the_first_of_january_is_day_zero(tmp_path):
    root = tmp_path / "intf"
    for pair in ("2016000_2016365", "2016365_2017000"):
        (root / pair).mkdir(parents=True)
        write_grid(root / pair / "unwrap.grd", np.ones((4, 5)))
    stack = fringefleet.open_stack(root, chunks=None)
    days = stack.secondary_date.dt.strftime("%Y%m%d").values.tolist()
    assert days == ["20161231", "20170101"]
    assert str(stack.reference_date.values[0])[:10] == "2016-01-01"


def test_the_baseline_of_a_pair_is_that_of_its_second_date_minus_that_of_its_first(root):
    stack = fringefleet.open_stack(root, chunks=None)
    wanted = [BASELINES[second] - BASELINES[first] for first, second in DATES]
    np.testing.assert_allclose(stack.perpendicular_baseline, wanted, rtol=1e-6)


def test_a_pair_with_the_later_date_first_keeps_its_sign(root):
    turned = root / "intf_all" / "_".join(reversed(FIRST.split("_")))
    (root / "intf_all" / FIRST).rename(turned)
    write_grid(turned / "unwrap.grd", -checks.simulated().unwrapped_phase.values[0])
    stack = fringefleet.open_stack(root)
    first, second = DATES[0]
    index = int(np.flatnonzero(stack.reference_date.dt.strftime("%Y%m%d") == second)[0])
    assert stack.secondary_date.dt.strftime("%Y%m%d").values[index] == first
    assert stack.perpendicular_baseline.values[index] == pytest.approx(BASELINES[first] - BASELINES[second])
    result = fringefleet.invert(stack, weight_func="no", reference_point=checks.POINT)
    expected = fringefleet.invert(checks.simulated(), weight_func="no")
    np.testing.assert_allclose(result.displacement, expected.displacement, atol=1e-6)


def test_attributes_are_those_of_an_image_by_mintpys_names(root):
    attrs = fringefleet.open_stack(root, chunks=None).attrs
    along = 7589.1 / 486.486310 * 6371383.6 / (6371383.6 + 705500.0)
    across = 299792458 / 64345238.125714 / 2
    assert attrs["wavelength"] == attrs["WAVELENGTH"] == 0.0554658
    assert (attrs["ALOOKS"], attrs["RLOOKS"]) == (round(60 / along), round(60 / across)) == (4, 26)
    assert attrs["looks"] == round(4 * 26 / 1.94)
    assert attrs["AZIMUTH_PIXEL_SIZE"] == pytest.approx(4 * along)
    assert attrs["RANGE_PIXEL_SIZE"] == pytest.approx(26 * across)
    assert (attrs["ORBIT_DIRECTION"], attrs["ANTENNA_SIDE"], attrs["PLATFORM"]) == ("DESCENDING", -1, "Sen")
    assert (attrs["STARTING_RANGE"], attrs["HEIGHT"]) == (799002.2677, 705500.0)
    assert attrs["CENTER_LINE_UTC"] == pytest.approx(0.5885488697 * 86400)
    distance = 799002.2677 + 12 * 8 * across  # of the middle column
    triangle = (
        distance**2
        + 6371383.6**2
        - 2 * distance * 6371383.6 * np.cos(np.radians(180 - attrs["CENTER_INCIDENCE_ANGLE"]))
    )
    assert np.sqrt(triangle) == pytest.approx(6371383.6 + 705500.0)


def test_without_parameters_the_grids_are_there_all_the_same(root):
    for path in (*root.rglob("*.PRM"), root / "baseline_table.dat"):
        path.unlink()
    stack = fringefleet.open_stack(root, chunks=None)
    assert "wavelength" not in stack.attrs
    assert "perpendicular_baseline" not in stack.coords


def test_an_array_travels_and_reading_is_one_task_a_block(root):
    checks.assert_travels(root)
    checks.assert_one_task_a_block(root)


@pytest.mark.parametrize("classic", [False, True])
def test_a_run_gives_the_same_as_from_a_stack_of_ours(tmp_path, classic):
    checks.assert_inverts_alike(write_stack(tmp_path / "F1", classic=classic), tmp_path)


def shifted(path, by):
    """The same grid, so many range bins further; a pixel has 8."""
    with h5py.File(path, "r+") as file:
        file["x"][...] += by
        file["x"].attrs["actual_range"] += by


def first(root, file="unwrap.grd"):
    return root / "intf_all" / FIRST / file


BAD = {
    "a grid a part of a pixel off": (
        lambda root: shifted(first(root), by=4),
        rf"pixels of .*{FIRST}/unwrap.grd are 20 x 24 .* x = 4 .*x = 0",
    ),
    "no correlation of one pair": (
        lambda root: first(root, "corr.grd").unlink(),
        rf"no coherence for 1 of 9 pairs: {FIRST}",
    ),
    "a pair that was not unwrapped": (
        lambda root: first(root).unlink(),
        rf"no unwrap.grd in 1 folders of pairs: {FIRST}",
    ),
    "a file that is no grid": (
        lambda root: first(root).write_bytes(b"CDF"),
        rf"{FIRST}/unwrap.grd cannot be read .*netCDF driver.*gmt grdconvert unwrap.grd",
    ),
    "a day that no year has": (
        lambda root: first(root).parent.rename(root / "intf_all" / "2018366_2018400"),
        "2018366 in the name of .*days of a year count from 0",
    ),
    "a date that no calendar has": (
        lambda root: first(root).parent.rename(root / "intf_all" / "20181301_20180101"),
        "20181301 in the name of .*which is not a date",
    ),
}


@pytest.mark.parametrize(("spoil", "message"), BAD.values(), ids=list(BAD))
def test_what_is_wrong_is_said_at_once_and_of_which_file(root, spoil, message):
    spoil(root)
    with pytest.raises(StackFormatError, match=message):
        fringefleet.open_stack(root)


def test_a_grid_that_is_damaged_is_named_when_it_is_read(root):
    path = first(root)
    with h5py.File(path) as file:
        chunk = file["z"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + 40] = b"x" * 40
    path.write_bytes(content)
    stack = fringefleet.open_stack(root, chunks=None)
    with pytest.raises(StackFormatError, match=rf"{FIRST}/unwrap.grd cannot be read"):
        stack.unwrapped_phase.load()
