"""Cores that a process may use: those that the system assigns, shared with workers that have the same.

The system assigns them by affinity, a container's quota, or Slurm, which need not bind a job to its cores and
then only states their number. The number of threads that read and write chunks is the share of cores; torch
and Blosc use one thread each within them.
"""

import os
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from dask.system import CPU_COUNT
from distributed import Worker

# Slurm's number of cores of a job on this node, and the variables that identify those who share them.
_SLURM = (("SLURM_CPUS_PER_TASK", "SLURM_PROCID"), ("SLURM_CPUS_ON_NODE", "SLURM_JOB_ID"))


class Cores(NamedTuple):
    """Cores of a process; processes with the same ``name`` share them."""

    name: str
    number: int


@cache
def own_cores() -> Cores:
    """Find the cores of this process."""
    return find_cores(os.environ)


def find_cores(environment: Mapping[str, str]) -> Cores:
    """Find the cores of a process with the given environment.

    Examples
    --------
    >>> job = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_CPUS_PER_TASK": "1"}
    >>> find_cores(job).number, find_cores(job | {"SLURM_JOB_ID": "8"}).name == find_cores(job).name
    (1, False)
    """
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(CPU_COUNT)
    name = f"{socket.gethostname()}: {','.join(map(str, affinity))}"
    for variable, who in _SLURM:
        said = environment.get(variable, "")
        if said.isdecimal() and 1 <= int(said) <= CPU_COUNT:
            job = f"{environment.get('SLURM_JOB_ID')}.{environment.get(who)}"
            return Cores(f"{name}, job {job}", int(said))
    return Cores(name, CPU_COUNT)


def count_on_cores(records: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Count the workers on the same cores, by their records."""
    return dict(Counter(str(record["cores"]) for record in records))


def share_of_records(records: Sequence[Mapping[str, Any]], n_thread: int) -> int:
    """Count the cores that a worker may use, as the records state it; the maximum over all."""
    n_on_cores = count_on_cores(records)
    shares = (int(record["n_core"]) // n_on_cores[str(record["cores"])] for record in records)
    return max(n_thread, *shares, 1)


def share_of_cores(n_on_cores: Mapping[str, int], worker: Worker | None, cores: Cores | None = None) -> int:
    """Count the cores that a process may use, next to other workers that have the same.

    Parameters
    ----------
    n_on_cores
        Number of workers by name of their cores.
    worker
        Dask worker that asks; None: a process that is not a worker has all of them. A worker that came later
        than the others, on cores of its own, is assumed to share them with as many as the others do.
    cores
        Cores of the process; by default those of this one.
    """
    cores = cores or own_cores()
    if worker is None:
        return cores.number
    n_worker = n_on_cores.get(cores.name, max(n_on_cores.values(), default=cores.number))
    return max(worker.state.nthreads, cores.number // n_worker)
