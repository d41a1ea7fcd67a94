import errno
import os
import shutil
import stat
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from fringefleet.errors import RunError
from fringefleet.io.files.listing import Listing
from fringefleet.io.files.version import FilesVersion
from fringefleet.io.store.marks import IS_DONE, IS_SKIPPED
from fringefleet.io.store.origin import Origin
from fringefleet.io.store.result import create_result
from fringefleet.status import Status

TILE = {"displacement": np.ones((3, 4, 4), "f4"), "status": np.zeros((4, 4), "u1")}


@pytest.fixture
def store(tmp_path):
    template = xr.Dataset(
        {
            "displacement": (("date", "y", "x"), da.zeros((3, 8, 6), "f4", chunks=(-1, 4, 4))),
            "status": (("y", "x"), da.zeros((8, 6), "u1", chunks=(4, 4))),
        },
        coords={"y": np.arange(8.0), "x": np.arange(6.0)},
    )
    origin = Origin({"weight_func": "var"}, FilesVersion(str(tmp_path), Listing.of([])))
    return create_result(template, tmp_path / "result.zarr", origin, overwrite=False)


class Removing(dict):
    """Variables of a tile, of which the last one takes so long that the store is removed meanwhile."""

    def __init__(self, store):
        super().__init__(TILE)
        self.store = store

    def items(self):
        yield "status", TILE["status"]
        (self.store.path / "zarr.json").unlink()  # as rm -r does, one file after the other
        yield "displacement", TILE["displacement"]
        shutil.rmtree(self.store.path)
        self.store.path.mkdir()
        (self.store.path / "displacement" / "c" / "0" / "0").mkdir(parents=True)
        (self.store.path / "displacement" / "c" / "0" / "0" / "0").touch()


def test_a_store_that_is_removed_in_mid_tile_is_not_made_again_in_parts(store):
    with pytest.raises(RunError, match=r"result.zarr can no longer be accessed from this process"):
        store.write_tile((0, 0), Removing(store))
    assert not store.path.exists()


def test_what_lies_where_the_store_was_is_left_alone(store):
    shutil.rmtree(store.path)
    (store.path / "displacement").mkdir(parents=True)
    (store.path / "displacement" / "notes.txt").write_text("precious")
    with pytest.raises(RunError, match="can no longer be accessed"):
        store.write_tile((0, 0), TILE)
    assert (store.path / "displacement" / "notes.txt").read_text() == "precious"


def test_a_tile_that_is_skipped_has_no_data_even_if_some_was_written(store):
    for index, width in (((0, 0), 4), ((1, 1), 2)):
        store.write_tile(index, {name: values[..., :width] for name, values in TILE.items()})
    store.skip_tile((1, 1))
    group = zarr.open_group(store.path, mode="r")
    assert store.marks().tolist() == [[IS_DONE, 0], [0, IS_SKIPPED]]
    assert store.done().tolist() == [[True, False], [False, False]]
    assert (group["status"][4:, 4:] == Status.FAILED_TILE).all()
    assert np.isnan(group["displacement"][:, 4:, 4:]).all()
    assert (group["displacement"][:, :4, :4] == 1).all()
    assert (group["status"][4:, :4] == 255).all()


def test_another_run_s_store_and_one_without_its_arrays_are_no_more_ours(store):
    group = zarr.open_group(store.path, mode="r+")
    shutil.rmtree(store.path / "status")
    with pytest.raises(RunError, match="lost status"):
        store.check()
    group.attrs["fringefleet_fingerprint"] = "other"
    with pytest.raises(RunError, match="was replaced by another run"):
        store.skip_tile((0, 0))


DAMAGES = {
    "gone": lambda file: file.unlink(),
    "empty": lambda file: os.truncate(file, 0),
    "cut off": lambda file: os.truncate(file, file.stat().st_size - 1),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
@pytest.mark.parametrize("where", ["displacement/c/0/0/1", "status/c/0/1", "progress/n_byte/c/0/1"])
def test_a_tile_whose_files_are_not_what_was_written_is_no_longer_done(store, where, damage, caplog):
    for index, width in (((0, 0), 4), ((0, 1), 2)):
        store.write_tile(index, {name: values[..., :width] for name, values in TILE.items()})
    store.forget_damaged()
    assert store.kept().tolist() == store.done().tolist() == [[True, True], [False, False]]
    DAMAGES[damage](store.path / where)
    assert store.kept().tolist() == [[True, False], [False, False]]
    assert store.done()[0, 1]
    store.forget_damaged()
    assert "files of 1 finished tiles, (0, 1) the first, are missing or truncated" in caplog.text
    assert store.done().tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_a_mark_that_is_damaged_is_none(store, damage):
    store.write_tile((0, 0), TILE)
    DAMAGES[damage](store.path / "progress/done/c/0/0")
    assert not store.done().any()


def test_a_tile_without_an_answer_has_no_file_and_is_whole(store):
    nothing = {"displacement": np.full((3, 4, 4), np.nan, "f4"), "status": np.full((4, 4), 2, "u1")}
    store.write_tile((0, 0), nothing)
    assert not (store.path / "displacement/c").exists()
    assert store.kept()[0, 0]


def test_a_mark_gets_its_name_when_its_files_and_their_folders_are_on_the_disk(store, monkeypatch):
    """What a loss of power may take away is known by the order of the calls."""
    events = []
    replace, fsync = Path.replace, os.fsync

    def replacing(file, target):
        events.append(("named", Path(target)))
        return replace(file, target)

    def syncing(number):
        events.append(("synced", Path(f"/proc/self/fd/{number}").readlink()))
        return fsync(number)

    monkeypatch.setattr(Path, "replace", replacing)
    monkeypatch.setattr(os, "fsync", syncing)
    for index, width in (((0, 0), 4), ((1, 1), 2)):
        events.clear()
        store.write_tile(index, {name: values[..., :width] for name, values in TILE.items()})
        mark = store.path / f"progress/done/c/{index[0]}/{index[1]}"
        assert events[-1] == ("named", mark)
        named = [path for what, path in events[:-1] if what == "named"]
        assert {path.relative_to(store.path).parts[0] for path in named} == {
            "displacement",
            "status",
            "progress",
        }
        for path in named:
            last = max(number for number, event in enumerate(events) if event == ("named", path))
            after = {where for what, where in events[last:] if what == "synced"}
            assert path in after
            between = [folder for folder in path.parents if folder.is_relative_to(store.path)]
            assert set(between) <= after


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("is_folder", [True, False])
def test_folders_that_cannot_be_synced_are_left_to_the_system_and_files_are_not(
    store, monkeypatch, code, is_folder
):
    fsync = os.fsync

    def syncing(number):
        if stat.S_ISDIR(os.fstat(number).st_mode) == is_folder:
            raise OSError(code, os.strerror(code))
        return fsync(number)

    monkeypatch.setattr(os, "fsync", syncing)
    if is_folder and code != errno.EIO:
        store.write_tile((0, 0), TILE)
        assert store.done()[0, 0]
        return
    with pytest.raises(OSError, match=os.strerror(code)):
        store.write_tile((0, 0), TILE)
    assert not store.done().any()


def test_a_new_store_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced, named = [], []
    rename, fsync = Path.rename, os.fsync

    def renaming(file, target):
        named.append((file, Path(target), len(synced)))
        return rename(file, target)

    def syncing(number):
        synced.append(Path(f"/proc/self/fd/{number}").readlink())
        return fsync(number)

    monkeypatch.setattr(Path, "rename", renaming)
    monkeypatch.setattr(os, "fsync", syncing)
    template = xr.Dataset({"status": (("y", "x"), da.zeros((8, 6), "u1", chunks=(4, 4)))})
    origin = Origin({}, FilesVersion(str(tmp_path), Listing.of([])))
    create_result(template, tmp_path / "result.zarr", origin, overwrite=False)
    ((temporary, target, n_before),) = [each for each in named if each[1].name == "result.zarr"]
    files = {path.relative_to(target) for path in target.rglob("*")}
    assert files <= {path.relative_to(temporary) for path in synced[:n_before] if path != temporary}
    assert tmp_path in synced[n_before:]


def test_a_result_of_ten_thousand_tiles_is_made_without_a_task_for_each(tmp_path, monkeypatch):
    to_zarr, n_task = xr.Dataset.to_zarr, []

    def counted(dataset, *given, **named):
        n_task.append(len(dataset.__dask_graph__()))
        return to_zarr(dataset, *given, **named)

    monkeypatch.setattr(xr.Dataset, "to_zarr", counted)
    template = xr.Dataset({"status": (("y", "x"), da.zeros((1000, 1000), "u1", chunks=(10, 10)))})
    origin = Origin({}, FilesVersion(str(tmp_path), Listing.of([])))
    store = create_result(template, tmp_path / "result.zarr", origin, overwrite=False)
    assert n_task == [1]
    assert zarr.open_array(store.path / "status", mode="r").chunks == (10, 10)
    assert zarr.open_array(store.path / "progress/done", mode="r").shape == (100, 100)
