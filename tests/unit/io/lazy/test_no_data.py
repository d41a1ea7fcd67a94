"""No data that an array declares, compared as its numbers are stored."""

import logging

import h5py
import numpy as np
import pytest

from fringefleet.errors import StackFormatError
from fringefleet.io.lazy.no_data import (
    StoredNumbers,
    declared,
    declared_of_hdf5,
    read_decoded,
    without_declarations,
)

SMALLEST = float(np.finfo("f4").min)


@pytest.mark.parametrize(
    ("dtype", "said", "stored", "missing"),
    [
        ("f4", -9999.9, [-9999.9, -9999.0], [True, False]),
        ("f8", np.float32(-9999.9), [-9999.9, float(np.float32(-9999.9)), -9999.0], [True, True, False]),
        ("f4", -3.4e38, [SMALLEST, -1e30, 0.0], [True, False, False]),  # a header with few digits
        ("f4", "-3.40282e+38", [SMALLEST, 1.0], [True, False]),
        ("f4", -1.7976931348623157e308, [-np.inf, 1.0], [True, False]),  # a double's in a file of floats
        ("f4", 9.969209968386869e36, [9.96921e36, 9e35], [True, False]),
        ("f2", -9999.9, [-9999.9, 1.0], [True, False]),
        (">f4", -9999.9, [-9999.9, 1.0], [True, False]),
        ("u1", 255, [255, 254], [True, False]),
        ("u1", 255.0, [255, 254], [True, False]),
        ("u1", "255", [255, 0], [True, False]),
        ("u1", -1, [255, 0], [False, False]),  # no byte is -1
        ("u1", -9999, [241, 0], [False, False]),  # nor what is left of -9999
        ("u2", 65535, [65535, 65534], [True, False]),
        ("i2", -32768, [-32768, 0], [True, False]),
        ("i2", -32768.5, [-32768, 0], [False, False]),
        (">i2", -32768, [-32768, 0], [True, False]),
        ("i8", 2**53 + 1, [2**53 + 1, 2**53], [True, False]),
        ("f4", [1e20, -5, "7"], [1e20, -5, 7, 6], [True, True, True, False]),
        ("f4", b"-5", [-5, 5], [True, False]),
        ("f4", "none", [0.0, 1.0], [False, False]),
        ("f4", "nan", [0.0, 1.0], [False, False]),
        ("f4", h5py.Empty("f4"), [0.0, 1.0], [False, False]),
        ("f4", False, [0.0, 1.0], [False, False]),
        ("f4", np.inf, [3e38, 1.0], [False, False]),
    ],
)
def test_a_number_is_compared_as_it_is_stored(dtype, said, stored, missing):
    values = np.array(stored, np.dtype(dtype))
    for attrs, fills in (({"_FillValue": said}, ()), ({"missing_value": said}, ()), ({}, [said])):
        assert declared(attrs, dtype, fills=fills).find(values).tolist() == missing


@pytest.mark.parametrize(
    "name", ["_FillValue", "missing_value", "NO_DATA_VALUE", "nodata", "NoData", "fillValue"]
)
def test_every_name_counts_in_any_case(name):
    assert declared({name: "-99"}, "f4").numbers == (-99,)
    assert without_declarations({name: 1, "units": "rad"}) == {"units": "rad"}


def test_what_is_no_number_is_said_and_left(caplog):
    with caplog.at_level(logging.WARNING):
        assert declared({"missing_value": "a lot"}, "f4").is_plain
    assert "found the attribute missing_value = 'a lot', which is not a number: not used" in caplog.text


def test_a_zero_of_the_format_says_nothing_and_one_of_the_array_does():
    assert declared({}, "f4", defaults=[0.0]).is_plain
    assert declared({"_FillValue": 0.0}, "f4").numbers == (0,)


@pytest.mark.parametrize(
    ("attrs", "valid"),
    [
        ({"valid_range": [-2, 3]}, [-2, 3]),
        ({"valid_min": -2, "valid_max": 3}, [-2, 3]),
        ({"valid_range": "{-2,3}"}, [-2, 3]),
        ({"valid_range": [-9, 3], "valid_min": -2}, [-2, 3]),
        ({"valid_range": [-0.1, 0.4], "scale_factor": 0.1, "add_offset": 0.1}, [-2, 3]),
        ({"valid_range": [-0.3, 0.2], "scale_factor": -0.1}, [-2, 3]),
        ({"valid_range": [-2, 3], "scale_factor": 0.1}, [-2, 3]),
    ],
)
def test_a_valid_range_is_one_of_stored_numbers_or_of_what_they_stand_for(attrs, valid):
    stored = np.arange(-6, 7).astype("i2")
    found = stored[~declared(attrs, "i2").find(stored)]
    assert [found.min(), found.max()] == valid


def test_packed_numbers_stand_for_what_cf_says():
    how = declared({"scale_factor": 0.5, "add_offset": 10, "missing_value": [-1, 12.5]}, "i2")
    stored = np.array([[-1, 0, 5, 6]], "i2")
    np.testing.assert_array_equal(how.decode(stored, "f4"), [[np.nan, 10, np.nan, 13]])
    unsigned = declared({"_Unsigned": "true", "_FillValue": -1, "valid_range": [0, -3]}, "i1")
    stored = np.array([-1, -2, -3, 0, 127], "i1")
    np.testing.assert_array_equal(unsigned.decode(stored, "f4"), [np.nan, np.nan, 253, 0, 127])
    signed = declared({"_Unsigned": "false", "_FillValue": 255}, "u1")
    np.testing.assert_array_equal(signed.decode(np.array([255, 254], "u1"), "f4"), [np.nan, -2])


def test_integers_stay_integers_and_have_none_where_nothing_is():
    how = declared({"_FillValue": -32768}, "i4")
    decoded = how.decode(np.array([-32768, 7, 70000, -70000], "i4"), "i2")
    np.testing.assert_array_equal(decoded, np.array([0, 7, 32767, -32768], "i2"))
    assert how.decode(np.array([-32768, 7], "i4"), "i4").tolist() == [0, 7]
    assert declared({"_FillValue": 9}, "f4").decode(np.float32([9, np.nan, 2]), "i2").tolist() == [0, 0, 2]


def test_a_double_beyond_float32_is_infinite_and_one_number_is_decoded_alike():
    assert declared({}, "f8").decode(np.array([1e300]), "f4").tolist() == [np.inf]
    how = declared({"_FillValue": 5}, "f4")
    assert np.isnan(how.decode(np.float32(5) * np.ones(()), "f4"))
    assert how.decode(np.ones((), "f4"), "f4") == 1


@pytest.mark.parametrize("attrs", [{"scale_factor": 0}, {"add_offset": "nan"}, {"scale_factor": "big"}])
def test_packing_that_means_nothing_is_refused(attrs):
    with pytest.raises(StackFormatError, match="one finite number is needed"):
        declared(attrs, "i2")


def test_the_fill_value_that_a_dataset_was_made_with_counts(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("made", data=np.array([1.0, -5.0], "f4"), fillvalue=-5.0)
        usual = file.create_dataset("usual", data=np.array([1.0, 0.0], "f4"))
        assert declared_of_hdf5(made) == StoredNumbers((-5.0,))
        assert declared_of_hdf5(usual).is_plain
        assert declared_of_hdf5(usual, {"NO_DATA_VALUE": "1"}) == StoredNumbers((1.0,))
        assert declared_of_hdf5(usual, {"NO_DATA_VALUE": "0"}).is_plain
        np.testing.assert_array_equal(read_decoded(made), [1, np.nan])
