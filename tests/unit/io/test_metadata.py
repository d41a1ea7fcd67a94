import h5py
import numpy as np
import pytest
import xarray as xr

from fringefleet.errors import MissingMetadataError, StackFormatError
from fringefleet.io import required_looks, required_wavelength
from fringefleet.io.metadata import derived_attributes, plain_attributes


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
def test_a_wavelength_that_is_no_positive_number_is_named(value):
    with pytest.raises(StackFormatError, match=f"attribute WAVELENGTH = '{value}'"):
        derived_attributes({"WAVELENGTH": value})


def test_what_is_there_is_returned():
    stack = xr.Dataset(attrs={"wavelength": 0.0555, "looks": 8})
    assert (required_wavelength(stack), required_looks(stack)) == (0.0555, 8)


def test_missing_metadata_names_the_attribute_and_the_option():
    with pytest.raises(MissingMetadataError, match=r"attribute WAVELENGTH.*--wavelength METRES"):
        required_wavelength(xr.Dataset())
    with pytest.raises(MissingMetadataError, match=r"NCORRLOOKS nor both of ALOOKS and RLOOKS.*--looks N"):
        required_looks(xr.Dataset())


def test_attributes_become_values_that_json_holds():
    attrs = {"a": np.int64(3), "b": b"x", "c": np.array([1.5, 2]), "d": h5py.Empty("f"), "e": "text"}
    plain = plain_attributes(attrs | {"f": np.array([b"p", b"q"]), "g": np.bool_(True)})
    assert plain == {"a": 3, "b": "x", "c": [1.5, 2.0], "d": "", "e": "text", "f": ["p", "q"], "g": True}
    assert type(plain["a"]) is int
