"""Datasets read around HDF5's library: equal to what it reads, to the bit, and no more bytes than needed."""

import itertools
from contextlib import contextmanager
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xarray.core.indexing import LazilyIndexedArray

from fringefleet.errors import StackFormatError
from fringefleet.io.chunking import fit_tile
from fringefleet.io.files.version import FileVersion
from fringefleet.io.hdf5 import blocks as hdf5_blocks
from fringefleet.io.hdf5 import extents as hdf5_extents
from fringefleet.io.hdf5 import filters as hdf5_filters
from fringefleet.io.hdf5 import layout as hdf5_layout
from fringefleet.io.hdf5 import variables as hdf5
from fringefleet.io.hdf5.blocks import read_blocks
from fringefleet.io.hdf5.layout import find_layout, find_reading, why_not_direct
from fringefleet.io.hdf5.reader import bytes_asked
from fringefleet.io.hdf5.variables import HDF5Array

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
THRESHOLDS = (
    {},
    {"SMALL_BLOCK": 0, "BYTES_OF_A_CALL": 0},
    {"SMALL_BLOCK": 0, "BYTES_OF_A_CALL": 0, "AT_ONCE": 40},
    {"AT_ONCE": 1},
)


@contextmanager
def thresholds(values):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            for module in (hdf5_blocks, hdf5_extents):
                if hasattr(module, name):
                    patch.setattr(module, name, value)
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
    resizable = draw(
        st.sampled_from([None, (None, *shape[1:]), (None,) * len(shape), tuple(n + 3 for n in shape)])
    )
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
    file = {
        "libver": draw(st.sampled_from(["earliest", "latest"])),
        "userblock_size": draw(st.sampled_from([0, 512])),
    }
    seed, small = draw(st.integers(0, 99)), draw(st.sampled_from(THRESHOLDS))
    return file, made, written, kept, tuple(key), out, seed, small


_number = itertools.count()


@given(cases())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
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
    found, expected = (
        np.asarray(values, dtype) for values in (found, expected)
    )  # one number alone is native
    assert found.shape == expected.shape
    path.unlink()
    if dtype.kind == "f":  # which NaN it is may differ where one is converted
        assert np.array_equal(np.isnan(found), np.isnan(expected))
        found, expected = (np.where(np.isnan(values), 0, values) for values in (found, expected))
    assert found.tobytes() == expected.tobytes()


SHAPE = (12, 60, 80)
VALUES = np.random.default_rng(0).normal(size=SHAPE).astype("f4")
VALUES[:, :20] = np.round(VALUES[:, :20])  # some of it can be packed


def write(path, **kind):
    with h5py.File(path, "w") as file:
        file.create_dataset("values", data=VALUES, **kind)
    return path


def lazy(path, kept=None, dtype="f4"):
    with h5py.File(path) as file:
        array = HDF5Array(FileVersion.of(path), file["values"], kept, dtype)
        reading = find_reading(file["values"], ("pair", "y", "x"))
    variable = xr.Variable(("pair", "y", "x"), LazilyIndexedArray(array))
    variable.encoding["reading"] = reading
    return variable


LAYOUTS = {
    "contiguous": {},
    "auto-chunked": {"chunks": True},
    "small chunks": {"chunks": (5, 7, 9)},
    "whole interferograms": {"chunks": (1, *SHAPE[1:])},
    "wide chunks": {"chunks": (1, 30, SHAPE[2])},
    "gzip": {"chunks": (5, 20, 20), "compression": "gzip"},
    "gzip, shuffle": {"chunks": (5, 20, 20), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (5, 20, 20), "compression": "lzf"},
    "lzf, shuffle": {"chunks": (5, 20, 20), "compression": "lzf", "shuffle": True},
    "shuffle": {"chunks": (5, 20, 20), "shuffle": True},
}


@pytest.mark.parametrize("small", THRESHOLDS[:3], ids=["as it is", "large blocks", "small pieces"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_tiles_together_ask_for_little_more_than_the_data(tmp_path, layout, small):
    variable = lazy(write(tmp_path / "a.h5", **LAYOUTS[layout]))
    steps = variable.encoding["reading"].steps
    rows, columns = fit_tile(SHAPE[1:], (steps["y"], steps["x"]), 1300)
    before, whole = bytes_asked(), np.empty_like(VALUES)
    with thresholds(small):
        for y, x in itertools.product(range(0, SHAPE[1], rows), range(0, SHAPE[2], columns)):
            window = {"y": slice(y, y + rows), "x": slice(x, x + columns)}
            whole[:, window["y"], window["x"]] = variable.isel(window).values
    assert np.array_equal(whole, VALUES)
    stored = SHAPE if not (chunks := LAYOUTS[layout].get("chunks")) else None
    n_byte = VALUES.nbytes
    if stored is None and chunks is not True:  # chunks at the edge are stored whole
        n_byte = 4 * np.prod([-(-size // step) * step for size, step in zip(SHAPE, chunks, strict=True)])
    assert 0 < bytes_asked() - before <= 1.2 * n_byte


def test_narrow_windows_of_whole_rows_ask_for_no_more_than_they_hold(tmp_path):
    variable = lazy(write(tmp_path / "a.h5"))
    before = bytes_asked()
    part = variable.isel(y=slice(3, 40), x=slice(10, 20)).values
    assert np.array_equal(part, VALUES[:, 3:40, 10:20])
    assert bytes_asked() - before == part.nbytes


def test_dropped_pairs_of_plain_chunks_are_not_read(tmp_path):
    kept = np.array([0, 1, 2, 9, 10, 11])
    variable = lazy(write(tmp_path / "a.h5", chunks=(12, 20, 20)), kept)
    before = bytes_asked()
    assert np.array_equal(variable.values, VALUES[kept])
    assert bytes_asked() - before == VALUES.nbytes // 2


def test_the_places_of_chunks_are_looked_up_once_for_all_tiles(tmp_path, monkeypatch):
    variable = lazy(write(tmp_path / "a.h5", chunks=True))
    looked = []
    find = hdf5.find_layout
    monkeypatch.setattr(hdf5, "find_layout", lambda dataset: looked.append(dataset.name) or find(dataset))
    for row in range(0, 60, 20):
        assert np.array_equal(variable.isel(y=slice(row, row + 20)).values, VALUES[:, row : row + 20])
    assert looked == ["/values"]


def unusual(file):
    """Datasets that HDF5's library has to read, and why."""
    numbers = np.arange(60.0).reshape(3, 4, 5)
    scale = {"chunks": (1, 4, 5), "scaleoffset": 3}
    yield file.create_dataset("scaled", data=numbers, **scale), "compressed by the filter scaleoffset"
    yield file.create_dataset("long", data=numbers.astype("f16"), chunks=True), "of an unusual type"
    if "szip" in h5py.filters.encode:
        yield file.create_dataset("szip", data=numbers, chunks=(1, 4, 5), compression="szip"), "filter szip"
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple(numbers.shape)
    h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_DOUBLE, space, made)
    file["compact"][...] = numbers
    yield file["compact"], "it is small"
    odd = h5py.h5t.STD_I32LE.copy()
    odd.set_precision(24)
    h5py.h5d.create(file.id, b"odd", odd, space)
    file["odd"][...] = numbers
    yield file["odd"], "of an unusual type"
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((1, 4, 5))
    made.set_deflate(1)
    made.set_deflate(4)
    h5py.h5d.create(file.id, b"twice", h5py.h5t.NATIVE_DOUBLE, space, made)
    file["twice"][...] = numbers
    yield file["twice"], "compressed twice"


def test_what_is_stored_in_an_unusual_way_is_read_by_the_library_and_that_is_said(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for dataset, reason in unusual(file):
            assert reason in why_not_direct(dataset), dataset.name
            assert find_layout(dataset) is None
    with h5py.File(path) as file:
        arrays = [HDF5Array(FileVersion.of(path), file[name], None, file[name].dtype) for name in file]
        expected = [file[name][...] for name in file]
    before = bytes_asked()
    for array, values in zip(arrays, expected, strict=True):
        found = xr.Variable(("pair", "y", "x"), LazilyIndexedArray(array)).isel(y=slice(1, 3)).values
        assert np.array_equal(found, values[:, 1:3])
    assert bytes_asked() == before


def test_nothing_is_filled_in_where_the_file_says_so(tmp_path):
    """HDF5's library leaves memory as it is there, whatever was in it."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        kind = {"fillvalue": 7, "fill_time": "never", "dtype": "f4"}
        file.create_dataset("values", SHAPE, chunks=(5, 7, 9), **kind)[:5, :7, :9] = 1
        file.create_dataset(
            "scaled", SHAPE, "i4", chunks=(5, 7, 9), scaleoffset=0, fill_time="never", fillvalue=7
        )
    with h5py.File(tmp_path / "a.h5") as file:
        arrays = [HDF5Array(FileVersion.of(tmp_path / "a.h5"), file[n], np.arange(12), "f4") for n in file]
    expected = np.zeros(SHAPE, "f4")
    for array in arrays:
        expected[:5, :7, :9] = array.name == "/values"
        assert np.array_equal(xr.Variable(("pair", "y", "x"), LazilyIndexedArray(array)).values, expected)


def chunk_at(path, number=0):
    with h5py.File(path) as file:
        return file["values"].id.get_chunk_info(number)


def damage(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


@pytest.mark.parametrize("packing", [name for name in FILTERS if name not in ("plain", "shuffle")])
def test_a_chunk_that_cannot_be_unpacked_is_named(tmp_path, packing):
    path = write(tmp_path / "a.h5", chunks=(12, 30, 40), **FILTERS[packing])
    chunk = chunk_at(path)
    damage(path, chunk.byte_offset, b"\xff" * min(chunk.size, 40))
    if packing.startswith("lzf"):  # it has no checksum: some other numbers may come out of it
        damage(path, chunk.byte_offset, b"\xff" * chunk.size)
    variable = lazy(path)
    with pytest.raises(
        StackFormatError, match=rf"dataset /values of {path} cannot be read: a chunk cannot be unpacked"
    ):
        variable.load()


def test_the_end_of_a_file_that_went_missing_is_said(tmp_path):
    path = write(tmp_path / "a.h5", chunks=(12, 30, 40))
    with h5py.File(path) as file:
        layout = find_layout(file["values"])
    with path.open("r+b") as file:
        file.truncate(layout.offsets.max() + 100)
    with pytest.raises(StackFormatError, match=rf"dataset /values of {path} .* so the file is truncated"):
        read_blocks(layout, (slice(None),) * 3, np.dtype("f4"))


@pytest.mark.parametrize("kind", [{}, {"chunks": (5, 7, 9)}])
def test_places_behind_the_end_of_the_file_are_refused(tmp_path, monkeypatch, kind):
    path = write(tmp_path / "a.h5", **kind)
    monkeypatch.setattr(hdf5_layout.Path, "stat", lambda _: SimpleNamespace(st_size=VALUES.nbytes))
    with h5py.File(path) as file, pytest.raises(StackFormatError, match="beyond the end of the file"):
        find_layout(file["values"])


def test_a_chunk_at_the_edge_that_is_not_packed_is_read_as_it_is(tmp_path):
    """Files can say so; h5py cannot write one, so a packed chunk is replaced."""
    path = tmp_path / "a.h5"
    values = np.arange(12 * 9 * 9, dtype="f4").reshape(12, 9, 9)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("values", data=values, chunks=(12, 5, 9), compression="gzip")
        edge = np.zeros((12, 5, 9), "f4")
        edge[:, :4] = values[:, 5:]
        dataset.id.write_direct_chunk((0, 5, 0), edge.tobytes(), filter_mask=0)
    with h5py.File(path) as file:
        layout = find_layout(file["values"])
    assert np.array_equal(read_blocks(layout, (slice(None),) * 3, np.dtype("f4")), values)


def test_lzf_is_decoded_by_what_h5py_has():
    """Otherwise all LZF is read in one thread."""
    assert hdf5_filters._lzf is not None


def test_without_a_decoder_of_lzf_the_library_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_filters, "_lzf", None)
    path = write(tmp_path / "a.h5", chunks=True, compression="lzf")
    with h5py.File(path) as file:
        assert "LZF" in why_not_direct(file["values"])
    assert np.array_equal(lazy(path).values, VALUES)
