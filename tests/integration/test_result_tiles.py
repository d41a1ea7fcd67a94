"""A function of the tiles of a result, as of those of a stack: here the mean velocity, from file to file."""

from functools import partial

import numpy as np
import pytest
import xarray as xr
import zarr

import fringefleet
from fringefleet.cluster import connect
from fringefleet.errors import RunError
from fringefleet.execution.graph import block_tasks
from fringefleet.execution.job import Run
from fringefleet.execution.report import RunReport, reported
from fringefleet.execution.scheduler import execute
from fringefleet.execution.tile import BlockFunction
from fringefleet.io.store.open_result import open_result
from fringefleet.simulate import Scene, simulate_stack
from mean_velocity import Velocity, write

SHAPE, TILE = (40, 50), (16, 25)


@pytest.fixture
def result(tmp_path):
    simulate_stack(Scene(n_date=6, shape=SHAPE, missing=0.2), tmp_path / "stack.zarr")
    fringefleet.run(Run(tmp_path / "stack.zarr", tmp_path / "result.zarr", chunks=TILE))
    return tmp_path / "result.zarr"


def tasks_for(result, output, least=0.5):
    opened = open_result(result)
    dates = opened["date"].values
    years = tuple(((dates - dates[0]) / np.timedelta64(1, "D") / 365.25).tolist())
    zarr.create_array(output, shape=SHAPE, chunks=TILE, dtype="f4", fill_value=np.nan)
    data = opened[["temporal_coherence", "displacement"]]
    function = BlockFunction("velocity", Velocity(years, least))
    return block_tasks(data, TILE, function, partial(write, output), source=result), years


def check(result, output, years, least=0.5):
    whole = xr.open_zarr(result).load()
    displacement = whole["displacement"].values.reshape(len(years), -1)
    answered = np.isfinite(displacement).all(0)
    expected = np.full(displacement.shape[1], np.nan)
    expected[answered] = np.polyfit(years, displacement[:, answered].astype(float), 1)[0]
    expected[whole["temporal_coherence"].values.ravel() < least] = np.nan
    assert np.isfinite(expected).sum() > 100
    np.testing.assert_allclose(zarr.open_array(output)[:].ravel(), expected, rtol=1e-4, atol=1e-7)


def test_each_tile_is_one_task_that_reads_computes_and_writes(result, tmp_path):
    output, seen = tmp_path / "velocity.zarr", []
    tasks, years = tasks_for(result, output, least=0.9)
    assert [tile.number for tile, _ in tasks] == [(i, j) for i in range(3) for j in range(2)]
    with reported(RunReport(tmp_path / "report.json", {"n_tile": len(tasks)})) as report:
        outcome = execute(tasks, report.watch(seen.append))
    check(result, output, years, least=0.9)
    assert (outcome.numbers.n_tile, outcome.numbers.n_pixel) == (6, SHAPE[0] * SHAPE[1])
    assert outcome.numbers.status_count == ()
    assert outcome.numbers.bytes_read == 4 * 7 * SHAPE[0] * SHAPE[1]
    assert outcome.numbers.bytes_written == 4 * SHAPE[0] * SHAPE[1]
    assert all(done.report.numbers.seconds.solve > 0 for done in seen)
    totals = report.as_dict()["totals"]
    assert (totals["n_done"], totals["n_pixel"], totals["pixels"]) == (6, SHAPE[0] * SHAPE[1], {})


@pytest.mark.cluster
def test_workers_compute_it_too(result, tmp_path):
    output = tmp_path / "velocity.zarr"
    tasks, years = tasks_for(result, output)
    with connect("local", 2) as workers:
        outcome = execute(tasks)
        prefixes = workers.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
    assert outcome.numbers.n_tile == 6
    assert prefixes == ["velocity"]
    check(result, output, years)


def test_a_tile_of_a_result_that_cannot_be_read_is_named(result, tmp_path):
    chunk = result / "displacement/c/0/1/1"
    chunk.write_bytes(b"\xff" + chunk.read_bytes()[1:])
    tasks, _ = tasks_for(result, tmp_path / "velocity.zarr")
    with pytest.raises(
        RunError, match=r"tile \(1, 1\) .* failed: .*displacement of .*result.zarr cannot be read"
    ):
        execute(tasks)
