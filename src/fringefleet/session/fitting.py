"""Fit of a run to its workers: their number and memory, and the choice between workers and threads."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from fringefleet.cluster import (
    ClusterOptions,
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
from fringefleet.option_words import option
from fringefleet.processes.gpus import check_here


class Session(NamedTuple):
    """Checked run, and the workers that will compute it.

    Attributes
    ----------
    checked
        The run, with the number of workers that memory suffices for.
    workers
        Source of the workers; ``n_worker`` is 0 for threads of this process.
    insists
        Whether threads were requested explicitly, regardless of the amount of work.
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
        Run to fit; its facts about workers are replaced by what is known of them.
    wanted
        Worker request.
    is_asked_for
        Whether something was requested that needs workers. If not, and ``wanted`` names no workers, threads
        of this process do a small run.
    needs_device
        Whether this machine must have the device, if its workers are to compute.
    check_job
        Function that checks the run: :func:`fringefleet.execution.check.check`, or one that also chooses
        between resuming and replacing a run.

    Raises
    ------
    InputError
        One of its subclasses: an input cannot be used.
    """
    job, workers = fit_to_workers(job, wanted)
    if needs_device and workers.kind in ("local", "local-cuda"):
        check_here(job.options)
    is_asked_for = is_asked_for or wanted.is_asked_for
    return without_needless_workers(check_job(job), workers, is_asked_for=is_asked_for)


def fit_to_workers(job: Run, wanted: ClusterOptions) -> tuple[Run, ClusterOptions]:
    """Choose the workers where not requested explicitly, and add their number and resources to the run."""
    workers = resolve(replace(wanted, device=job.options.device))
    n_worker = expected_workers(workers)
    each, total = own_memory(workers), job.total_memory
    # Tiles of a given size are not made to fit: they do fit, or are rejected.
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
    """Replace workers by threads of this process for a run that these finish sooner.

    Parameters
    ----------
    checked
        The run.
    workers
        Workers that would do it, as returned by :func:`fringefleet.cluster.resolve`; 0 if not wanted.
    is_asked_for
        Whether workers, or something that needs them, were requested.
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
    """Start no more workers than there are tiles to do, and than memory suffices for.

    Each has an equal share of this machine's memory as if all requested workers came, unless a tile needs
    more: so it does not matter whether they are started before the useful number is known.
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
    """Explain why workers are unnecessary, with a marked option; empty if threads were requested explicitly.

    Parameters
    ----------
    work
        Predicted work [CPU s].
    """
    if work >= SECONDS_TO_START:
        return ""
    asked = option("n_worker", "N")
    return f": at most {work:.2g} s of work, less than a worker takes to start ({asked} starts N)"
