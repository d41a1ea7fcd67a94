"""The table of pairs: room for the sums of tiles, adding them up, and reading off the worst."""

import numpy as np
import pytest
import xarray as xr
import zarr

from fringefleet.io.store.pair_table import SUMS, BadPair, create_sums, fill_table, pair_table, worst_pairs

FIRST = ["2018-01-06", "2018-01-06", "2018-01-18", "2018-01-18"]
SECOND = ["2018-01-18", "2018-01-30", "2018-01-30", "2018-02-11T05:00:00"]
N_PIXEL = np.array([[[10, 10, 4, 0], [6, 0, 1, 0]]], float)  # (tile_y, tile_x, pair)
SQUARES = np.array([[[2.5, 90.0, 1.0, 0], [1.5, 0, 0.25, 0]]])
CYCLES = np.array([[[0, 3, 1, 0], [0, 0, 1, 0]]], float)


@pytest.fixture
def store(tmp_path):
    """A store with an empty table and the sums of two tiles."""
    dates = {
        "reference_date": ("pair", np.array(FIRST, "M8[ns]")),
        "secondary_date": ("pair", np.array(SECOND, "M8[ns]")),
    }
    path = tmp_path / "result.zarr"
    pair_table(xr.Dataset(coords=dates)).to_zarr(path, zarr_format=3, consolidated=False)
    group = zarr.open_group(path, mode="r+")
    create_sums(group, (1, 2), (3, 4))
    group[SUMS][:] = np.stack([N_PIXEL, SQUARES, CYCLES], axis=2)
    return path


def test_a_table_begins_without_numbers(store):
    table = xr.open_zarr(store, consolidated=False)
    assert set(table.data_vars) == {"pair_cycle_share", "pair_pixel_count", "pair_residual_rms"}
    assert all(np.isnan(values).all() and values.dims == ("pair",) for values in table.data_vars.values())
    assert table["pair_residual_rms"].attrs["units"] == "rad"
    assert worst_pairs(table, 9) == []


def test_every_tile_has_a_file_of_its_own_for_its_sums(store):
    assert zarr.open_group(store)[SUMS].chunks == (1, 1, 3, 4)


def test_tiles_add_up_before_means_are_taken(store):
    fill_table(zarr.open_group(store, mode="r+"))
    table = xr.open_zarr(store, consolidated=False)
    np.testing.assert_allclose(table["pair_residual_rms"], [0.5, 3.0, 0.5, np.nan])
    np.testing.assert_allclose(table["pair_cycle_share"], [0, 0.3, 0.4, np.nan])
    np.testing.assert_array_equal(table["pair_pixel_count"], [16, 10, 5, 0])


def test_filling_the_table_again_changes_nothing(store):
    group = zarr.open_group(store, mode="r+")
    fill_table(group)
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    fill_table(group)
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


def test_the_worst_pairs_are_those_off_by_a_cycle_most_often_and_then_those_of_large_residual(store):
    group = zarr.open_group(store, mode="r+")
    fill_table(group)
    result = xr.open_zarr(store, consolidated=False)
    assert worst_pairs(result, 9) == [
        BadPair("20180118_20180130", 0.5, 0.4, 5),
        BadPair("20180106_20180130", 3.0, 0.3, 10),
        BadPair("20180106_20180118", 0.5, 0.0, 16),
    ]
    group["pair_cycle_share"][:] = 0.0
    assert [pair.residual_rms for pair in worst_pairs(result, 2)] == [3.0, 0.5]


def test_a_result_without_a_table_has_no_worst_pairs(tmp_path):
    xr.Dataset({"status": ("y", [1])}).to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    assert worst_pairs(xr.open_zarr(tmp_path / "a.zarr", consolidated=False), 3) == []
