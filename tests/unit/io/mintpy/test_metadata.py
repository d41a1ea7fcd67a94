import h5py
import numpy as np
import pytest
import xarray as xr

from fringefleet.errors import MissingMetadataError, StackFormatError
from fringefleet.io import required_looks, required_pixel_size, required_wavelength
from fringefleet.io.mintpy.metadata import derived_attributes, plain_attributes


@pytest.mark.parametrize(
    ("attrs", "looks"),
    [
        ({"NCORRLOOKS": "38.66", "ALOOKS": "1", "RLOOKS": "1"}, 39),
        ({"NCORRLOOKS": "2.5"}, 2),
        ({"NCORRLOOKS": "3.5"}, 4),
        ({"NCORRLOOKS": "0.3"}, 1),
        ({"ALOOKS": "2", "RLOOKS": "8"}, 8),
        ({"ALOOKS": "1", "RLOOKS": "1"}, 1),
        ({"ALOOKS": "2"}, None),
    ],
)
def test_looks_follow_the_rule_of_mintpy(attrs, looks):
    assert derived_attributes(attrs).get("looks") == looks


@pytest.mark.parametrize("value", ["C-band", "nan", "-0.05", "0", ""])
def test_a_wavelength_that_is_no_positive_number_is_named_where_it_is_needed(value):
    assert derived_attributes({"WAVELENGTH": value}) == {}
    with pytest.raises(StackFormatError, match=f"WAVELENGTH = '{value}'.* or give wavelength = METRES"):
        required_wavelength(xr.Dataset(attrs={"WAVELENGTH": value}))


def test_what_is_there_is_returned():
    stack = xr.Dataset(attrs={"wavelength": 0.0555, "looks": 8})
    assert (required_wavelength(stack), required_looks(stack)) == (0.0555, 8)


def test_missing_metadata_names_the_attribute_and_the_option():
    with pytest.raises(MissingMetadataError, match=r"attribute WAVELENGTH.*wavelength = METRES"):
        required_wavelength(xr.Dataset())
    with pytest.raises(MissingMetadataError, match=r"NCORRLOOKS nor both of ALOOKS and RLOOKS.*looks = N"):
        required_looks(xr.Dataset())


def test_attributes_become_values_that_json_holds():
    attrs = {"a": np.int64(3), "b": b"x", "c": np.array([1.5, 2]), "d": h5py.Empty("f"), "e": "text"}
    plain = plain_attributes(attrs | {"f": np.array([b"p", b"q"]), "g": np.bool_(True)})
    assert plain == {"a": 3, "b": "x", "c": [1.5, 2.0], "d": "", "e": "text", "f": ["p", "q"], "g": True}
    assert type(plain["a"]) is int


ISCE = {
    "PROCESSOR": "isce",
    "RANGE_PIXEL_SIZE": "34.94",
    "RLOOKS": "15",
    "AZIMUTH_PIXEL_SIZE": "70",
    "ALOOKS": "5",
    "HEIGHT": "698834.2",
    "EARTH_RADIUS": "6337286.6",
}


@pytest.mark.parametrize(
    ("changed", "offset", "metres"),
    [
        ({}, "range_offset", -2.329333),
        ({}, "azimuth_offset", 12.6095056),
        ({"PROCESSOR": "roipac"}, "azimuth_offset", 12.6095056),
        ({"EARTH_RADIUS": None}, "azimuth_offset", 12.616138),
        ({"PROCESSOR": "gamma", "HEIGHT": None}, "azimuth_offset", 14.0),
        ({"PROCESSOR": "cosicorr", "RLOOKS": None, "ALOOKS": None}, "range_offset", 1.0),
        ({"PROCESSOR": "cosicorr", "RLOOKS": None, "ALOOKS": None}, "azimuth_offset", 1.0),
        ({"X_FIRST": "-99", "X_STEP": "0.01"}, "azimuth_offset", 12.6095056),
    ],
)
def test_a_pixel_of_an_offset_is_as_many_metres_as_mintpy_measured(changed, offset, metres):
    attrs = {name: value for name, value in (ISCE | changed).items() if value is not None}
    assert required_pixel_size(xr.Dataset(attrs=attrs), offset) == pytest.approx(metres, rel=1e-6)


@pytest.mark.parametrize(
    ("missing", "offset"),
    [
        ("PROCESSOR", "range_offset"),
        ("RLOOKS", "range_offset"),
        ("RANGE_PIXEL_SIZE", "range_offset"),
        ("PROCESSOR", "azimuth_offset"),
        ("AZIMUTH_PIXEL_SIZE", "azimuth_offset"),
        ("ALOOKS", "azimuth_offset"),
        ("HEIGHT", "azimuth_offset"),
    ],
)
def test_what_an_offset_needs_to_become_metres_is_named(missing, offset):
    attrs = {name: value for name, value in ISCE.items() if name != missing}
    with pytest.raises(MissingMetadataError, match=f"no attribute {missing}, which converts a {offset}"):
        required_pixel_size(xr.Dataset(attrs=attrs), offset)


def test_a_pixel_size_that_is_no_positive_number_is_named():
    with pytest.raises(StackFormatError, match="attribute RLOOKS = 'four'"):
        required_pixel_size(xr.Dataset(attrs=ISCE | {"RLOOKS": "four"}), "range_offset")
