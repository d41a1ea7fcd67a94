"""Run form of the inversion: open, tile, solve, write a scene. Read this first.

:func:`run` opens a stack, cuts it into tiles, and lets the current Dask scheduler read, solve and write them,
a bounded number at a time. The lazy form, for notebooks, is :mod:`fringefleet.lazy`. Neither depends on the
kind of workers; :mod:`fringefleet.cli` starts them.
"""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from dask.system import CPU_COUNT
from distributed import Client

from fringefleet.arguments.calls import checked_call
from fringefleet.engine.solver_choice import check_solver
from fringefleet.execution import graph
from fringefleet.execution.check import Checked, check, packed_variables
from fringefleet.execution.compose import job_of
from fringefleet.execution.job import Run
from fringefleet.execution.memory_model import ComputeResources
from fringefleet.execution.output import look, open_output, open_report, warn_of_full_disk
from fringefleet.execution.progress_bar import progress_bar
from fringefleet.execution.report import reported
from fringefleet.execution.run_file import write_run_file
from fringefleet.execution.scheduler import ExecutionResult, HealthCheck, OnProgress, execute
from fringefleet.execution.stack_check import StackCheck, check_stack_at_end, write_if_unchanged
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.summary import Summary
from fringefleet.execution.tiling import check_tile
from fringefleet.execution.unpack import Unpacking, unpacked
from fringefleet.io.describe import count_status
from fringefleet.io.store.lock import Lock, locked
from fringefleet.option_words import in_words_of_python
from fringefleet.options import Options
from fringefleet.processes.clients import check_client, client_to_compute_with, warn_of_open
from fringefleet.processes.cores import count_on_cores, own_cores, share_of_records
from fringefleet.processes.main_program import end_if_reimported
from fringefleet.processes.worker_info import Record, ask_workers, sharing
from fringefleet.products.answers import describe_no_answer, named_counts
from fringefleet.status import Status

logger = logging.getLogger(__name__)


@checked_call
def run(
    stack: Run | str | Path,
    output: str | Path | OnProgress | None = None,
    *,
    progress: bool | None = None,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> Summary:
    """Invert one stack into a Zarr store on the current Dask scheduler, or on threads if there is none.

    Parameters
    ----------
    stack, output
        Stack to read, and Zarr store to write; or a :class:`Run`, which has both and all options, and after
        it ``on_progress`` if wanted.
    progress
        Whether to show a bar in a notebook or on standard error; by default with a path, not with a
        :class:`Run`.
    on_progress
        Called after every finished tile.
    **options
        Fields of :class:`Run` and of its parts :class:`Options`, :class:`Setting`, :class:`Selection` and
        :class:`FailurePolicy`, by name.

    Returns
    -------
    Summary
        Where the result is, and how many pixels have each status.

    Raises
    ------
    InputError
        One of its subclasses: an input cannot be used, and nothing was done.
    RunError
        Tiles failed, or the run could not continue; the message states what is kept. Usually finished tiles
        are, and the same run with ``existing="resume"`` continues.

    Examples
    --------
    >>> summary = run("stack.zarr", "coherent.zarr", weight_func="coh", progress=False)
    >>> summary.n_tile, summary.output.name
    (1, 'coherent.zarr')
    """
    end_if_reimported()
    if isinstance(stack, Run) and callable(output):
        output, on_progress = None, output
    job = job_of(Run, stack, output, options)
    client = client_to_compute_with()  # once, so that the check and the computation use the same
    checked = check(with_workers(job, client))
    shown = output is not None if progress is None else progress
    with progress_bar(job.output.name, on_progress, shown=shown) as show:
        summary = compute(checked, show, client=client, on_begin=partial(write_run_file, job))
    if reason := no_answer(summary, job):
        logger.warning("%s", in_words_of_python(reason))
    return summary


def with_workers(job: Run, client: Client | None) -> Run:
    """Add what is known of the existing workers, or of the threads of this process, to a run."""
    if client is None:
        n_thread = max(job.n_thread, CPU_COUNT)  # that many tiles are solved at a time, and have memory
        return replace(job, n_thread=n_thread, n_core=job.n_core or max(n_thread, own_cores().number))
    n_thread = max(client.nthreads().values(), default=job.n_thread)
    if job.options.device == "cuda" and job.gpu_memory is None:
        memory = [int(record["gpu_bytes"] or 0) for record in ask_workers(client, "cuda")]
        job = replace(job, gpu_memory=min(memory, default=None))
    return replace(job, n_thread=n_thread)


def no_answer(summary: Summary, job: Run) -> str | None:
    """Explain why no pixel of a finished run has an estimate, with marked options; None if some have one."""
    said = vars(job.options) | vars(job.setting)
    if describe_no_answer(named_counts(summary.status_count), said) is None:
        return None
    return describe_no_answer(count_status(summary.output), said)  # includes tiles that were done before


def compute(
    checked: Checked,
    on_progress: OnProgress | None = None,
    *,
    worker_memory: int | None = None,
    lock: Lock | None = None,
    client: Client | Literal["current"] | None = "current",
    on_begin: Callable[[], None] | None = None,
) -> Summary:
    """Compute the remaining tiles on the current Dask scheduler; see :func:`run`.

    Parameters
    ----------
    checked
        A run that passed :func:`check`.
    on_progress
        Called after every finished tile.
    worker_memory
        Memory of each worker [byte], if known.
    lock
        Lock of the output (:func:`fringefleet.io.store.lock.locked`), where the caller holds it already.
    client
        Client whose workers compute, where the caller has it already; None: threads of this process.
    on_begin
        Called when the output is there, before the first tile.
    """
    job, prepared, tile = checked.job, checked.prepared, checked.tile
    if client == "current":
        client = client_to_compute_with()
    n_on_cores, means = _workers_for(client, job.options, checked.means)
    means = replace(means, memory=replace(means.memory, worker=worker_memory))
    check_tile(tile, prepared.scene.network, job.options, means)
    packed = Unpacking(packed_variables(checked), job.output, job.accept_touched, n_on_cores)
    with (
        locked(job.output) if lock is None else nullcontext(lock) as lock,
        unpacked(prepared, packed, HealthCheck(lock.check), client) as prepared,
    ):
        store = open_output(checked)
        check_stack = StackCheck.of(
            checked.origin.source, accept_touched=job.accept_touched, corner=prepared.corner
        )
        tasks = graph.tile_tasks(
            prepared,
            job.options,
            tile,
            partial(write_if_unchanged, store, check_stack),
            accept_touched=job.accept_touched,
            n_on_cores=n_on_cores,
        )
        done = store.done()
        left = [(where, task) for where, task in tasks if not done[where.number]]
        logger.info("%d of %d tiles of %d x %d pixels to do", len(left), len(tasks), *tile)
        warn_of_full_disk(checked, (where for where, _ in left))
        report = open_report(checked, min(CPU_COUNT, len(left)) if client is None else None)
        if on_begin is not None:
            on_begin()
        report.add_uncounted((where for where, _ in tasks if done[where.number]), job.output)
        watch = HealthCheck(partial(look, checked, store, lock), lambda where: store.skip_tile(where.number))
        with reported(report):
            outcome = execute(left, report.watch(on_progress), job.on_failure, watch, client=client)
            check_stack_at_end(
                checked.origin.source, store, accept_touched=job.accept_touched, corner=prepared.corner
            )
            store.finish()
    for sentence in outcome.odd.sentences(prepared.scene.network).values():
        logger.warning("%s", sentence)
    return _summary(checked, outcome)


def _workers_for(
    client: Client | None, options: Options, means: ComputeResources
) -> tuple[dict[str, int], ComputeResources]:
    """Reject workers without the device; return how many share cores, and the resources of each."""
    if client is None:
        check_solver(options)  # in threads of this process
        return {}, means
    records = _check_workers(client, options)
    n_thread = max(client.nthreads().values(), default=means.n_thread)
    return count_on_cores(records), replace(
        means, n_thread=n_thread, n_core=share_of_records(records, n_thread)
    )


def _check_workers(client: Client, options: Options) -> list[Record]:
    """Reject workers without the device; two on one GPU may be intended, but are warned of."""
    check_client(client)
    warn_of_open(str(client.scheduler_info(n_workers=0)["address"]))
    records = ask_workers(client, options.device)
    for gpu, workers in sharing(records).items():
        names = ", ".join(str(worker["address"]) for worker in workers)
        logger.warning("%d workers share the GPU %s: %s", len(workers), gpu, names)
    return records


def _summary(checked: Checked, outcome: ExecutionResult) -> Summary:
    skipped = tuple(failure.tile for failure in outcome.failures)
    n_lost = sum((tile.y.stop - tile.y.start) * (tile.x.stop - tile.x.start) for tile in skipped)
    lost = tuple(n_lost if status == Status.FAILED_TILE else 0 for status in Status) if n_lost else ()
    return Summary(
        output=checked.job.output,
        n_tile=checked.n_tile,
        n_resumed=checked.n_tile - checked.n_left,
        numbers=outcome.numbers + TileStatistics(status_count=lost),
        skipped=skipped,
    )


def finish(checked: Checked) -> None:
    """Write what is known only when all tiles are done, for a run that was killed just before."""
    with locked(checked.job.output), reported(open_report(checked, 0)):
        store = open_output(checked)
        check_stack_at_end(
            checked.origin.source,
            store,
            accept_touched=checked.job.accept_touched,
            corner=checked.prepared.corner,
        )
        store.finish()
