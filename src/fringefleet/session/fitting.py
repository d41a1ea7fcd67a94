"""Fit of a run to its workers: their number and memory, and the choice between workers and threads."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple

from fringefleet.cluster import (
    ClusterOptions,
    connect,
    expected_gpu_memory,
    expected_memory,
    expected_threads,
    expected_workers,
    own_memory,
    resolve,
)
from fringefleet.execution.check import Checked, check
from fringefleet.execution.effort import SECONDS_TO_START, in_threads, needs_no_workers
from fringefleet.execution.job import Run
from fringefleet.execution.means import are_kept, needs_means
from fringefleet.option_words import option
from fringefleet.processes.gpus import check_here


class Session(NamedTuple):
    """A run that has been checked, and the workers that will do it.

    Attributes
    ----------
    checked
        The run, with the number of workers that its memory is enough for.
    workers
        Where they come from; ``n_worker`` is 0 for threads of this process.
    insists
        Whether threads are what was asked for, however much work there is.
    """

    checked: Checked
    workers: ClusterOptions
    insists: bool = False


def prepare_session(
    job: Run,
    wanted: ClusterOptions,
    *,
    is_asked_for: bool = False,
    needs_device: bool = True,
    check_job: Callable[[Run], Checked] = check,
) -> Session:
    """Fit a run to its workers and check it, before anything is started or written.

    Parameters
    ----------
    job
        The run; what it says of workers is replaced by what is known of them.
    wanted
        Which workers.
    is_asked_for
        Whether something is wanted that only workers have. Where it is not, and ``wanted`` names no workers,
        threads of this process do what is little work.
    needs_device
        Whether this machine must have the device, if its workers are to compute.
    check_job
        Checks the run: :func:`fringefleet.execution.check.check`, or what chooses between resuming a run and
        replacing it.

    Raises
    ------
    InputError
        One of its children: something cannot be used.
    """
    job, workers = fit_to_workers(job, wanted)
    if needs_device and workers.kind in ("local", "local-cuda"):
        check_here(job.options)
    is_asked_for = is_asked_for or wanted.is_asked_for
    with _workers_for_means(job, workers):
        checked = check_job(job)
    return without_needless_workers(checked, workers, is_asked_for=is_asked_for)


def _workers_for_means(job: Run, workers: ClusterOptions) -> AbstractContextManager[Any]:
    """Have workers on other machines for what is read before a run can be checked, if anything is.

    Those of this machine would be no quicker than its threads.
    """
    is_here = workers.n_worker == 0 or workers.kind in ("local", "local-cuda")
    if is_here or not needs_means(job) or are_kept(job):
        return nullcontext()
    return connect(workers)


def fit_to_workers(job: Run, wanted: ClusterOptions) -> tuple[Run, ClusterOptions]:
    """Choose the workers where nothing was said, and tell the run how many they are and what they have."""
    workers = resolve(replace(wanted, device=job.options.device))
    n_worker = expected_workers(workers)
    each, total = own_memory(workers), job.total_memory
    # Tiles of a given size are not made to fit: they do, or are refused.
    if total is None and each is None and job.chunks is None:
        total = expected_memory(workers, 1)
    n_thread, n_core = expected_threads(workers, n_worker)
    job = replace(
        job,
        stack=job.stack.absolute(),
        output=job.output.absolute(),
        n_worker=max(1, n_worker),
        total_memory=total,
        worker_memory=each,
        n_thread=n_thread,
        n_core=n_core,
        gpu_memory=expected_gpu_memory(workers),
    )
    return job, workers


def without_needless_workers(checked: Checked, workers: ClusterOptions, *, is_asked_for: bool) -> Session:
    """Let threads of this process do a run that workers would do later.

    Parameters
    ----------
    checked
        The run.
    workers
        Those that would do it, as :func:`fringefleet.cluster.resolve` gives them; 0 if none are wanted.
    is_asked_for
        Whether somebody has asked for workers, or for what only they have.
    """
    if workers.n_worker == 0:
        return Session(in_threads(checked), workers, insists=True)
    if is_asked_for or workers.kind != "local":
        return Session(checked, workers)
    memory = checked.job.total_memory or expected_memory(workers, 1)
    if memory is None or not needs_no_workers(checked, memory):
        return Session(checked, workers)
    return Session(in_threads(checked), replace(workers, n_worker=0))


def fit_to_tiles(workers: ClusterOptions, checked: Checked) -> ClusterOptions:
    """Start no more workers than there are tiles to do, and than memory is enough for.

    Each has an equal share of this machine's memory as if all that were asked for came, unless a tile takes
    more: so it makes no difference whether they are on their way before it is known how many are of use.
    """
    if not workers.is_started:
        return workers
    n_worker = max(1, min(checked.n_worker, checked.n_left))
    if workers.kind == "slurm":
        return replace(workers, n_worker=n_worker)
    share = expected_memory(workers, checked.job.n_worker)
    if share is not None and checked.memory_needed > share:
        share = expected_memory(workers, n_worker)
    return replace(workers, n_worker=n_worker, worker_memory=share)


def why_here(work: float) -> str:
    """Say what makes workers needless, with a marked option; nothing where somebody insists on threads.

    Parameters
    ----------
    work
        Predicted [CPU s].
    """
    if work >= SECONDS_TO_START:
        return ""
    asked = option("n_worker", "N")
    return f": at most {work:.2g} s of work, less than a worker takes to start ({asked} starts N)"
