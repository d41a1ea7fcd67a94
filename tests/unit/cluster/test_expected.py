"""What is known of workers before they are there: threads, and the memory of their GPUs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dask.system import CPU_COUNT

from fringefleet.cluster import ClusterOptions
from fringefleet.cluster.connection import expect_workers

PRETEND = Path(__file__).resolve().parents[2] / "pretend_gpus"


def threads(options):
    found = expect_workers(options)
    return found.n_thread, found.n_core


@pytest.mark.parametrize("n_worker", [1, 2, CPU_COUNT, 10 * CPU_COUNT])
def test_local_workers_share_the_cores_of_this_machine(n_worker):
    options = ClusterOptions("local", n_worker)
    assert threads(options) == (1, max(1, CPU_COUNT // n_worker))
    several = ClusterOptions("local", n_worker, options={"threads_per_worker": 3})
    assert threads(several) == (3, max(3, CPU_COUNT // n_worker))


@pytest.mark.parametrize(
    ("options", "n_core"),
    [({}, 1), ({"cores": 16}, 16), ({"cores": 16, "processes": 4}, 4), ({"processes": 3}, 1)],
)
def test_slurm_workers_share_the_cores_of_a_job(options, n_core):
    pytest.importorskip("dask_jobqueue")
    assert threads(ClusterOptions("slurm", 4, options=options)) == (n_core, n_core)


def test_nobody_knows_the_cores_of_a_running_cluster():
    assert threads(ClusterOptions("tcp://h:1")) == (1, None)


@pytest.mark.parametrize(("n_gpu", "memory"), [(2, 16 << 30), (0, None)])
def test_the_driver_says_what_memory_a_gpu_has(n_gpu, memory):
    """Of a machine that pretends to have GPUs; CUDA is not asked, which would take memory of one."""
    script = (
        "from fringefleet.cluster import ClusterOptions\n"
        "from fringefleet.cluster.connection import expect_workers\n"
        "options = (ClusterOptions(kind, device='cuda') for kind in ('local', 'slurm'))\n"
        "print(*(expect_workers(each).gpu_memory for each in options))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(PRETEND), "PRETEND_GPUS": str(n_gpu)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [str(memory), "None"]
