"""Cores of a process: what the system and Slurm give it, shared with the workers that have the same."""

import os
from types import SimpleNamespace

import pytest
from dask.system import CPU_COUNT

from fringefleet.processes.cores import (
    Cores,
    count_on_cores,
    find_cores,
    own_cores,
    share_of_cores,
    share_of_records,
)


def worker(n_thread=1):
    return SimpleNamespace(state=SimpleNamespace(nthreads=n_thread))


def test_a_process_has_the_cores_of_the_system():
    assert find_cores({}).number == CPU_COUNT
    assert ",".join(map(str, sorted(os.sched_getaffinity(0)))) in find_cores({}).name


@pytest.mark.parametrize("said", ["", "0", "-3", "x", str(10**6)])
def test_what_slurm_cannot_mean_is_passed_over(said):
    assert find_cores({"SLURM_CPUS_PER_TASK": said, "SLURM_CPUS_ON_NODE": said}) == find_cores({})


def test_slurm_says_how_many_cores_a_job_has_where_it_binds_it_to_none():
    """Two jobs of a node that are not bound to cores do not share theirs; workers of one job do."""
    job = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_CPUS_PER_TASK": "1"}
    assert find_cores(job).number == 1
    names = {find_cores(job | {"SLURM_JOB_ID": number}).name for number in ("7", "8", "7")}
    assert len(names) == 2
    tasks = {find_cores(job | {"SLURM_PROCID": number}).name for number in ("0", "1")}
    assert len(tasks) == 2  # of one job, each with cores of its own
    without = {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "1"}
    of_node = {find_cores(without | {"SLURM_PROCID": number}) for number in ("0", "1")}
    assert len(of_node) == 1  # they share what the job has on this node


@pytest.mark.parametrize(
    ("n_on_cores", "n_thread", "share"),
    [
        ({"a": 1}, 1, 16),
        ({"a": 4}, 1, 4),
        ({"a": 5}, 1, 3),
        ({"a": 40}, 1, 1),
        ({"a": 4}, 8, 8),  # as many as whoever started it wants to use at least
        ({"b": 2, "c": 4}, 1, 4),  # one that came later, to other cores
        ({}, 1, 1),
    ],
)
def test_workers_share_the_cores_that_they_have(n_on_cores, n_thread, share):
    assert share_of_cores(n_on_cores, worker(n_thread), Cores("a", 16)) == share


def test_a_process_that_is_no_worker_has_all_of_its_cores():
    assert share_of_cores({own_cores().name: 8}, None) == own_cores().number


def test_what_workers_say_tells_the_largest_share():
    records = [{"cores": "a", "n_core": 16}] * 4 + [{"cores": "b", "n_core": 6}]
    assert count_on_cores(records) == {"a": 4, "b": 1}
    assert share_of_records(records, 1) == 6
    assert share_of_records(records, 7) == 7
    assert share_of_records([], 2) == 2
