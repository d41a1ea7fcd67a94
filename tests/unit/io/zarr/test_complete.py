"""A store of which every chunk was written, and one of them is missing."""

import numpy as np
import pytest
import xarray as xr
import zarr

import fringefleet
from fringefleet.errors import RunError, StackFormatError
from fringefleet.io import convert_stack
from fringefleet.io.describe import describe
from fringefleet.io.zarr.complete import NOTE, note_all_chunks
from fringefleet.simulate import Scene, simulate_stack

SCENE = Scene(n_date=4, neighbours=2, shape=(20, 24))


def converted(tmp_path, write_mintpy):
    empty = np.zeros((5, 20, 24), "f4")
    filled = {"unwrapPhase": empty, "coherence": np.full_like(empty, np.nan), "bperp": np.zeros(5, "f4")}
    source = write_mintpy(filled, shape=(20, 24))
    convert_stack(source, tmp_path / "stack.zarr", chunks=(8, 8))
    return tmp_path / "stack.zarr"


def simulated(tmp_path, _):
    simulate_stack(SCENE, tmp_path / "stack.zarr")
    return tmp_path / "stack.zarr"


@pytest.fixture(params=[converted, simulated])
def store(request, tmp_path, write_mintpy):
    return request.param(tmp_path, write_mintpy)


def test_every_chunk_has_a_file_whatever_is_in_it(store):
    for name, array in zarr.open_group(store, mode="r", use_consolidated=False).arrays():
        files = [file for file in (store / name).rglob("*") if file.is_file()]
        assert len(files) == array.nchunks + 2, name  # what describes it, and the note
    fringefleet.open_stack(store)
    xr.open_zarr(store).load()


@pytest.mark.parametrize("name", ["unwrapped_phase", "coherence"])
def test_a_chunk_that_is_missing_is_named(store, name):
    array = zarr.open_array(store / name, mode="r")
    last = "/".join(
        ["c", "0", *(str(-(-n // size) - 1) for n, size in zip((20, 24), array.chunks[1:], strict=True))]
    )
    (store / name / last).unlink()
    wanted = rf"1 of {array.nchunks} chunks of {name} are missing: {last}\. .*Copy or create it again"
    for look in (fringefleet.open_stack, describe):
        with pytest.raises(StackFormatError, match=wanted):
            look(store)


def test_many_that_are_missing_are_counted_and_some_of_them_named(tmp_path, write_mintpy):
    store = converted(tmp_path, write_mintpy)
    for file in (store / "coherence" / "c" / "0" / "1").iterdir():
        file.unlink()
    with pytest.raises(StackFormatError, match=r"3 of 9 chunks of coherence are missing: c/0/1/0, c/0/1/1"):
        fringefleet.open_stack(store)


def test_a_store_of_somebody_else_may_lack_chunks(tmp_path):
    stack = fringefleet.open_stack(simulated(tmp_path, None), chunks=None).load()
    stack["unwrapped_phase"][:, :8, :8] = np.nan
    for name in stack.data_vars:  # as xarray hands it on to whom changes and writes it
        stack[name].encoding = {"chunks": (5, 8, 8)}
    other = tmp_path / "other.zarr"
    stack.to_zarr(other, zarr_format=3, consolidated=False)
    assert not (other / "unwrapped_phase" / "c" / "0" / "0" / "0").exists()
    assert not list(other.rglob(NOTE))
    assert fringefleet.open_stack(other, chunks=None).unwrapped_phase[:, :8, :8].isnull().all()


def test_shards_are_counted_as_files(tmp_path):
    group = zarr.create_group(tmp_path / "store", zarr_format=3)
    with zarr.config.set({"array.write_empty_chunks": True}):
        array = group.create_array("a", shape=(8, 8), chunks=(2, 2), shards=(4, 4), dtype="f4")
        array[...] = 0
    note_all_chunks(tmp_path / "store")
    assert (tmp_path / "store" / "a" / NOTE).read_text() == '{"n_chunk": 4}\n'


def test_a_chunk_that_is_gone_at_once_is_no_complete_store(tmp_path):
    group = zarr.create_group(tmp_path / "store", zarr_format=3)
    group.create_array("a", shape=(8, 8), chunks=(4, 4), dtype="f4")
    with pytest.raises(RunError, match="found no file of the chunk c/0/0 of a"):
        note_all_chunks(tmp_path / "store")
