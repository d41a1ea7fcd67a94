"""Arrays that stand for values which are written later."""

import numpy as np
import xarray as xr
import zarr

from fringefleet.io.placeholders import placeholder


def test_a_store_of_them_has_their_shapes_types_and_chunks_and_no_values(tmp_path):
    given = {"a": ((3, 4), "f4", (2, 4)), "b": ((3, 4), "u1", -1), "c": ((3, 4), "f4", (3, 1))}
    made = xr.Dataset({name: (("y", "x"), placeholder(name, *how)) for name, how in given.items()})
    made.to_zarr(tmp_path / "made.zarr", zarr_format=3, consolidated=False, compute=False)
    store = zarr.open_group(tmp_path / "made.zarr", mode="r")
    for name, chunks in {"a": (2, 4), "b": (3, 4), "c": (3, 1)}.items():
        array = store[name]
        assert (array.shape, array.dtype, array.chunks) == ((3, 4), np.dtype(given[name][1]), chunks)
    assert not list((tmp_path / "made.zarr").rglob("c/0"))


def test_the_name_is_all_that_dask_knows_them_by():
    assert placeholder("a", (2,), "f4", -1).name == placeholder("a", (9,), "u1", 3).name
    assert placeholder("a", (2,), "f4", -1).name != placeholder("b", (2,), "f4", -1).name
