import numpy as np
import pytest

from fringefleet.errors import StackFormatError
from fringefleet.io.grid import grid_coordinates, grid_crs

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


@pytest.mark.parametrize(
    ("attrs", "epsg"),
    [
        ({"EPSG": "32613"}, 32613),
        ({"EPSG": "EPSG:3031"}, 3031),
        ({"EPSG": "4326", "UTM_ZONE": "13N"}, 4326),
        ({"UTM_ZONE": "13N"}, 32613),
        ({"UTM_ZONE": "7S"}, 32707),
        ({"Y_UNIT": "degrees"}, 4326),
    ],
)
def test_the_crs_comes_from_epsg_then_utm_zone_then_degrees(attrs, epsg):
    assert grid_crs(attrs).to_epsg() == epsg


def test_projected_coordinates_are_metres_with_a_crs_where_one_is_named():
    metres = DEGREES | {"Y_UNIT": "meters"}
    assert "spatial_ref" not in grid_coordinates(metres, (2, 2))
    coords = grid_coordinates(metres | {"UTM_ZONE": "13N"}, (2, 2))
    assert coords["x"].attrs["standard_name"] == "projection_x_coordinate"
    assert coords["x"].attrs["units"] == "m"
    assert "UTM zone 13N" in coords["spatial_ref"].attrs["crs_wkt"]


@pytest.mark.parametrize("attrs", [{"EPSG": "mars"}, {"EPSG": "1"}, {"UTM_ZONE": "99N"}])
def test_a_crs_that_proj_does_not_know_is_named(attrs):
    ((name, _),) = attrs.items()
    with pytest.raises(StackFormatError, match=f"attribute {name} = .*PROJ does not know"):
        grid_crs(attrs)


def test_a_corner_that_is_no_number_and_a_pixel_without_size_are_named():
    with pytest.raises(StackFormatError, match="attribute Y_FIRST = 'north'; a number is needed"):
        grid_coordinates(DEGREES | {"Y_FIRST": "north"}, (2, 2))
    with pytest.raises(StackFormatError, match="attribute X_STEP = 0; a pixel needs a size"):
        grid_coordinates(DEGREES | {"X_STEP": "0"}, (2, 2))
