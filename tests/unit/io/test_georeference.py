"""The one classifier of units and CRS: spelling, agreement with itself and with the numbers."""

import numpy as np
import pytest
from pyproj import CRS

from fringefleet.io.georeference import (
    Raster,
    attribute_text,
    axis_attributes,
    axis_unit,
    georeference,
    place_attributes,
)

MEXICO = Raster((19.8, -99.6), (-0.001, 0.001), (20, 24))
UTM = Raster((2_190_000.0, 440_000.0), (-80.0, 80.0), (20, 24))
SPELLINGS = {
    "degrees": [
        "deg",
        "degree",
        "degrees",
        "degres",
        "Degrees",
        "DEG",
        "degree_north",
        "degrees_north",
        "degree_N",
        "degrees_east",
        "degreeE",
        "°",
    ],
    "m": ["m", "meter", "meters", "metre", "metres", "Meters", "M"],
    "km": ["km", "kilometers", "Kilometre"],
    "feet": ["ft", "feet", "US survey foot"],
    None: ["", "  ", "None", "none", "nan", None],
}


@pytest.mark.parametrize("unit", SPELLINGS)
def test_a_unit_is_understood_in_every_spelling(unit):
    assert {axis_unit(text) for text in SPELLINGS[unit]} == {unit}


def test_an_attribute_is_a_text_however_it_is_stored():
    for value in ("m", b"m", np.bytes_("m"), np.array(["m"]), [b"m"], np.str_("m ")):
        assert attribute_text(value) == "m"


@pytest.mark.parametrize("text", SPELLINGS["degrees"])
def test_degrees_are_latitude_and_longitude_of_wgs_84(text):
    place = georeference(MEXICO, [text, text])
    assert (place.unit, place.crs.to_epsg(), place.doubt) == ("degrees", 4326, "")
    assert axis_attributes(place, "y")["units"] == "degrees_north"
    assert axis_attributes(place, "x")["standard_name"] == "longitude"
    assert place_attributes(place) == {"Y_UNIT": "degrees", "X_UNIT": "degrees", "EPSG": 4326}


def test_no_word_means_degrees_only_in_files_of_mintpy_and_only_if_the_numbers_allow_it():
    assert georeference(MEXICO, ["", None], unsaid="degrees").crs.to_epsg() == 4326
    coarse = Raster((80.0, -80.0), (-30.0, 30.0), (3, 3))
    for raster, unsaid in ((UTM, "degrees"), (coarse, "degrees"), (MEXICO, None)):
        place = georeference(raster, [], unsaid=unsaid)
        assert (place.unit, place.crs, place.doubt) == (None, None, "")
        assert axis_attributes(place, "y") == {"long_name": "y coordinate"}
        assert place_attributes(place) == {}


def test_metres_without_a_crs_have_a_unit_and_no_standard_name():
    place = georeference(UTM, ["metre"])
    assert (place.unit, place.crs) == ("m", None)
    assert axis_attributes(place, "x") == {"long_name": "x coordinate", "units": "m"}
    assert place_attributes(place) == {"Y_UNIT": "meters", "X_UNIT": "meters"}


def test_a_unit_that_we_do_not_know_stays_as_it_was_said():
    place = georeference(UTM, ["furlong", "furlong"])
    assert axis_attributes(place, "x") == {"long_name": "x coordinate", "units": "furlong"}
    assert place_attributes(place) == {"Y_UNIT": "furlong", "X_UNIT": "furlong"}


@pytest.mark.parametrize(
    ("epsg", "said", "units"),
    [(32614, "meters", "m"), (3031, "", "m"), (2229, "feet", "US_survey_foot"), (4979, "degree", None)],
)
def test_a_crs_that_is_named_says_the_unit(epsg, said, units):
    geographic = units is None
    place = georeference(MEXICO if geographic else UTM, [said], CRS.from_epsg(epsg))
    assert place.crs.to_epsg() == epsg
    assert axis_attributes(place, "y")["units"] == (units or "degrees_north")
    name = "latitude" if geographic else "projection_y_coordinate"
    assert axis_attributes(place, "y")["standard_name"] == name


@pytest.mark.parametrize(
    ("raster", "said", "epsg", "why"),
    [
        (UTM, ["degrees"], None, "y from 2188400 to 2190000 is not a latitude, x from 440000 to 441920 is"),
        (UTM, [], 4326, "not a latitude"),
        (Raster((95.0, 10.0), (-0.1, 0.1), (9, 9)), ["deg"], None, "y from 94.1 to 95 is not a latitude"),
        (
            Raster((10.0, 600.0), (-0.1, 0.1), (9, 9)),
            ["deg"],
            None,
            "but x from 600 to 600.9 is not a longitude",
        ),
        (MEXICO, ["meters"], None, "in metres, but a pixel of 0.001 m is too small for a radar"),
        (MEXICO, [], 32614, "is too small for a radar"),
        (MEXICO, ["degrees"], 32614, "in degrees and in m at the same time"),
        (UTM, ["meters"], 4326, "in degrees and in m at the same time"),
        (UTM, ["m", "deg"], None, "in degrees and in m at the same time"),
    ],
)
def test_what_contradicts_itself_or_the_numbers_is_not_known(raster, said, epsg, why):
    place = georeference(raster, said, None if epsg is None else CRS.from_epsg(epsg), unsaid="degrees")
    assert (place.unit, place.crs) == (None, None)
    assert why in place.doubt


@pytest.mark.parametrize(
    "raster",
    [
        Raster((90.0005, -180.0), (-0.001, 0.001), (180_001, 360_000)),  # centres at the poles
        Raster((10.0, 179.5), (-0.01, 0.01), (100, 200)),  # across the date line
        Raster((10.0, 359.0), (-0.01, 0.01), (100, 300)),
        Raster((-34.0, 150.0), (0.01, 0.01), (100, 300)),  # from the south
    ],
)
def test_degrees_may_reach_the_poles_and_be_counted_on_across_a_line(raster):
    assert georeference(raster, ["degrees"]).unit == "degrees"
