"""Inversion by threads of this process: when there are no workers, and how it is run then."""

import logging
from dataclasses import replace

from rich.console import Console

from fringefleet.cli.progress import show_progress
from fringefleet.cli.watching import showing
from fringefleet.cluster import ClusterOptions, expected_memory
from fringefleet.effort import SECONDS_TO_START, in_threads, needs_no_workers, predicted_work
from fringefleet.io.lock import locked
from fringefleet.pipeline import Checked, Summary, compute
from fringefleet.worker_log import tiles_named

logger = logging.getLogger(__name__)


def without_needless_workers(
    checked: Checked, workers: ClusterOptions, *, is_asked_for: bool
) -> tuple[Checked, ClusterOptions]:
    """Let threads of this process do a run that workers would do later.

    Parameters
    ----------
    checked
        The run.
    workers
        Those that would do it, as :func:`fringefleet.cluster.resolve` gives them; 0 if none are wanted.
    is_asked_for
        Whether somebody has asked for workers, or for what only they have.

    Returns
    -------
    tuple
        The run and the workers as they are, or the run for threads of this process and 0 workers.
    """
    if workers.n_worker == 0:
        return in_threads(checked), workers
    if is_asked_for or workers.kind != "local":
        return checked, workers
    memory = checked.job.memory_limit or expected_memory(workers, 1)
    if memory is None or not needs_no_workers(checked, memory):
        return checked, workers
    return in_threads(checked), replace(workers, n_worker=0)


def compute_here(checked: Checked, workers: ClusterOptions, console: Console) -> Summary:
    """Do what is left of a run in threads of this process."""
    logger.info(
        "computing in %d threads of this process%s", checked.means.n_thread, why_here(predicted_work(checked))
    )
    with (
        locked(checked.job.output) as lock,
        tiles_named(),
        show_progress(console, "Inverting") as report,
    ):
        memory = checked.job.memory_limit or expected_memory(workers, 0)
        return compute(checked, showing(report), memory_limit=memory, lock=lock, client=None)


def why_here(work: float) -> str:
    """Say what makes workers needless, to follow what is said of threads; nothing where somebody insists.

    Parameters
    ----------
    work
        Predicted [CPU s].
    """
    if work >= SECONDS_TO_START:
        return ""
    return f": at most {work:.2g} s of work, less than a worker takes to start (--workers N starts N)"
