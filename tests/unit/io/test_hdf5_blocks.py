"""Datasets read around HDF5's library: equal to what it reads, to the bit, and no more bytes than needed."""

import itertools
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xarray.core.indexing import LazilyIndexedArray

from fringefleet.errors import StackFormatError
from fringefleet.io import hdf5_blocks
from fringefleet.io.hdf5 import HDF5Array
from fringefleet.io.hdf5_blocks import bytes_asked
from fringefleet.io.hdf5_filters import Filter, unpack
from fringefleet.io.hdf5_layout import find_layout, why_not_direct
from fringefleet.io.version import FileVersion

DTYPES = ("f4", ">f4", "f8", ">f8", "f2", "i1", "u1", "i2", ">i2", "u2", "i4", "i8", "u8", "?")
OUTPUTS = {"f": ("f4", None), "i": ("i2", None), "u": ("i2", None), "b": (None,)}
FILTERS = {
    "plain": {},
    "gzip": {"compression": "gzip"},
    "gzip 0": {"compression": "gzip", "compression_opts": 0},
    "lzf": {"compression": "lzf"},
    "shuffle": {"shuffle": True},
    "gzip, shuffle": {"compression": "gzip", "shuffle": True},
    "lzf, shuffle": {"compression": "lzf", "shuffle": True},
    "checksum": {"fletcher32": True},
    "all": {"compression": "gzip", "shuffle": True, "fletcher32": True},
}
THRESHOLDS = ({}, {"SMALL_BLOCK": 0}, {"SMALL_BLOCK": 0, "_AT_ONCE": 40}, {"_AT_ONCE": 1})


@contextmanager
def thresholds(values):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setattr(hdf5_blocks, name, value)
        yield


def numbers(shape, dtype, rng):
    """Make numbers with everything that may go wrong in a conversion."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        odd = [0.0, -0.0, np.nan, np.inf, -np.inf, 3.4028235677973366e38, -3.5e38, 1e-45, 1.0000000596046448]
        values = np.where(rng.random(shape) < 0.5, rng.normal(size=shape), rng.choice(odd, shape))
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    info = np.iinfo(dtype)
    values = rng.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True)
    small = rng.integers(0, min(info.max, 9), shape, dtype.newbyteorder("="))
    return np.where(rng.random(shape) < 0.5, values, small).astype(dtype)


@st.composite
def datasets(draw):
    """A dataset as h5py makes them: some of it may never have been written."""
    shape = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)))
    filters = FILTERS[draw(st.sampled_from(sorted(FILTERS)))]
    layouts = [None, True, tuple(draw(st.integers(1, n)) for n in shape), shape]
    resizable = draw(st.sampled_from([None, (None, *shape[1:]), (None,) * len(shape), tuple(n + 3 for n in shape)]))
    chunks = draw(st.sampled_from(layouts[1:] if filters or resizable else layouts))
    return {
        "shape": shape,
        "dtype": draw(st.sampled_from(DTYPES)),
        "chunks": chunks,
        "maxshape": resizable if chunks else None,
        "fillvalue": draw(st.sampled_from([None, 1])),
        "fill_time": draw(st.sampled_from(["alloc", "ifset"])),
        **filters,
    }


@st.composite
def keys(draw, size):
    """Whatever xarray asks of one axis."""
    n = st.integers(-size, size - 1)
    ends = st.one_of(st.none(), st.integers(0, size))
    cut = st.builds(slice, ends, ends, st.sampled_from([None, 1, 2]))
    turned = st.builds(slice, st.none(), st.none(), st.sampled_from([-1, -3]))
    return draw(st.one_of(st.just(slice(None)), cut, turned, n, st.lists(n, max_size=size)))


@st.composite
def cases(draw):
    made = draw(datasets())
    shape = made["shape"]
    kept = draw(st.none() | st.sets(st.integers(0, shape[0] - 1), min_size=1).map(sorted))
    n_first = shape[0] if kept is None else len(kept)
    key = [draw(keys(n)) for n in (n_first, *shape[1:])]
    vectors = [i for i, item in enumerate(key) if isinstance(item, list)]
    for i in vectors[1:]:
        key[i] = slice(None)
    out = draw(st.sampled_from(OUTPUTS[np.dtype(made["dtype"]).kind]))
    written = tuple(sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n)))) for n in shape)
    file = {"libver": draw(st.sampled_from(["earliest", "latest"])), "userblock_size": draw(st.sampled_from([0, 512]))}
    seed, small = draw(st.integers(0, 99)), draw(st.sampled_from(THRESHOLDS))
    return file, made, written, kept, tuple(key), out, seed, small


_number = itertools.count()


@given(cases())
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_read_is_what_the_library_reads(tmp_path, case):
    file, made, written, kept, key, out, seed, small = case
    path = tmp_path / f"{next(_number)}.h5"
    made = {name: value for name, value in made.items() if value is not None}
    window = tuple(slice(*ends) for ends in written)
    with h5py.File(path, "w", **file) as created:
        dataset = created.create_dataset("values", **made)
        if dataset[window].size:
            dataset[window] = numbers(dataset[window].shape, made["dtype"], np.random.default_rng(seed))
    dtype = np.dtype(out or made["dtype"])
    with h5py.File(path) as opened:
        dataset = opened["values"]
        assert why_not_direct(dataset) is None
        assert find_layout(dataset) is not None
        expected = dataset.astype(dtype)[...]
        kept = None if kept is None else np.array(kept)
        array = HDF5Array(FileVersion.of(path), dataset, kept, dtype)
    dims = tuple(f"d{i}" for i in range(len(array.shape)))
    index = dict(zip(dims, key, strict=True))
    with thresholds(small):
        found = xr.Variable(dims, LazilyIndexedArray(array)).isel(index).values
    assert found.dtype == dtype or found.ndim == 0
    expected = xr.Variable(dims, expected if kept is None else expected[kept]).isel(index).values
    found, expected = (np.asarray(values, dtype) for values in (found, expected))  # one number alone is native
    assert found.shape == expected.shape
    path.unlink()
    if dtype.kind == "f":  # which NaN it is may differ where one is converted
        assert np.array_equal(np.isnan(found), np.isnan(expected))
        found, expected = (np.where(np.isnan(values), 0, values) for values in (found, expected))
    assert found.tobytes() == expected.tobytes()
