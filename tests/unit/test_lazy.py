"""The Dask graphs: one task a tile, bounded, nothing read before it is asked for."""

import os
import pickle
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
import torch

import fringefleet
from fringefleet import Options, Setting
from fringefleet.execution.graph import tile_tasks
from fringefleet.execution.prepare import prepare
from fringefleet.execution.tile import LazyVariable
from fringefleet.simulate import Scene, simulate_stack


@pytest.fixture(scope="module")
def stack_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "stack.zarr"
    simulate_stack(Scene(n_date=6, shape=(40, 50), seed=1), path)
    return path


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_opened(stack_path, kind):
    result = fringefleet.invert(kind(stack_path))
    assert result.identical(fringefleet.invert(fringefleet.open_stack(stack_path)))


def ignore(tile, series):
    """Write nothing."""


@pytest.mark.parametrize("options", [Options(), Options(weight_func="no"), Options(mask_dataset="coherence")])
def test_a_tile_is_exactly_one_task_besides_the_inputs(stack_path, options):
    mask = np.ones((40, 50), dtype=bool)
    prepared = prepare(fringefleet.open_stack(stack_path, chunks=None), options, Setting(water_mask=mask))
    n_input = len(prepared.stack)  # where to read from, and the tile's own piece of the mask
    tasks = tile_tasks(prepared, options, (16, 25), ignore)
    assert len(tasks) == 3 * 2
    for _, task in tasks:
        assert len(dict(task.__dask_graph__())) == 1 + n_input


def test_with_everything_that_can_be_wanted_a_tile_is_still_one_task(stack_path):
    options = Options(std=True, covariance=True, diagnose=True, dem_error=True, norm="huber")
    setting = Setting(water_mask=np.ones((40, 50), dtype=bool), geometry=np.full((40, 50), 5e5))
    prepared = prepare(fringefleet.open_stack(stack_path, chunks=None), options, setting)
    assert set(prepared.stack) == {"unwrapped_phase", "coherence", "water_mask", "range_sine"}
    tasks = tile_tasks(prepared, options, (16, 25), ignore)
    assert all(len(dict(task.__dask_graph__())) == 1 + 4 for _, task in tasks)


def test_a_tile_hands_over_its_sums_over_pairs_and_its_own_piece_of_the_geometry(stack_path):
    options, written = Options(diagnose=True, dem_error=True), {}
    geometry = np.linspace(5e5, 6e5, 2000).reshape(40, 50)
    prepared = prepare(fringefleet.open_stack(stack_path, chunks=None), options, Setting(geometry=geometry))
    tasks = tile_tasks(
        prepared, options, (16, 25), lambda tile, series: written.update({tile.number: series})
    )
    for _, task in tasks:
        task.compute(scheduler="synchronous")
    whole = fringefleet.invert(
        fringefleet.open_stack(stack_path, chunks=None), options, geometry=geometry, chunks=(40, 50)
    )
    np.testing.assert_allclose(
        written[1, 1].dem_error, whole["dem_error"][16:32, 25:50], rtol=1e-4, atol=1e-4
    )
    n_pixel = sum(series.pair_sums[0] for series in written.values())
    assert (n_pixel == 2000 - 1).all()  # nothing is observed at the reference point


def test_a_mintpy_file_is_read_in_the_same_one_task(shared_data):
    path = shared_data / "nasty_24" / "inputs" / "ifgramStack.h5"
    options = Options(mask_dataset="connected_component")
    prepared = prepare(fringefleet.open_stack(path, chunks=None), options, Setting())
    tasks = tile_tasks(prepared, options, (20, 25), ignore)
    assert len(tasks) == 4
    assert all(len(dict(task.__dask_graph__())) == 1 + 3 for _, task in tasks)


def test_tiles_cover_the_scene_once(stack_path):
    prepared = prepare(fringefleet.open_stack(stack_path, chunks=None), Options(), Setting())
    seen = np.zeros((40, 50), dtype=int)
    for tile, task in tile_tasks(prepared, Options(), (16, 25), ignore):
        seen[tile.y, tile.x] += 1
        report = task.compute(scheduler="synchronous").item()
        assert report.tile == tile.number
        assert report.numbers.n_pixel == seen[tile.y, tile.x].size
    assert (seen == 1).all()


def test_the_template_is_what_is_computed(stack_path):
    wanted = {"std": True, "covariance": True, "diagnose": True, "dem_error": True}
    lazy = fringefleet.invert(fringefleet.open_stack(stack_path, chunks=(16, 25)), **wanted)
    assert lazy["displacement_cov"].chunks == ((6,), (6,), (16, 16, 8), (25, 25))
    assert lazy["displacement"].chunks == ((6,), (16, 16, 8), (25, 25))
    computed = lazy.compute()
    for name in lazy.variables:
        assert computed[name].dtype == lazy[name].dtype, name
        assert computed[name].shape == lazy[name].shape, name
    assert computed.attrs == lazy.attrs


def slow_write(tile, series):
    sleep(0.05)


def reports_of(path, options, tile, write=ignore):
    prepared = prepare(fringefleet.open_stack(path, chunks=None), options, Setting())
    tasks = tile_tasks(prepared, options, tile, write)
    return [task.compute(scheduler="synchronous").item() for _, task in tasks]


@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
def test_a_tile_reports_its_place_its_bytes_and_the_seconds_of_each_stage(stack_path, shared_data, kind):
    path = stack_path if kind == "zarr" else shared_data / "nasty_24" / "inputs" / "ifgramStack.h5"
    stack = fringefleet.open_stack(path, chunks=None)
    n_pair, shape = stack.sizes["pair"], (stack.sizes["y"], stack.sizes["x"])
    n_date = fringefleet.invert(stack).sizes["date"]
    start = monotonic()
    reports = reports_of(path, Options(), (16, 25), slow_write)
    elapsed = monotonic() - start
    assert sum(sum(report.numbers.seconds) for report in reports) <= elapsed
    assert sum(report.numbers.bytes_read for report in reports) == 2 * 4 * n_pair * shape[0] * shape[1]
    for report in reports:
        i, j = report.tile
        assert report.rows == (16 * i, min(16 * (i + 1), shape[0]))
        assert report.columns == (25 * j, min(25 * (j + 1), shape[1]))
        # displacement and gap_filled of every date; coherence, residual, two counts and the status
        assert report.numbers.bytes_written == report.numbers.n_pixel * (5 * n_date + 4 + 4 + 4 + 1 + 1)
        seconds = report.numbers.seconds
        assert seconds.write >= 0.05
        assert min(seconds.read, seconds.solve) > 0
        assert seconds.copy == 0
        assert report.worker["pid"] == os.getpid()
        assert report.worker["worker"] is report.worker["gpu"] is None  # no Dask worker, no GPU
        assert report.worker["versions"]["torch"] == torch.__version__


def test_the_seconds_of_reading_are_those_of_the_file(stack_path, monkeypatch):
    whole = LazyVariable.read

    def read(self):
        sleep(0.3)
        return whole(self)

    monkeypatch.setattr(LazyVariable, "read", read)
    start = monotonic()
    seconds = reports_of(stack_path, Options(), (40, 50))[0].numbers.seconds
    assert seconds.read >= 0.6  # phase and coherence
    assert sum(seconds) <= monotonic() - start  # nothing is counted in two stages


def test_tasks_stay_small_and_nothing_is_read_to_make_them(stack_path):
    prepared = prepare(fringefleet.open_stack(stack_path, chunks=None), Options(), Setting())
    sizes = [
        len(pickle.dumps(tile_tasks(prepared, Options(), tile, ignore)[0][1])) for tile in [(40, 50), (4, 5)]
    ]
    assert max(sizes) < 10_000
    assert abs(sizes[0] - sizes[1]) < 200
    assert len(pickle.dumps(prepared.stack)) < 100_000  # it is as lazy as before


def test_task_names_are_the_same_every_time(stack_path):
    prepared = [prepare(fringefleet.open_stack(stack_path, chunks=None), Options(), Setting()) for _ in "ab"]
    keys = [[task.key for _, task in tile_tasks(p, Options(), (16, 25), ignore)] for p in prepared]
    assert keys[0] == keys[1]


def test_the_answer_does_not_depend_on_the_tiles(stack_path):
    stack = fringefleet.open_stack(stack_path, chunks=None)
    whole = fringefleet.invert(stack, chunks=(40, 50)).compute()
    for chunks in ((7, 11), (40, 1), (1, 50)):
        parts = fringefleet.invert(stack, chunks=chunks).compute()
        np.testing.assert_allclose(parts["displacement"], whole["displacement"], atol=2e-9)
        np.testing.assert_array_equal(parts["status"], whole["status"])
