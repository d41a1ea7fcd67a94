"""Many tiles and many workers: nothing grows with the tiles, and workers that come all work.

What it costs is measured by tests/benchmarks/scale.py.
"""

import json
from collections import Counter

import psutil
import pytest
from distributed import Client

import fringefleet
from fringefleet import Options, Setting
from fringefleet.cluster import connect
from fringefleet.execution.graph import tile_tasks
from fringefleet.execution.prepare import prepare
from fringefleet.execution.report import RunReport
from fringefleet.execution.scheduler import execute
from fringefleet.simulate import Scene, simulate_stack
from polling import wait_until
from thread_workers import thread_cluster

pytestmark = pytest.mark.cluster


@pytest.fixture
def tiny_tasks(tmp_path):
    """Make the tasks of a scene of so many rows and columns, each pixel a tile."""

    def make(*shape):
        path = tmp_path / "stack.zarr"
        simulate_stack(Scene(n_date=4, shape=shape), path)
        prepared = prepare(fringefleet.open_stack(path, chunks=None), Options(), Setting())
        return tile_tasks(prepared, Options(), (1, 1), lambda *_: None)

    return make


def count_tasks(dask_scheduler):
    return len(dask_scheduler.tasks)


@pytest.mark.long
def test_many_tiles_are_one_task_each_and_take_no_memory(tiny_tasks, tmp_path):
    n_tile, used = 30 * 40, []
    tasks = tiny_tasks(30, 40)
    report = RunReport(tmp_path / "report.json", {"n_tile": n_tile, "fingerprint": ""})
    process = psutil.Process()

    def note(done):
        if done.n_done % 240 == 0:
            used.append(process.memory_info().rss)

    with connect("local", 2) as workers:
        outcome = execute(tasks, report.watch(note))
        prefixes = workers.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.task_prefixes))
        wait_until(lambda: workers.client.run_on_scheduler(count_tasks) == 0, 30)  # all are released
    report.close("finished")
    assert (outcome.numbers.n_tile, outcome.failures) == (n_tile, [])
    assert sum(outcome.numbers.status_count) == n_tile
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["totals"]["n_done"] == found["totals"]["n_pixel"] == n_tile
    assert {tile["pid"] for tile in found["tiles"]} == {worker["pid"] for worker in found["workers"]}
    assert len(found["workers"]) == 2
    assert prefixes == ["invert_tile"]  # nothing of the stack is a task
    print(f"memory by fifths: {[round(value / 1e6, 1) for value in used]} MB")  # noqa: T201
    # From the first fifth on. A record in the report is a kilobyte or two, and the system gives by megabytes.
    assert used[-1] - used[0] < (n_tile - 240) * 16_000


@pytest.mark.long
def test_more_workers_than_other_tools_stand_come_and_work(tiny_tasks):
    n_worker, tiles = 24, Counter()
    tasks = tiny_tasks(20, n_worker)
    with thread_cluster(n_worker) as cluster, Client(cluster) as client:
        assert len(client.nthreads()) == n_worker
        outcome = execute(tasks, lambda done: tiles.update([done.report.worker["address"]]))
        assert set(tiles) <= set(client.nthreads())
    assert len(tiles) > 17
    assert (outcome.numbers.n_tile, outcome.failures) == (len(tasks), [])
    assert sum(tiles.values()) == len(tasks)
