"""Attributes by which other programs find grid, CRS and axes."""

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from pyproj import CRS

from fringefleet.io.georeference import Georeference, Raster
from fringefleet.io.grid import radar_coordinates, regular_coordinates
from fringefleet.io.store.conventions import with_conventions

DEGREES = Raster((19.5, -99.0), (-0.001, 0.002), (4, 3))
METRES = Raster((2_150_000.0, 480_000.0), (-30.0, 30.0), (4, 3))


def dataset(raster, crs):
    coords = regular_coordinates(raster, Georeference("degrees" if crs.is_geographic else "m", crs))
    dates = np.array(["2020-01-01", "2020-01-13"], "datetime64[ns]")
    series = xr.DataArray(np.zeros((2, *raster.shape), np.float32), dims=("date", "y", "x"))
    return xr.Dataset({"displacement": series, "n": ("pair", [1])}, coords={"date": dates, **coords})


@pytest.mark.parametrize(("raster", "epsg"), [(DEGREES, 4326), (METRES, 32614)])
def test_viewers_find_crs_and_grid_in_the_attributes_of_the_group(raster, epsg):
    attrs = with_conventions(dataset(raster, CRS.from_epsg(epsg)), "a title").attrs
    assert [one["name"] for one in attrs["zarr_conventions"]] == ["proj", "spatial"]
    assert attrs["proj:code"] == f"EPSG:{epsg}"
    assert (attrs["spatial:dimensions"], attrs["spatial:shape"]) == (["y", "x"], [4, 3])
    (top, left), (height, width) = raster.corner, raster.step
    np.testing.assert_allclose(attrs["spatial:transform"], [width, 0, left, 0, height, top], rtol=1e-9)
    corner = Affine(*attrs["spatial:transform"]) @ (3, 4)
    np.testing.assert_allclose(attrs["spatial:bbox"], [left, corner[1], corner[0], top], rtol=1e-9)


def test_gdal_finds_the_crs_at_every_gridded_variable():
    found = with_conventions(dataset(METRES, CRS.from_epsg(32614)), "a title")
    assert found["displacement"].attrs["_CRS"] == {"url": "http://www.opengis.net/def/crs/EPSG/0/32614"}
    assert "_CRS" not in found["n"].attrs


def test_a_crs_without_a_code_is_given_as_text():
    crs = CRS.from_proj4("+proj=laea +lat_0=19 +lon_0=-99 +units=m")
    found = with_conventions(dataset(METRES, crs), "a title")
    assert "proj:code" not in found.attrs
    for text in (found.attrs["proj:wkt2"], found["displacement"].attrs["_CRS"]["wkt"]):
        assert CRS.from_wkt(text) == crs


def test_axes_and_time_are_named_as_cf_has_them():
    found = with_conventions(dataset(DEGREES, CRS.from_epsg(4326)), "a title")
    assert [found[name].attrs["axis"] for name in ("date", "y", "x")] == ["T", "Y", "X"]
    assert found["date"].attrs["standard_name"] == "time"
    assert found.attrs["title"] == "a title"


def test_the_history_of_the_source_is_kept():
    given = dataset(DEGREES, CRS.from_epsg(4326)).assign_attrs(history="made by another program")
    ours, *rest = with_conventions(given, "a title").attrs["history"].split("\n")
    assert "fringefleet" in ours
    assert rest == ["made by another program"]
    again = with_conventions(given.assign_attrs(history=f"{ours}\n{rest[0]}"), "a title")
    assert again.attrs["history"].split("\n") == [ours, *rest]


@pytest.mark.parametrize("change", ["radar", "irregular", "one column", "no crs"])
def test_nothing_is_said_of_a_grid_that_is_not_known(change):
    given = dataset(DEGREES, CRS.from_epsg(4326))
    if change == "radar":
        given = given.drop_vars("spatial_ref").assign_coords(radar_coordinates((4, 3)))
    elif change == "irregular":
        given = given.assign_coords(y=[0.0, 1.0, 2.0, 4.0])
    elif change == "one column":
        given = given.isel(x=[0])
    else:
        given = given.drop_vars("spatial_ref")
    found = with_conventions(given, "a title")
    assert not [name for name in found.attrs if name.startswith(("proj:", "spatial:", "zarr_"))]
    assert "_CRS" not in found["displacement"].attrs
    assert ("axis" in found["y"].attrs) == (change != "radar")  # rows are no horizontal axis of CF
