"""Chunks read from their files against what Zarr reads."""

import os
import signal
import time

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs import Blosc as OldBlosc
from numcodecs import Zstd
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from fringefleet.errors import StackFormatError
from fringefleet.io.files import threads
from fringefleet.io.files.memory import TileBuffer, lending
from fringefleet.io.zarr import chunk_files
from fringefleet.io.zarr.chunk_layout import find_chunk_files

READ = {
    "lz4": {"compressors": [BloscCodec(cname="lz4", shuffle="shuffle")]},
    "zstd, bitshuffle": {"compressors": [BloscCodec(cname="zstd", shuffle="bitshuffle")]},
    "as it is": {"compressors": None},
    "other names": {"compressors": None, "chunk_key_encoding": {"name": "default", "separator": "."}},
    "names of version 2": {"compressors": None, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
    "2, blosc": {"compressors": OldBlosc(), "zarr_format": 2},
    "2, as it is": {"compressors": None, "zarr_format": 2},
    "2, without a fill value": {"compressors": None, "zarr_format": 2, "fill_value": None},
    "2, folders": {
        "compressors": None,
        "zarr_format": 2,
        "chunk_key_encoding": {"name": "v2", "separator": "/"},
    },
}
LEFT = {
    "gzip": {"compressors": [GzipCodec()]},
    "zstd": {"compressors": [ZstdCodec()]},
    "shards": {"compressors": None, "shards": (6, 10, 8)},
    "2, zstd": {"compressors": Zstd(), "zarr_format": 2},
    "2, order": {"compressors": None, "zarr_format": 2, "order": "F"},
    "big-endian": {"compressors": None, "dtype": ">f4"},
}
SHAPE, CHUNKS = (7, 23, 18), (3, 5, 4)


def make(path, how, dtype="f4"):
    """Write an array of which some chunks have no file."""
    group = zarr.open_group(path, mode="w", zarr_format=how.get("zarr_format", 3))
    said = {"dtype": dtype, "shape": SHAPE, "chunks": CHUNKS, "fill_value": 7} | how
    said.pop("zarr_format", None)
    array = group.create_array("a", **said)
    array[:, :15] = numbers(dtype)[:, :15]
    return array


def numbers(dtype):
    return np.random.default_rng(0).normal(0, 100, SHAPE).astype(dtype)


def places(size):
    """What may be wanted along an axis."""
    ends = st.tuples(st.integers(0, size), st.integers(0, size))
    steps = st.tuples(st.integers(0, size), st.integers(1, 4))
    return st.one_of(
        st.integers(0, size - 1),
        ends.map(lambda said: slice(min(said), max(said))),
        steps.map(lambda said: slice(said[0], None, said[1])),
        st.lists(st.integers(0, size - 1), min_size=1, max_size=size).map(np.array),
    )


PLACES = st.tuples(*map(places, SHAPE))


def outer(values, wanted):
    """Index every axis by itself."""
    for axis in range(len(wanted) - 1, -1, -1):
        values = values[(slice(None),) * axis + (wanted[axis],)]
    return values


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    made = {}
    for number, (name, how) in enumerate(READ.items()):
        for dtype in ("f4", "i2", "u1"):
            made[f"{name}, {dtype}"] = make(folder / f"{number}-{dtype}", how, dtype)
    return made


@pytest.mark.parametrize("name", [f"{name}, {dtype}" for name in READ for dtype in ("f4", "i2", "u1")])
def test_every_part_is_what_zarr_reads(name, arrays):
    array = arrays[name]
    files = find_chunk_files(array)
    whole, buffer = array[:], TileBuffer()

    @settings(max_examples=40)
    @given(PLACES)
    def check(wanted):
        expected = outer(whole, wanted)
        np.testing.assert_array_equal(files.read(wanted), expected)
        with lending(buffer):
            np.testing.assert_array_equal(files.read(wanted), expected)

    check()


@pytest.mark.parametrize("name", LEFT)
def test_what_is_packed_otherwise_is_left_to_zarr(name, tmp_path):
    assert find_chunk_files(make(tmp_path / "a", LEFT[name])) is None


@pytest.mark.parametrize("name", ["lz4", "as it is", "2, blosc", "2, as it is"])
@pytest.mark.parametrize("left", [0.0, 0.1, 0.9])
def test_a_chunk_without_its_end_is_named(name, left, tmp_path):
    array = make(tmp_path / "a", READ[name])
    key = array.metadata.encode_chunk_key((0, 1, 2))
    file = tmp_path / "a" / "a" / key
    content = file.read_bytes()
    file.write_bytes(content[: int(left * len(content))])
    with pytest.raises(StackFormatError, match=rf"the chunk a/{key} of .*: it is truncated"):
        find_chunk_files(array).read((slice(None),) * 3)


def test_a_chunk_of_other_sizes_is_refused(tmp_path):
    array = make(tmp_path / "a", READ["lz4"])
    file = tmp_path / "a" / "a" / array.metadata.encode_chunk_key((0, 1, 2))
    file.write_bytes(OldBlosc().encode(np.zeros(3)))
    with pytest.raises(StackFormatError, match="holds 24 bytes, but chunks of 240 are declared"):
        find_chunk_files(array).read((slice(None),) * 3)


def test_a_chunk_that_is_damaged_is_refused(tmp_path):
    group = zarr.open_group(tmp_path / "a", mode="w")
    array = group.create_array("a", shape=(64, 64), chunks=(64, 64), dtype="f4", **READ["lz4"])
    array[:] = 5
    file = tmp_path / "a" / "a" / "c" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[20:] = bytes(255 for _ in content[20:])
    file.write_bytes(content)
    with pytest.raises(StackFormatError, match=r"cannot be unpacked .* is damaged"):
        find_chunk_files(array).read((slice(None), slice(None)))


@pytest.mark.parametrize("fill", [7, 0, None, "NaN"])
@pytest.mark.parametrize("name", [f"{name}, {dtype}" for name in READ for dtype in ("f4", "i2")])
def test_what_is_written_is_what_zarr_writes(name, fill, tmp_path):
    how, _, dtype = name.rpartition(", ")
    if (fill is None and READ[how].get("zarr_format") != 2) or (fill == "NaN" and dtype != "f4"):
        pytest.skip("there is none such")
    theirs, ours = (
        make(tmp_path / part, READ[how] | {"fill_value": np.nan if fill == "NaN" else fill}, dtype)
        for part in "ba"
    )
    other = np.nan if dtype == "f4" else 1
    for row, value in enumerate((0, -0.0, 7, other)):  # each fills chunks
        theirs[:, 5 * row : 5 * row + 5] = value
    for file in (tmp_path / "a" / "a").rglob("*"):
        if file.is_file() and "json" not in file.name and file.name[0] != ".":
            file.unlink()
    files = find_chunk_files(ours)
    whole = theirs[:]
    for place in np.ndindex(*(-(-size // step) for size, step in zip(SHAPE, CHUNKS, strict=True))):
        window = [slice(n * step, (n + 1) * step) for n, step in zip(place, CHUNKS, strict=True)]
        files.write(place, whole[tuple(window)])
    assert contents(tmp_path / "a" / "a") == contents(tmp_path / "b" / "a")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_chunk_that_becomes_nothing_loses_its_file(tmp_path):
    array = make(tmp_path / "a", READ["lz4"])
    file = tmp_path / "a" / "a" / array.metadata.encode_chunk_key((0, 1, 2))
    assert file.exists()
    find_chunk_files(array).write((0, 1, 2), np.full(CHUNKS, 7, "f4"))
    assert not file.exists()


def test_a_chunk_that_cannot_be_written_leaves_nothing_and_the_old_one(tmp_path, monkeypatch):
    array = make(tmp_path / "a", READ["lz4"])
    before = contents(tmp_path)

    def fail(path, content):
        path.write_bytes(memoryview(content)[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chunk_files, "_write_file", fail)
    with pytest.raises(OSError, match="No space"):
        find_chunk_files(array).write((0, 1, 2), np.ones(CHUNKS, "f4"))
    assert contents(tmp_path) == before


def test_a_process_that_was_forked_reads_too(tmp_path):
    files = find_chunk_files(make(tmp_path / "a", READ["lz4"]))
    expected = files.read((slice(None),) * 3)  # by threads, which the other process has not
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if np.array_equal(files.read((slice(None),) * 3), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_no_job_goes_on_when_one_could_not_be_begun(monkeypatch):
    begun, ended, begin = [], [], threads._threads.begin

    def work(job):
        begun.append(job)
        time.sleep(0.05)
        ended.append(job)

    def begin_two(work, job):
        if job == 2:
            raise RuntimeError("can't start new thread")
        return begin(work, job)

    monkeypatch.setattr(threads._threads, "begin", begin_two)
    with pytest.raises(RuntimeError, match="new thread"):
        threads.each(work, range(4))
    assert begun == ended
    assert set(begun) <= {0, 1}


def make_pipe(file):
    file.unlink()
    os.mkfifo(file)


DAMAGES = {
    "is not a file": make_pipe,
    "has 1,099,511,627,776 bytes, but at most": lambda file: os.truncate(file, 2**40),
}


@pytest.mark.parametrize("message", DAMAGES)
def test_what_is_no_chunk_is_refused_before_memory_is_taken(message, tmp_path):
    array = make(tmp_path / "a", READ["lz4"])
    DAMAGES[message](tmp_path / "a" / "a" / array.metadata.encode_chunk_key((0, 1, 2)))
    with pytest.raises(StackFormatError, match=message):
        find_chunk_files(array).read((slice(None),) * 3)
