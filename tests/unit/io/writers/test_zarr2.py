import json

import numpy as np
import pytest
import xarray as xr

from exported import GRIDS, scene, stored
from fringefleet.errors import OutputExistsError
from fringefleet.io.writers.export import export_result


@pytest.mark.parametrize("kind", [*GRIDS, "radar"])
def test_xarray_opens_a_store_of_version_2_with_everything(tmp_path, kind):
    names = ("displacement", "displacement_cov", "gap_filled", "temporal_coherence", "pair_count", "status")
    result = scene(kind, names)
    path = tmp_path / "new" / "out.zarr"
    export_result(stored(result, tmp_path / "r.zarr"), path, "zarr2", variables=names)
    assert json.loads((path / ".zmetadata").read_text())["metadata"][".zgroup"] == {"zarr_format": 2}
    found = xr.open_zarr(path, consolidated=True, zarr_format=2)
    for name in names:
        assert (found[name].dims, found[name].dtype) == (result[name].dims, result[name].dtype)
        assert {key: found[name].attrs[key] for key in result[name].attrs} == result[name].attrs
        np.testing.assert_array_equal(found[name], result[name])
    for dim in ("date", "y", "x"):
        assert found[dim].attrs == result[dim].attrs
        np.testing.assert_array_equal(found[dim], result[dim])
    if kind != "radar":
        assert found["spatial_ref"].attrs["crs_wkt"] == result["spatial_ref"].attrs["crs_wkt"]
        assert found["displacement"].encoding.get("grid_mapping", "spatial_ref") == "spatial_ref"
    assert found["displacement"].encoding["chunks"][0] == 4


def test_mask_dates_and_unit_are_those_that_were_asked_for(tmp_path):
    result = scene("degrees")
    rule = "temporal_coherence < 0.25 or temporal_coherence > 0.75"
    (path,) = export_result(
        result.chunk(y=10, x=7),
        tmp_path / "out",
        "zarr2",
        variables="displacement",
        dates="20200113",
        mask=rule,
        unit="mm",
    )
    assert path == tmp_path / "out" / "displacement.zarr"
    found = xr.open_zarr(path)["displacement"]
    quality = result["temporal_coherence"]
    expected = 1000 * result["displacement"][[1]].where((quality < 0.25) | (quality > 0.75))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.attrs["units"] == "mm"
    assert xr.open_zarr(path).attrs["mask"] == rule


@pytest.mark.parametrize("made", ["nothing", "data", "zarr 2", "zarr 3"])
def test_what_no_export_wrote_is_never_replaced(tmp_path, made):
    (tmp_path / "out.zarr").mkdir()
    if made == "data":
        (tmp_path / "out.zarr" / ".zattrs").write_text("mine")
    elif made != "nothing":
        xr.Dataset({"a": ("x", [1, 2])}).to_zarr(
            tmp_path / "out.zarr", mode="w", zarr_format=int(made[-1]), consolidated=False
        )
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError, match=r"out\.zarr exists and is no store of an export"):
            export_result(scene(), tmp_path / "out.zarr", "zarr2", overwrite=overwrite)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
