"""Course of a session: start workers or threads, compute, and report by callback and ``logging``."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dask

from fringefleet.cluster import ClusterOptions, connect
from fringefleet.cluster.connection import Early, expected_memory
from fringefleet.execution.effort import predicted_work
from fringefleet.execution.job import Run
from fringefleet.execution.scheduler import OnProgress, RunProgress, name_tiles
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.summary import Summary
from fringefleet.io.store.lock import locked
from fringefleet.io.store.result import holds_run
from fringefleet.option_words import Marked, mark
from fringefleet.pipeline import compute, finish, no_answer
from fringefleet.processes.preload import OPTIONS, options_of_code
from fringefleet.processes.worker_logging import tiles_named
from fringefleet.session.early import early_workers
from fringefleet.session.fitting import Session, fit_to_tiles, prepare_session, why_here
from fringefleet.session.run_file import write_session_file
from fringefleet.session.watching import check_performance_report, watched

logger = logging.getLogger(__name__)

OnBegin = Callable[[], None]
_AGAIN = mark("repeat the command with --resume")


def run_with_workers(
    job: Run,
    workers: ClusterOptions | None = None,
    on_progress: OnProgress | None = None,
    *,
    performance_report: Path | None = None,
) -> Summary:
    """Invert one stack on workers that are started for it, or on a running cluster.

    A small run for which no workers were requested is done by threads of this process.

    Parameters
    ----------
    job
        Run to execute. The number and memory of the workers are determined and need not be given.
    workers
        Worker request; None: the current client if there is one, else workers suited to this machine.
    on_progress
        Called after every finished tile; and once before, with none, when the workers are there.
    performance_report
        HTML file for Dask's record of the work, if requested; needs bokeh.

    Returns
    -------
    Summary
        Number of tiles done and skipped, and number of pixels with each status.

    Raises
    ------
    InputError
        One of its subclasses: an input cannot be used, and nothing was done.
    RunError
        Tiles failed, or the run could not continue; the message states what is kept.
    KeyboardInterrupt
        With a message that states what is kept.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from fringefleet.simulate import Scene, simulate_stack
    >>> with TemporaryDirectory() as folder:
    ...     stack, result = Path(folder, "stack.zarr"), Path(folder, "result.zarr")
    ...     _ = simulate_stack(Scene(n_date=4, shape=(8, 8)), stack)
    ...     summary = run_with_workers(Run(stack, result), ClusterOptions(n_worker=0))
    >>> summary.n_tile, sum(summary.status_count)
    (1, 64)
    """
    wanted = workers or ClusterOptions()
    check_performance_report(performance_report, wanted)
    for_workers, resumes = performance_report is not None, job.existing == "resume"
    with (
        dask.config.set({OPTIONS: options_of_code(vars(job.options))}),
        early_workers(wanted, job.stack, resumes=resumes, is_asked_for=for_workers) as early,
    ):
        session = prepare_session(job, wanted, is_asked_for=for_workers)
        return run_session(
            session,
            on_progress,
            performance_report=performance_report,
            early=early,
            on_begin=partial(write_session_file, job, wanted),
        )


def run_session(
    session: Session,
    on_progress: OnProgress | None = None,
    *,
    again: str = _AGAIN,
    performance_report: Path | None = None,
    early: Early | None = None,
    on_begin: OnBegin | None = None,
) -> Summary:
    """Complete a run, and log the outcome.

    Parameters
    ----------
    session
        The run and its workers.
    on_progress, performance_report
        As for :func:`run_with_workers`.
    again
        Advice on how to continue a run, or to retry tiles: part of a sentence.
    early
        Workers that may be starting; they are used if they fit.
    on_begin
        Called when the output is there, before the first tile.

    Raises
    ------
    RunError, KeyboardInterrupt
        As :func:`run_with_workers`.
    """
    checked = session.checked
    if checked.n_left == 0:
        finish(checked)
        logger.info("all %d tiles were done before; nothing was left to do", checked.n_tile)
        return Summary(checked.job.output, checked.n_tile, checked.n_tile)
    on_progress = on_progress or (lambda _done: None)
    try:
        if session.workers.n_worker == 0:
            if early is not None:
                early.give_up()
            summary = _compute_here(session, on_progress, on_begin)
        else:
            summary = _compute_with(session, on_progress, performance_report, early, on_begin)
    except KeyboardInterrupt:
        kept = f"Finished tiles are kept in {checked.job.output}; {again} to continue."
        is_there = holds_run(checked.job.output, checked.fingerprint)
        raise KeyboardInterrupt(
            Marked(f"interrupted. {kept if is_there else 'No tile of it is kept.'}")
        ) from None
    _report(summary, again)
    if reason := no_answer(summary, checked.job):
        logger.warning("%s", Marked(reason))
    return summary


def _compute_here(session: Session, on_progress: OnProgress, on_begin: OnBegin | None) -> Summary:
    checked = session.checked
    why = Marked("" if session.insists else why_here(predicted_work(checked)))
    logger.info("computing in threads of this process, %d at once%s", checked.means.n_thread, why)
    memory = checked.job.total_memory or expected_memory(session.workers, 0)
    with locked(checked.job.output) as lock, tiles_named():
        on_progress(RunProgress(None, TileStatistics(), checked.n_left, 0.0))
        return compute(checked, on_progress, worker_memory=memory, lock=lock, client=None, on_begin=on_begin)


def _compute_with(
    session: Session,
    on_progress: OnProgress,
    performance_report: Path | None,
    early: Early | None,
    on_begin: OnBegin | None,
) -> Summary:
    checked = session.checked
    if checked.n_worker < checked.job.n_worker:
        logger.info("memory is enough for %d of %d workers", checked.n_worker, checked.job.n_worker)
    workers = fit_to_tiles(session.workers, checked)
    connection = connect(workers) if early is None else early.connect(workers)
    started = f"starting {workers.n_worker} workers: {workers.cluster}"
    logger.info("%s", started if workers.is_started else f"connecting to {workers.cluster}")
    with (
        locked(checked.job.output) as lock,  # before waiting for workers, which may take days to come
        connection as found,
        watched(found.client, performance_report),
    ):
        on_progress(RunProgress(None, TileStatistics(), checked.n_left, 0.0))
        memory = found.worker_memory
        return compute(checked, on_progress, worker_memory=memory, lock=lock, on_begin=on_begin)


def _report(summary: Summary, again: str) -> None:
    """Log the tiles that were done before, and those that were skipped."""
    if summary.n_resumed:
        logger.info("%d of %d tiles were done before", summary.n_resumed, summary.n_tile)
    if summary.skipped:
        logger.warning(
            "%d of %d tiles were skipped: %s. They have no data and the status failed_tile; %s to retry them",
            len(summary.skipped),
            summary.n_tile,
            name_tiles(summary.skipped),
            Marked(again),
        )
