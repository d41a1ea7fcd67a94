"""A worker process takes the memory and the threads that are planned, also where the disk is slow to write.

The cases that the product is measured by are in tests/benchmarks/memory.py; here are the shortest of them.
"""

import json
import os

import pytest
from distributed import Client, LocalCluster

import fringefleet
from benchmarks import memory
from fringefleet import Run
from fringefleet.simulate import Scene
from noted_threads import note_threads, noted_threads

pytestmark = pytest.mark.cluster
SCENE = Scene(n_date=20, shape=(64, 64), seed=3)


@pytest.mark.long
def test_a_slow_writer_makes_a_worker_take_no_more_memory_than_is_planned(tmp_path):
    case = memory.Case("98x288", chunks_of_tile=1, tiles=(4, 3), chunk=192, seconds_to_write=1.0)
    found = memory.measure(case, tmp_path)
    assert found["n_tile"] == 12
    assert found["seconds"] > 12 / 2  # two tiles are written at a time
    assert 0.75 <= found["peak_of_planned"] <= 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["98x475", "many"])
def test_a_worker_takes_the_memory_that_is_planned(name, tmp_path):
    assert 0.75 <= memory.measure(memory.CASES[name], tmp_path)["peak_of_planned"] <= 1


@pytest.mark.long
def test_a_worker_has_as_many_threads_as_its_share_of_cores_and_libraries_have_one_each(stack, tmp_path):
    n_core = len(os.sched_getaffinity(0))
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0")
    with cluster, Client(cluster) as client:
        client.run(note_threads)
        fringefleet.run(Run(stack, tmp_path / "result.zarr", chunks=(16, 16)))
        noted = [found for of_worker in client.run(noted_threads).values() for found in of_worker]
    assert len(noted) > 16
    share = max(1, n_core // 2)
    assert {found.pop("pool") for found in noted} <= set(range(1, share + 1))
    # One each: as Dask's nanny sets it, and as torch and Blosc are told; also while another tile is solved.
    assert {count for found in noted for count in found.values()} == {1}
    report = json.loads((tmp_path / "result.zarr.report.json").read_text())
    assert {worker["threads"] for worker in report["workers"]} == {share}
