import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

from fringefleet.errors import StackFormatError
from fringefleet.io.whole_chunks import WholeChunks

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
    with pytest.raises(StackFormatError, match=rf"values/c/0/0/1 of {tmp_path} has .* end is missing"):
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
