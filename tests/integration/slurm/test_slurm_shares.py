"""Workers of a node under Slurm share its cores, and nothing else: threads, memory, the same bytes."""

import json
from pathlib import Path

import pytest
from dask.system import CPU_COUNT

import fringefleet
from benchmarks.memory import IMPORT_TORCH
from fringefleet import Run, Setting
from fringefleet.execution.check import check
from fringefleet.execution.estimate import forecast
from fringefleet.pipeline import with_workers
from fringefleet.simulate import Scene
from integration.slurm.conftest import contents
from many_chunks import simulate_many

pytestmark = [pytest.mark.slurm, pytest.mark.cluster]
SIDE, COPIES = 64, (6, 6)
SCENE = Scene(n_date=98, neighbours=3, shape=(SIDE, SIDE), missing=0.02)


def peak():
    """Most memory that a worker has had [byte]; a function of another module would not be found there."""

    def most():
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

    return most


@pytest.mark.long
def test_two_workers_on_each_of_two_nodes_share_its_cores_and_take_what_is_planned(slurm, tmp_path):
    stack = tmp_path / "stack.zarr"
    simulate_many(SCENE, COPIES, stack)
    setting = Setting(skip_reference=True)
    job = Run(stack, tmp_path / "result.zarr", setting=setting, chunks=(SIDE, SIDE))
    options = {"poll_seconds": 1, "job_extra_directives": ["--gres=gpu:2"]}
    with fringefleet.connect("slurm", 4, interface="lo", options=options) as workers:
        workers.client.wait_for_workers(4, timeout=60)
        workers.client.run(exec, IMPORT_TORCH)
        checked = check(with_workers(job, workers.client))
        fringefleet.run(job)
        peaks = list(workers.client.run(peak()).values())
    report = json.loads((tmp_path / "result.zarr.report.json").read_text())
    # Each job has asked for two cores, as it has two workers; Slurm binds neither of them to any here.
    assert [worker["threads"] for worker in report["workers"]] == [1] * 4
    assert len({worker["cores"] for worker in report["workers"]}) == 2  # of two jobs
    assert {worker["n_core"] for worker in report["workers"]} == {min(2, CPU_COUNT)}
    planned = forecast(checked, 4).memory_needed
    assert all(0.75 <= found / planned <= 1 for found in peaks)
    local = tmp_path / "local.zarr"
    fringefleet.run(Run(stack, local, setting=setting, chunks=(SIDE, SIDE)))
    assert contents(tmp_path / "result.zarr") == contents(local)
