"""Choice between workers and threads of this process, as the commands make it and tell of it."""

from dataclasses import replace

from fringefleet.cluster import ClusterOptions, expected_memory
from fringefleet.execution.check import Checked
from fringefleet.execution.effort import SECONDS_TO_START, in_threads, needs_no_workers


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
    memory = checked.job.total_memory or expected_memory(workers, 1)
    if memory is None or not needs_no_workers(checked, memory):
        return checked, workers
    return in_threads(checked), replace(workers, n_worker=0)


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
