import shutil

import dask.array as da
import numpy as np
import pytest
import xarray as xr
import zarr

from fringefleet.errors import RunError
from fringefleet.io.listing import Listing
from fringefleet.io.marks import IS_DONE, IS_SKIPPED
from fringefleet.io.origin import Origin
from fringefleet.io.store import create_result
from fringefleet.io.version import FilesVersion
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
    with pytest.raises(RunError, match=r"result.zarr is gone from this process's sight"):
        store.write_tile((0, 0), Removing(store))
    assert not store.path.exists()


def test_what_lies_where_the_store_was_is_left_alone(store):
    shutil.rmtree(store.path)
    (store.path / "displacement").mkdir(parents=True)
    (store.path / "displacement" / "notes.txt").write_text("precious")
    with pytest.raises(RunError, match="is gone"):
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
    with pytest.raises(RunError, match="has lost status"):
        store.check()
    group.attrs["fringefleet_fingerprint"] = "other"
    with pytest.raises(RunError, match="was replaced by another run"):
        store.skip_tile((0, 0))
