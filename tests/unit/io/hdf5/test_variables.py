import pickle

import h5py
import numpy as np
import pytest
import xarray as xr
from dask.base import tokenize
from xarray.core.indexing import LazilyIndexedArray

from fringefleet.errors import StackChangedError, StackFormatError
from fringefleet.io.files.version import FileVersion
from fringefleet.io.hdf5.variables import HDF5Array, open_hdf5

VALUES = np.arange(9 * 4 * 5, dtype="f4").reshape(9, 4, 5)
KEPT = np.array([0, 1, 2, 5, 7, 8])


def lazy(path, kept, dtype="f4"):
    with h5py.File(path) as file:
        array = HDF5Array(FileVersion.of(path), file["values"], kept, dtype)
    return xr.Variable(("pair", "y", "x"), LazilyIndexedArray(array))


@pytest.fixture(params=[None, (2, 3, 2)])
def path(tmp_path, request):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("values", data=VALUES, chunks=request.param)
    return tmp_path / "a.h5"


@pytest.mark.parametrize("kept", [None, KEPT])
@pytest.mark.parametrize(
    "key",
    [
        {},
        {"pair": 3},
        {"pair": -1, "y": 2, "x": 0},
        {"y": 1},
        {"x": 4},
        {"pair": slice(1, 5), "y": slice(1, 3), "x": slice(0, 0)},
        {"pair": slice(None, None, 2), "x": slice(None, None, -2)},
        {"pair": [4, 1, 1]},
        {"y": [0, 3], "pair": slice(2, None)},
        {"pair": [0, 2, 3], "x": [1, 4]},
    ],
)
def test_any_index_reads_what_numpy_would(path, kept, key):
    expected = xr.Variable(("pair", "y", "x"), VALUES if kept is None else VALUES[kept]).isel(key)
    part = lazy(path, kept).isel(key)
    assert part.shape == expected.shape
    np.testing.assert_array_equal(part.values, expected.values)


def test_nothing_is_read_and_no_file_is_open_until_it_is_indexed(path):
    variable = lazy(path, KEPT).isel(pair=slice(2, 4))
    path.write_bytes(b"")
    with pytest.raises(StackChangedError, match=f"1 changed: {path} ") as caught:
        variable.load()
    assert isinstance(caught.value.__context__, StackFormatError)


def test_values_are_converted_while_they_are_read(tmp_path):
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["values"] = VALUES.astype(">f8")
    values = lazy(tmp_path / "b.h5", KEPT).values
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, VALUES[KEPT])


def test_an_array_pickles_and_its_token_follows_the_file(path):
    first = lazy(path, KEPT)
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copy.values, VALUES[KEPT])
    array = first._data.array
    assert tokenize(array) == tokenize(copy._data.array) == tokenize(lazy(path, KEPT)._data.array)
    with h5py.File(path, "a") as file:
        file["more"] = np.zeros(1000)
    assert tokenize(array) != tokenize(lazy(path, KEPT)._data.array)


def test_a_truncated_file_is_one_clear_error(path):
    path.write_bytes(path.read_bytes()[:-100])
    with (
        pytest.raises(StackFormatError, match=r"a.h5 cannot be opened .*truncated"),
        open_hdf5(path),
    ):
        pass
