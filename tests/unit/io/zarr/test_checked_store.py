import json
import pickle

import numcodecs
import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec
from zarr.codecs.numcodecs import Blosc as NumcodecsBlosc

from fringefleet.errors import StackFormatError
from fringefleet.io.zarr.checked_store import WholeChunks

VALUES = np.random.default_rng(0).normal(size=(20, 32, 32)).cumsum(0).astype("f4")
BLOSC = {f"blosc {name}": BloscCodec(cname=name, shuffle="shuffle") for name in ("lz4", "zstd")}


def store(path, compressor, **options):
    group = zarr.open_group(path, mode="w")
    group.create_array("deep/values", data=VALUES, compressors=compressor, **options)
    return zarr.open_group(WholeChunks(path, read_only=True), mode="r")["deep/values"]


@pytest.mark.parametrize("name", BLOSC)
@pytest.mark.parametrize("kept", [0, 3, 20, 0.5, -1])
def test_a_blosc_chunk_without_its_end_is_refused_by_name(tmp_path, name, kept):
    array = store(tmp_path, BLOSC[name], chunks=(20, 32, 16))
    chunk = tmp_path / "deep" / "values" / "c" / "0" / "0" / "1"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    np.testing.assert_array_equal(array[:, :, :16], VALUES[:, :, :16])
    with pytest.raises(StackFormatError, match=rf"values/c/0/0/1 of {tmp_path} has .* it is truncated"):
        array[:]


@pytest.mark.parametrize("cut", [1, 4, 16])
def test_the_blosc_of_numcodecs_is_known_too(tmp_path, cut):
    with pytest.warns(UserWarning, match="Numcodecs codecs are not in the Zarr"):
        array = store(tmp_path, NumcodecsBlosc(), chunks=(20, 32, 16))
    np.testing.assert_array_equal(array[:], VALUES)
    chunk = tmp_path / "deep" / "values" / "c" / "0" / "0" / "1"
    chunk.write_bytes(chunk.read_bytes()[:-cut])
    with pytest.raises(StackFormatError, match=rf"values/c/0/0/1 of {tmp_path} has .* it is truncated"):
        array[:]


@pytest.mark.parametrize("compressor", [*BLOSC.values(), GzipCodec(), ZstdCodec(), None])
@pytest.mark.parametrize("shards", [None, (20, 32, 32)])
def test_what_is_whole_is_read_whatever_made_it(tmp_path, compressor, shards):
    array = store(tmp_path, compressor, chunks=(20, 16, 16), shards=shards)
    np.testing.assert_array_equal(array[:], VALUES)


@pytest.mark.parametrize("compressor", [GzipCodec(), ZstdCodec(), None])
def test_other_codecs_notice_it_themselves(tmp_path, compressor):
    array = store(tmp_path, compressor, chunks=(20, 32, 32))
    chunk = tmp_path / "deep" / "values" / "c" / "0" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1])
    with pytest.raises((RuntimeError, EOFError, ValueError)):
        array[:]


V2_CODECS = {
    "compressor": {"compressors": numcodecs.Blosc()},
    "filter": {"compressors": None, "filters": [numcodecs.Blosc()]},
    "last filter": {"compressors": None, "filters": [numcodecs.Shuffle(4), numcodecs.Blosc()]},
    "filter and compressor": {"compressors": numcodecs.Blosc(), "filters": [numcodecs.Shuffle(4)]},
}


@pytest.mark.parametrize("codecs", V2_CODECS)
@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize("cut", [1, 4, 16, 1000])
def test_zarr_v2_is_looked_at_as_well(tmp_path, codecs, separator, cut):
    encoding = {"name": "v2", "separator": separator}
    options = {**V2_CODECS[codecs], "chunk_key_encoding": encoding}
    group = zarr.open_group(tmp_path, mode="w", zarr_format=2)
    group.create_array("deep/values", data=VALUES, chunks=(20, 32, 16), **options)
    array = zarr.open_group(WholeChunks(tmp_path, read_only=True), mode="r")["deep/values"]
    np.testing.assert_array_equal(array[:], VALUES)
    name = separator.join("001")
    chunk = tmp_path / "deep" / "values" / name
    chunk.write_bytes(chunk.read_bytes()[:-cut])
    with pytest.raises(StackFormatError, match=rf"values/{name} of {tmp_path} has .* it is truncated"):
        array[:]


@pytest.mark.parametrize(("name", "separator"), [("default", "."), ("v2", "."), ("v2", "/")])
@pytest.mark.parametrize("cut", [1, 4, 16])
def test_chunks_of_zarr_v3_are_known_whatever_they_are_called(tmp_path, name, separator, cut):
    encoding = {"name": name, "separator": separator}
    array = store(tmp_path, BLOSC["blosc lz4"], chunks=(20, 32, 16), chunk_key_encoding=encoding)
    key = separator.join([*["c"] * (name == "default"), *"001"])
    chunk = tmp_path / "deep" / "values" / key
    chunk.write_bytes(chunk.read_bytes()[:-cut])
    with pytest.raises(StackFormatError, match=rf"values/{key} of {tmp_path} has .* it is truncated"):
        array[:]


@pytest.mark.parametrize("spelling", ["pickle", "pick\\u006ce"])
def test_no_pickle_is_read(tmp_path, spelling):
    class Attack:
        def __reduce__(self):
            return (tmp_path / "attacked").touch, ()

    filters = [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}]
    metadata = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None}
    metadata |= {"compressor": None, "order": "C", "filters": filters}
    (tmp_path / "values").mkdir()
    text = json.dumps(metadata).replace("pickle", spelling)
    (tmp_path / "values" / ".zarray").write_text(text)
    (tmp_path / "values" / "0").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(StackFormatError, match=r"values/\.zarray of .* names the codec pickle"):
        zarr.open_array(WholeChunks(tmp_path, read_only=True), path="values", mode="r", zarr_format=2)[:]
    assert not (tmp_path / "attacked").exists()
