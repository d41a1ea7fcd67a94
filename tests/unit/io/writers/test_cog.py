import json
import shutil
import subprocess

import numpy as np
import pytest
import rasterio
import rioxarray
import xarray as xr
from rio_cogeo.cogeo import cog_validate

from exported import GRIDS, NAMES, scene, stored
from fringefleet.errors import InputError, OptionError
from fringefleet.io.store import staging
from fringefleet.io.writers import translation
from fringefleet.io.writers.export import export_result
from fringefleet.processes.cores import Cores

# of affine, in rasterio and rioxarray
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


def read(path):
    return rioxarray.open_rasterio(path, masked=False)


@pytest.mark.parametrize("kind", GRIDS)
def test_every_date_and_every_map_is_a_valid_file_at_its_place(tmp_path, kind):
    result = scene(kind)
    paths = export_result(stored(result, tmp_path / "result.zarr"), tmp_path / "out", "cog")
    names = [f"displacement_{date}.tif" for date in NAMES]
    names += [f"{name}.tif" for name in ("temporal_coherence", "residual_rms", "pair_count", "status")]
    assert sorted(path.name for path in paths) == sorted(names)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    for path in paths:
        assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
        found = read(path)[0]
        name, _, date = path.stem.partition("_2")
        expected = result[name] if not date else result[name].isel(date=NAMES.index(f"2{date}"))
        expected = expected.sortby("y", ascending=False)
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_allclose(found["y"], expected["y"], rtol=0, atol=1e-9 * abs(expected["y"]).max())
        np.testing.assert_allclose(found["x"], expected["x"], rtol=0, atol=1e-9 * abs(expected["x"]).max())
        assert found.rio.crs.to_epsg() == GRIDS[kind][1]
        assert found.dtype == expected.dtype


def test_a_file_says_its_date_its_unit_and_where_there_is_no_data(tmp_path):
    export_result(scene("utm"), tmp_path, "cog", variables="displacement,status")
    with rasterio.open(tmp_path / "displacement_20200113.tif") as file:
        assert file.descriptions == ("20200113",)
        assert (file.units, file.scales, file.offsets) == (("m",), (1.0,), (0.0,))
        assert np.isnan(file.nodata)
        assert np.isnan(file.read(1)[:, 1]).all()
        assert file.overviews(1) == [2]
        assert file.tags(1)["date"] == "2020-01-13T00:00:00"
        assert file.tags(1)["units"] == "m"  # QGIS shows tags, and not the unit of a band
        assert file.tags()["reference_date"] == "2020-01-01T00:00:00"
        assert file.block_shapes == [(512, 512)]
        assert file.compression.value == "DEFLATE"
    with rasterio.open(tmp_path / "status.tif") as file:
        assert file.nodata is None
        assert file.tags(1)["flag_meanings"].startswith("ok minimum_norm")
        assert file.tags(1)["flag_values"].startswith("0 1 2")


@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_overviews_are_averages_of_what_there_is_and_codes_stay_codes(tmp_path):
    result = scene("utm")
    export_result(result, tmp_path, "cog", variables="displacement,status", dates=NAMES[0])
    with rasterio.open(tmp_path / "displacement_20200101.tif", OVERVIEW_LEVEL=0) as file:
        blocks = result["displacement"][0].values.reshape(270, 2, 35, 2).astype(float)
        known = np.isfinite(blocks).any((1, 3))
        found = file.read(1)
        np.testing.assert_allclose(found[known], np.nanmean(blocks, (1, 3))[known], atol=1e-6)
        assert np.isnan(found[~known]).all()
    with rasterio.open(tmp_path / "status.tif", OVERVIEW_LEVEL=0) as file:
        assert set(np.unique(file.read(1))) <= set(np.unique(result["status"]))


def test_a_name_of_a_file_gives_a_band_for_each_date(tmp_path):
    result = scene("degrees")
    path = tmp_path / "new" / "series.tif"
    assert export_result(result, path, "cog", variables="displacement", dates=NAMES[:0:-1]) == [path]
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as file:
        assert file.descriptions == tuple(NAMES[1:])
        np.testing.assert_array_equal(file.read(), result["displacement"][1:])
    with pytest.raises(OptionError, match=r"out\.tif for 5 variables, which have a GeoTIFF each"):
        export_result(result, tmp_path / "out.tif", "cog")


def test_what_is_left_out_has_no_data_and_the_unit_is_the_one_asked_for(tmp_path):
    result = scene("degrees", ("displacement", "displacement_std", "velocity", "pair_count", "status"))
    rule = "pair_count >= 4 and (status == ok or status == linear)"
    export_result(stored(result, tmp_path / "r.zarr"), tmp_path / "out", "cog", mask=rule, unit="mm")
    keep = (result["pair_count"] >= 4) & result["status"].isin([0, 6])
    for path in (tmp_path / "out").glob("*.tif"):
        name, _, date = path.stem.partition("_2")
        expected = result[name] if not date else result[name].isel(date=NAMES.index(f"2{date}"))
        with rasterio.open(path) as file:
            found, no_data, unit = file.read(1), file.nodata, file.units[0]
            assert file.tags()["mask"] == rule
        is_metres = name in ("displacement", "displacement_std", "velocity")
        known = keep.values
        np.testing.assert_allclose(
            found[known], (1000 if is_metres else 1) * expected.values[known], rtol=1e-6
        )
        assert unit == {"velocity": "mm/year", "pair_count": "1", "status": None}.get(name, "mm")
        left_out = found[~known]
        assert np.isnan(left_out).all() if is_metres else (left_out == no_data).all()
        assert np.isnan(no_data) if is_metres else no_data == np.iinfo(expected.dtype).max


def test_gdal_of_the_system_reads_it(tmp_path):
    gdalinfo = shutil.which("gdalinfo")
    if gdalinfo is None:
        pytest.skip("gdalinfo is not installed (Debian: gdal-bin)")
    result = scene("utm")
    export_result(result, tmp_path, "cog", variables="displacement", dates=NAMES[2])
    done = subprocess.run(
        [gdalinfo, "-json", "-stats", tmp_path / f"displacement_{NAMES[2]}.tif"],
        capture_output=True,
        check=True,
    )
    said = json.loads(done.stdout)
    band = said["bands"][0]
    expected = result["displacement"][2]
    assert said["geoTransform"] == [500_000, 40, 0, 4_100_000, 0, -30]
    assert said["metadata"]["IMAGE_STRUCTURE"]["LAYOUT"] == "COG"
    assert (band["description"], band["unit"], band["noDataValue"]) == (NAMES[2], "m", "NaN")
    found = {name: float(value) for name, value in band["metadata"][""].items() if name.startswith("STAT")}
    assert found["STATISTICS_MEAN"] == pytest.approx(float(expected.mean()), abs=1e-6)
    assert found["STATISTICS_MAXIMUM"] == pytest.approx(float(expected.max()), abs=1e-6)
    assert 'ID["EPSG",32614]' in said["coordinateSystem"]["wkt"]


def test_several_processes_give_the_same_bytes_and_their_failures_are_said(tmp_path, monkeypatch):
    result = scene("degrees", ("displacement", "status"))
    alone = export_result(result, tmp_path / "alone", "cog")
    monkeypatch.setattr(translation, "_WORTH_A_PROCESS", 1)
    monkeypatch.setattr(translation, "own_cores", lambda: Cores("of a test", 2))
    calls = []
    together = export_result(result, tmp_path / "together", "cog", progress=lambda *n: calls.append(n))
    assert [path.read_bytes() for path in together] == [path.read_bytes() for path in alone]
    assert calls == sorted(set(calls))  # two that are done at once are said at once
    assert calls[-1] == (7, 7)
    with translation.translators(10, 10) as processes:
        wanted = translation.Translation(str(tmp_path / "gone.vrt"), str(tmp_path / "gone.tif"), "COG", {})
        with pytest.raises(OSError, match=r"gone\.tif could not be written: .*gone\.vrt"):
            list(processes.run([wanted] * 3))


def test_progress_counts_tiles_and_files(tmp_path):
    result = stored(scene("degrees", ("displacement", "status")), tmp_path / "r.zarr")
    calls = []
    export_result(result, tmp_path / "out", "cog", progress=lambda *n: calls.append(n))
    assert calls[0] == (1, 11)  # 3 tiles and 4 files, 3 tiles and 1 file
    assert calls[-1] == (11, 11)
    assert [n for n, _ in calls] == sorted({n for n, _ in calls})


def test_what_has_no_place_on_the_map_is_refused_before_any_work(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"in radar geometry.* cog needs a place on the map.* netcdf"):
        export_result(scene("radar"), tmp_path / "out", "cog")
    unknown = scene("utm").drop_vars("spatial_ref")
    with pytest.raises(InputError, match=r"no CRS that is known in the result; cog needs one"):
        export_result(unknown, tmp_path / "out", "cog")
    with pytest.raises(InputError, match="a single pixel, of which nothing says how large"):
        export_result(scene("utm").isel(y=[3], x=[4]), tmp_path / "out", "cog")
    with pytest.raises(InputError, match="y is not regular"):
        export_result(scene("utm").isel(y=[0, 1, 5]), tmp_path / "out", "cog")
    monkeypatch.setattr(staging, "free_disk_bytes", lambda _: 1000)
    with pytest.raises(InputError, match="found 1,000 bytes free"):
        export_result(scene("utm"), tmp_path / "out", "cog")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_nothing(tmp_path):
    def interrupt(done, total):
        if done == total - 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_result(scene("degrees"), tmp_path / "new" / "out", "cog", progress=interrupt)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_part_and_a_lazy_result_keep_their_place(tmp_path):
    result = scene("utm")
    part = result.isel(y=slice(100, 200), x=slice(7, 60, 2))
    for name, source in (("memory", part), ("lazy", part.chunk(y=33, x=10))):
        export_result(source, tmp_path / name, "cog", variables="displacement", dates="2020-01-13")
        found = read(tmp_path / name / "displacement_20200113.tif")[0]
        xr.testing.assert_allclose(found["x"].drop_attrs().drop_vars("band"), part["x"].drop_attrs())
        np.testing.assert_array_equal(found["x"], part["x"])
        np.testing.assert_array_equal(found.values, part["displacement"][1])
