"""Coordinates and grid mappings of named stores, as different people write them."""

import numpy as np
import pytest
import rioxarray  # noqa: F401 - writes the CRS
import xarray as xr
from pyproj import CRS

import fringefleet
from unit.io.readers import checks

NORTHING, EASTING = 2_190_000 - 40.0 * np.arange(20), 480_000 + 40.0 * np.arange(24)


def opened(folder, y, x, *, y_attrs=None, x_attrs=None, epsg=None):
    stack = checks.simulated().drop_vars("spatial_ref").drop_attrs()
    stack = stack.assign_coords(y=("y", y, y_attrs or {}), x=("x", x, x_attrs or y_attrs or {}))
    if epsg is not None:
        mapping = xr.Variable((), 0, CRS.from_epsg(epsg).to_cf())
        stack = stack.assign_coords(spatial_ref=mapping)
    stack.to_zarr(folder / "stack.zarr", zarr_format=3, consolidated=False)
    return fringefleet.open_stack(folder / "stack.zarr")


@pytest.mark.parametrize("unit", ["degrees", "degree", "deg", "degrees_north", "degree_north", "degrees_N"])
def test_degrees_in_any_spelling_become_those_of_cf(tmp_path, unit):
    there = checks.simulated()
    stack = opened(tmp_path, there.y.values, there.x.values, y_attrs={"units": unit})
    assert (stack.y.attrs["units"], stack.x.attrs["units"]) == ("degrees_north", "degrees_east")
    assert CRS.from_cf(stack.spatial_ref.attrs).to_epsg() == 4326
    assert stack.unwrapped_phase.attrs["grid_mapping"] == "spatial_ref"


def test_a_standard_name_says_the_unit_too(tmp_path):
    there = checks.simulated()
    names = ({"standard_name": "latitude"}, {"standard_name": "longitude"})
    stack = opened(tmp_path, there.y.values, there.x.values, y_attrs=names[0], x_attrs=names[1])
    assert (stack.y.attrs["units"], stack.x.attrs["units"]) == ("degrees_north", "degrees_east")


@pytest.mark.parametrize("epsg", [None, 32614])
def test_kilometres_become_metres(tmp_path, epsg):
    stack = opened(tmp_path, NORTHING / 1000, EASTING / 1000, y_attrs={"units": "km"}, epsg=epsg)
    assert stack.y.attrs["units"] == "m"
    np.testing.assert_allclose(stack.y, NORTHING)
    np.testing.assert_allclose(stack.x, EASTING)
    assert ("spatial_ref" in stack.coords) == (epsg is not None)
    assert ("standard_name" in stack.x.attrs) == (epsg is not None)


@pytest.mark.parametrize("unit", ["m", "metre", "Meters"])
def test_metres_have_one_spelling_and_no_standard_name_without_a_crs(tmp_path, unit):
    stack = opened(tmp_path, NORTHING, EASTING, y_attrs={"units": unit})
    assert stack.y.attrs == {"long_name": "y coordinate", "units": "m"}


def test_nothing_is_made_up_where_nothing_is_said(tmp_path):
    stack = opened(tmp_path, NORTHING, EASTING)
    assert stack.y.attrs == {"long_name": "y coordinate"}
    assert "spatial_ref" not in stack.coords


@pytest.mark.parametrize(
    ("unit", "epsg", "why"),
    [
        ("degrees", None, "is not a latitude"),
        ("degrees", 32614, "in degrees and in m at the same time"),
        (None, 4326, "is not a latitude"),
    ],
)
def test_contradictions_are_said_and_nothing_is_known(tmp_path, caplog, unit, epsg, why):
    attrs = {"standard_name": "latitude"} | ({"units": unit} if unit else {})
    stack = opened(tmp_path, NORTHING, EASTING, y_attrs=attrs, epsg=epsg)
    assert why in caplog.text
    assert not {"units", "standard_name"} & stack.y.attrs.keys()
    assert "spatial_ref" not in stack.coords
    result = fringefleet.invert(stack, weight_func="no", wavelength=0.0555, reference_point=checks.POINT)
    assert not {"units", "standard_name"} & result.y.attrs.keys()


def test_whole_numbers_with_a_crs_are_places_and_without_one_rows(tmp_path):
    (tmp_path / "a").mkdir()
    placed = opened(tmp_path / "a", NORTHING.astype(int), EASTING.astype(int), epsg=32614)
    assert placed.y.attrs["units"] == "m"
    numbered = opened(tmp_path, np.arange(20), np.arange(24))
    assert "spatial_ref" not in numbered.coords
    assert fringefleet.io.grid.is_numbered(numbered, "y")
