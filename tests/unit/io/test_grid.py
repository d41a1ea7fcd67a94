import numpy as np
import pytest
from pyproj import CRS

from fringefleet.errors import StackFormatError
from fringefleet.io.grid import grid_coordinates

DEGREES = {"X_FIRST": "-99", "X_STEP": "0.5", "Y_FIRST": "20", "Y_STEP": "-0.25", "Y_UNIT": "degrees"}


def test_coordinates_are_pixel_centres_and_y_descends_from_north():
    coords = grid_coordinates(DEGREES, (3, 2))
    np.testing.assert_allclose(coords["y"], [19.875, 19.625, 19.375])
    np.testing.assert_allclose(coords["x"], [-98.75, -98.25])
    assert coords["y"].attrs["units"] == "degrees_north"
    assert coords["x"].attrs["standard_name"] == "longitude"
    assert coords["spatial_ref"].attrs["grid_mapping_name"] == "latitude_longitude"


def test_radar_geometry_has_row_and_column_numbers_and_no_crs():
    coords = grid_coordinates({"Y_UNIT": "degrees"}, (3, 2))
    assert list(coords) == ["y", "x"]
    assert coords["y"].values.tolist() == [0, 1, 2]
    assert coords["x"].attrs["units"] == "1"


UTM = {"X_FIRST": "440000", "X_STEP": "80", "Y_FIRST": "2190000", "Y_STEP": "-80"}
PLACE = {k: v for k, v in DEGREES.items() if k != "Y_UNIT"}


@pytest.mark.parametrize(
    ("attrs", "epsg"),
    [
        (UTM | {"EPSG": "32613"}, 32613),
        (UTM | {"EPSG": "EPSG:3031", "UTM_ZONE": "1S"}, 3031),
        (PLACE | {"EPSG": "4326"}, 4326),
        (UTM | {"UTM_ZONE": "13N", "Y_UNIT": "meter"}, 32613),
        (UTM | {"UTM_ZONE": "7 S", "EPSG": "None"}, 32707),
        (PLACE | {"Y_UNIT": "degrees"}, 4326),
        (PLACE, 4326),
    ],
)
def test_the_crs_comes_from_epsg_then_utm_zone_then_degrees(attrs, epsg):
    coords = grid_coordinates(attrs, (3, 2))
    assert CRS.from_cf(coords["spatial_ref"].attrs).to_epsg() == epsg


def test_projected_coordinates_are_metres_with_a_crs_where_one_is_named():
    metres = UTM | {"Y_UNIT": "meters"}
    without = grid_coordinates(metres, (2, 2))
    assert "spatial_ref" not in without
    assert without["y"].attrs == {"long_name": "y coordinate", "units": "m"}
    coords = grid_coordinates(metres | {"UTM_ZONE": "13N"}, (2, 2))
    assert coords["x"].attrs["standard_name"] == "projection_x_coordinate"
    assert coords["x"].attrs["units"] == "m"
    assert "UTM zone 13N" in coords["spatial_ref"].attrs["crs_wkt"]


@pytest.mark.parametrize("attrs", [{"EPSG": "mars"}, {"EPSG": "1"}, {"UTM_ZONE": "99N"}])
def test_a_crs_that_proj_does_not_know_is_named(attrs):
    ((name, _),) = attrs.items()
    with pytest.raises(StackFormatError, match=f"attribute {name} = .*PROJ does not know"):
        grid_coordinates(UTM | attrs, (2, 2))


def test_a_corner_that_is_no_number_and_a_pixel_without_size_are_named():
    with pytest.raises(StackFormatError, match="attribute Y_FIRST = 'north'; a number is needed"):
        grid_coordinates(DEGREES | {"Y_FIRST": "north"}, (2, 2))
    with pytest.raises(StackFormatError, match="attribute X_STEP = 0; a pixel needs a nonzero size"):
        grid_coordinates(DEGREES | {"X_STEP": "0"}, (2, 2))
