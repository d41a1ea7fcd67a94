"""Cores that a process may use: those that the system gives it, shared with the workers that have the same.

The system gives them by affinity, a container's quota, or Slurm, which need not bind a job to its cores and
then only says how many there are. Threads that read and write chunks are as many as the share of cores; torch
and Blosc have one thread each in them.
"""

import os
import socket
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from dask.system import CPU_COUNT
from distributed import Worker

# What Slurm says of the cores of a job on this node, and what tells apart those who share them.
_SLURM = (("SLURM_CPUS_PER_TASK", "SLURM_PROCID"), ("SLURM_CPUS_ON_NODE", "SLURM_JOB_ID"))


class Cores(NamedTuple):
    """The cores of a process; processes whose ``name`` is the same share them."""

    name: str
    number: int


@cache
def own_cores() -> Cores:
    """Find the cores of this process."""
    return find_cores(os.environ)


def find_cores(environment: Mapping[str, str]) -> Cores:
    """Find the cores of a process with such an environment.

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
    """Count the workers that have the same cores, by their records."""
    return dict(Counter(str(record["cores"]) for record in records))


def share_of_records(records: Sequence[Mapping[str, Any]], n_thread: int) -> int:
    """Count the cores that a worker may use, of those that say so of themselves; of all, the most."""
    n_on_cores = count_on_cores(records)
    shares = (int(record["n_core"]) // n_on_cores[str(record["cores"])] for record in records)
    return max(n_thread, *shares, 1)


def share_of_cores(n_on_cores: Mapping[str, int], worker: Worker | None, cores: Cores | None = None) -> int:
    """Count the cores that a process may use, beside the other workers that have the same.

    Parameters
    ----------
    n_on_cores
        Workers that have the same cores, by the name of these.
    worker
        The Dask worker that asks; None: a process that is none has all of them. One that came later than the
        others, on cores of its own, is taken to share them with as many as the others do.
    cores
        Of the process; those of this one if not given.
    """
    cores = cores or own_cores()
    if worker is None:
        return cores.number
    n_worker = n_on_cores.get(cores.name, max(n_on_cores.values(), default=cores.number))
    return max(worker.state.nthreads, cores.number // n_worker)
