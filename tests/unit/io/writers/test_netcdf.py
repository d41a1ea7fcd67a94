import json
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pyproj
import pytest
import xarray as xr

from exported import GRIDS, NAMES, scene, stored
from fringefleet.errors import InputError
from fringefleet.io.store import staging
from fringefleet.io.writers.export import export_result

CHECK = """
import sys
from compliance_checker.runner import CheckSuite, ComplianceChecker
CheckSuite.load_all_available_checkers()
done = ComplianceChecker.run_checker(sys.argv[1], ["cf:1.11"], verbose=0, criteria="strict")
sys.exit(done != (True, False))
"""
EVERYTHING = (
    *("displacement", "displacement_std", "displacement_cov", "gap_filled", "velocity"),
    *("temporal_coherence", "residual_rms", "pair_count", "status"),
)


def check(path, result, names, *, factor=1.0):
    """Compare a file with what it was made of, as xarray reads it."""
    with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False) as found:
        assert set(found.data_vars) - {"spatial_ref"} == set(names)
        for name in names:
            assert found[name].dims == result[name].dims
            assert found[name].dtype == result[name].dtype
            scale = factor if str(result[name].attrs.get("units", "")).startswith("m") else 1
            np.testing.assert_allclose(found[name], scale * result[name], rtol=1e-6)
            for dim in result[name].dims:
                np.testing.assert_array_equal(found[dim], result[dim])


@pytest.mark.parametrize("kind", [*GRIDS, "radar"])
def test_one_file_has_everything_and_the_checker_of_cf_has_nothing_to_say(tmp_path, kind):
    result = scene(kind, EVERYTHING).assign_coords(
        perpendicular_baseline=("date", np.arange(4.0), {"units": "m"})
    )
    path = tmp_path / "new" / "all.nc"
    source = stored(result, tmp_path / "result.zarr")
    assert export_result(source, path, "netcdf", variables=",".join(EVERYTHING)) == [path]
    check(path, result, EVERYTHING)
    export_result(
        source, path, "netcdf", overwrite=True
    )  # without the covariance, whose two times CF does not know
    with xr.open_dataset(path) as found:
        np.testing.assert_array_equal(found["perpendicular_baseline"], np.arange(4.0))
    done = subprocess.run(
        [sys.executable, "-c", CHECK, path],
        capture_output=True,
        text=True,
        check=False,
    )
    if kind == "radar":  # rows and columns are no axes that CF knows: it recommends an order that has them
        assert set(re.findall("§[\\d.]+", done.stdout)) == {"§2.4"}, done.stdout
        return
    assert done.returncode == 0, done.stdout
    assert "All tests passed!" in done.stdout, done.stdout


@pytest.mark.parametrize("kind", GRIDS)
def test_the_crs_is_a_grid_mapping_and_the_dates_are_a_time_axis(tmp_path, kind):
    export_result(scene(kind), tmp_path / "out", "netcdf", variables=["displacement", "status"])
    with xr.open_dataset(tmp_path / "out" / "displacement.nc", decode_cf=False) as found:
        data = found["displacement"]
        assert data.attrs["grid_mapping"] == "spatial_ref"
        assert pyproj.CRS.from_cf(found["spatial_ref"].attrs).to_epsg() == GRIDS[kind][1]
        assert found["date"].attrs["standard_name"] == "time"
        assert [found[dim].attrs["axis"] for dim in ("date", "y", "x")] == ["T", "Y", "X"]
        standard = "latitude" if GRIDS[kind][1] == 4326 else "projection_y_coordinate"
        assert found["y"].attrs["standard_name"] == standard
        assert found.attrs["Conventions"] == "CF-1.11"
        assert found["date"].values.tolist() == [18262, 18274, 18298, 18687]
    with xr.open_dataset(tmp_path / "out" / "status.nc", decode_cf=False) as found:
        assert "date" not in found.dims
        assert found["status"].attrs["flag_values"].dtype == np.uint8
        assert found["status"].attrs["flag_meanings"].startswith("ok minimum_norm")


def test_gdal_finds_the_place_the_dates_and_the_values(tmp_path):
    gdalinfo = shutil.which("gdalinfo")
    if gdalinfo is None:
        pytest.skip("gdalinfo is not installed (Debian: gdal-bin)")
    result = scene("utm")
    export_result(result, tmp_path / "all.nc", "netcdf")
    done = subprocess.run(
        [gdalinfo, "-json", "-stats", f"NETCDF:{tmp_path / 'all.nc'}:displacement"],
        capture_output=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["geoTransform"] == [500_000, 40, 0, 4_100_000, 0, -30]
    assert 'ID["EPSG",32614]' in said["coordinateSystem"]["wkt"]
    assert len(said["bands"]) == len(NAMES)
    for band, expected in zip(said["bands"], result["displacement"], strict=True):
        mean = float(band["metadata"][""]["STATISTICS_MEAN"])
        assert mean == pytest.approx(float(expected.mean()), abs=1e-6)
        assert (band["unit"], band["noDataValue"]) == ("m", "NaN")


def test_dates_mask_and_unit_are_those_that_were_asked_for(tmp_path):
    result = scene("degrees")
    rule = "temporal_coherence >= 0.5 and residual_rms < 1.5"
    export_result(
        stored(result, tmp_path / "r.zarr"),
        tmp_path / "a.nc",
        "netcdf",
        variables="displacement,pair_count",
        dates="20200206,2020-01-01",
        mask=rule,
        unit="cm",
    )
    keep = (result["temporal_coherence"] >= 0.5) & (result["residual_rms"] < 1.5)
    with xr.open_dataset(tmp_path / "a.nc") as found:
        assert found.attrs["mask"] == rule
        assert found["displacement"].attrs["units"] == "cm"
        expected = result["displacement"].isel(date=[0, 2])
        np.testing.assert_array_equal(found["date"], expected["date"])
        np.testing.assert_allclose(found["displacement"], 100 * expected.where(keep), rtol=1e-6)
        np.testing.assert_array_equal(found["pair_count"], result["pair_count"].where(keep))


def test_times_of_day_are_kept_and_a_chunk_is_packed_once(tmp_path):
    result = scene("utm", ("displacement",))
    result = result.assign_coords(date=result["date"] + np.timedelta64(745, "s"))
    export_result(stored(result, tmp_path / "r.zarr", (180, 70)), tmp_path / "a.nc", "netcdf")
    with xr.open_dataset(tmp_path / "a.nc") as found:
        np.testing.assert_array_equal(found["date"].astype("M8[s]"), result["date"].astype("M8[s]"))
    with h5py.File(tmp_path / "a.nc") as file:
        assert file["displacement"].chunks == (1, 180, 70)
        assert (file["displacement"].compression, file["displacement"].shuffle) == ("gzip", True)


def test_a_full_disk_and_a_failure_leave_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_result(scene(), tmp_path / "new" / "a.nc", "netcdf", progress=interrupt)
    monkeypatch.setattr(staging, "free_disk_bytes", lambda _: 1000)
    with pytest.raises(InputError, match="found 1,000 bytes free"):
        export_result(scene(), tmp_path / "a.nc", "netcdf")
    assert list(tmp_path.iterdir()) == []
