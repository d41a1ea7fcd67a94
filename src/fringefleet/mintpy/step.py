"""MintPy's step ``invert_network``: skip it if nothing has changed, else invert and write the products."""

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fringefleet.arguments.calls import checked_call
from fringefleet.errors import (
    BlockTooLargeError,
    DeviceError,
    OtherOriginError,
    OutputExistsError,
    TooFewReliableError,
)
from fringefleet.execution.check import Checked, check
from fringefleet.execution.graph import result_template
from fringefleet.execution.job import Run
from fringefleet.execution.prepare import without_unreferenced
from fringefleet.execution.report import report_path
from fringefleet.execution.scheduler import RunProgress, name_tiles
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.summary import Summary
from fringefleet.execution.tile import Tile
from fringefleet.io import locate_reference_point, open_stack
from fringefleet.io.files.version import TOUCHED
from fringefleet.io.store.lock import Lock, locked
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.staging import check_free_space
from fringefleet.io.writers.failures import failures_explained
from fringefleet.io.writers.mintpy import check_exportable, export_mintpy
from fringefleet.mintpy.coherence_mask import check_reliable, write_coherence_mask
from fringefleet.mintpy.config import Task, make_task
from fringefleet.mintpy.existing import expected_products
from fringefleet.mintpy.up_to_date import FAILED_TILES, SETTING_ATTRIBUTE, Expected, reason_to_run
from fringefleet.option_words import Marked, option
from fringefleet.options import Options
from fringefleet.session import Session, prepare_session, run_session

logger = logging.getLogger(__name__)

_AGAIN = "repeat the command"

OnStage = Callable[[str, RunProgress], None]


@dataclass(frozen=True)
class Inverted:
    """Outcome of MintPy's step.

    Attributes
    ----------
    written
        Files that are there now: series, quality, number of pairs; covariance, mask and result if wanted.
    options
        Of the inversion, with the template's.
    summary
        Of the inversion; None if nothing had changed, so that nothing was inverted.
    n_reliable
        Pixels in the mask of reliable ones; None without a mask.

    Examples
    --------
    >>> done = run_network_inversion("project/inputs/ifgramStack.h5", num_worker=0)
    >>> done.options.weight_func, done.summary.n_tile
    ('var', 1)
    """

    written: tuple[Path, ...]
    options: Options
    summary: Summary | None
    n_reliable: int | None

    @property
    def skipped(self) -> tuple[Tile, ...]:
        """Tiles that failed, which are zero in the products."""
        return self.summary.skipped if self.summary else ()


@checked_call
def run_network_inversion(
    project: Path | str | None = None,
    template: Path | str | None = None,
    *,
    on_progress: OnStage | None = None,
    **said: Any,
) -> Inverted:
    """Do MintPy's step ``invert_network``: the same template, options and products, in the same folder.

    What is not given is as the template says, else as MintPy has it.

    Parameters
    ----------
    project
        Folder of a MintPy project, in which the products are written; or a stack such as
        ``inputs/ifgramStack.h5``, whose products are written to the current folder. None: the folder of a
        ``smallbaselineApp.cfg`` that is given, else the current one.
    template
        MintPy template, whose values come before those of the project's ``smallbaselineApp.cfg``.
    on_progress
        Told of the stages ``Inverting`` and ``Writing``: when one begins, and after every tile.
    **said
        Any of the parameters below.

    Other Parameters
    ----------------
    observation
        Dataset to invert, by MintPy's name or ours.
    weight_func, mask_dataset, mask_threshold, min_redundancy, min_norm, covariance, device, gpu_chunk_size
        As fields of :class:`fringefleet.Options`; ``mask_dataset`` also by MintPy's name, or ``no``.
    water_mask, reference_date, skip_reference, drop_unreferenced, reference_point, wavelength, looks
        As fields of :class:`fringefleet.Setting`, the wavelength in metres; ``water_mask`` also ``no``.
    cluster
        ``local``, ``slurm``, or the address of a running Dask scheduler.
    num_worker
        Local processes, never more than cores: a number, ``all`` or a share such as ``80%``; 0 for threads of
        this process; or Slurm workers.
    ram
        Most memory of all local processes together [GB].
    config, cluster_config
        Section of Dask's configuration of job queues, for Slurm; TOML file with a table ``[cluster]``.
    interface, tls, wait_seconds, tls_credentials, dashboard
        As for :func:`fringefleet.connect`, the seconds in s.
    outputs
        Other names for the series, its quality and the number of pairs.
    coherence_mask, update
        Write ``maskTempCoh.h5``, too; do nothing if nothing has changed. If not given, both for a project.
    on_error, retries, accept_touched
        As for :class:`fringefleet.execution.job.FailurePolicy` and :class:`fringefleet.Run`.
    result
        Zarr store in which the result is kept that the products are made from.

    Returns
    -------
    Inverted
        The files written, and what came out.

    Raises
    ------
    InputError
        One of its children: something cannot be used, or another run writes the same products, and nothing
        was done.
    RunError
        A tile failed or a product could not be written; what was computed is kept for the next time. Or a
        :class:`fringefleet.errors.TooFewReliableError`, where ``coherence_mask`` is true and all was written.

    Examples
    --------
    >>> done = run_network_inversion("project", weight_func="coh", num_worker=0)
    >>> [path.name for path in done.written]
    ['timeseries.h5', 'temporalCoherence.h5', 'numInvIfgram.h5', 'maskTempCoh.h5']
    """
    task = make_task(project, template, said)
    with locked(task.outputs[0]) as lock:  # what else is written is named after the series, or locked itself
        return _do(task, lock, on_progress or (lambda _stage, _done: None))


def _do(task: Task, lock: Lock, on_progress: OnStage) -> Inverted:
    options, setting = task.job.options, task.job.setting
    stack = open_stack(task.project.stack, chunks=None)
    if setting.drop_unreferenced:
        point = locate_reference_point(stack, setting.reference_point)
        stack = without_unreferenced(stack, options.observation, point)
    if task.mask is not None:
        check_reliable(task.mask, (stack.sizes["y"], stack.sizes["x"]))
    expected, summary = expected_products(task, stack), None
    reason = _reason(task, expected)
    if reason is None:
        names, how = ", ".join(path.name for path in task.outputs), Marked(option("update", False))
        logger.info("%s: nothing has changed, so nothing is inverted (%s does it all the same)", names, how)
    else:
        session = _prepare(task)
        template = result_template(session.checked.prepared, options, session.checked.tile)
        check_exportable(template, task.covariance_date)
        check_free_space(task.project.folder, 4 * sum(math.prod(file.shape) for file in expected.products))
        logger.info("inverting%s", reason)
        summary = run_session(session, partial(on_progress, "Inverting"), again=_AGAIN)
        lock.check()
        _export(task, expected, summary.skipped, on_progress)
    return _finish(task, summary)


def _finish(task: Task, summary: Summary | None) -> Inverted:
    """Write the mask, and warn of tiles and pixels that are lacking."""
    mask, n_reliable = task.mask, None
    if mask is not None:
        n_reliable = write_coherence_mask(task.outputs[1], task.mask_path, mask)
    more = [path for path in (task.mask_path if mask else None, task.result) if path]
    done = Inverted((*task.outputs, *more), task.job.options, summary, n_reliable)
    if done.skipped:
        names = ", ".join(path.name for path in task.outputs)
        kept = f"What is done is kept in {task.job.output}; {_AGAIN} to try them again"
        zero = f"{len(done.skipped)} tiles, which are zero there as if nothing had moved"
        logger.warning("%s lack %s: %s. %s", names, zero, name_tiles(done.skipped), kept)
    if mask is not None and n_reliable is not None and n_reliable < mask.least:
        message = (
            f"found {n_reliable} reliable pixels in {task.mask_path}, fewer than {mask.least} "
            "(mintpy.networkInversion.minNumPixel). Look for unwrapping errors at the reference point and "
            "for parts of the network that nothing ties together, or lower minTempCoh."
        )
        if task.asks_for_mask:  # MintPy stops there
            error = TooFewReliableError(message)
            error.written = done.written
            raise error
        logger.warning(message)
    return done


def _reason(task: Task, expected: Expected) -> str | None:
    if not task.is_update:
        return ""
    is_lost = task.result is not None and not task.result.exists()
    reason = f"{task.result} is not there" if is_lost else reason_to_run(expected)
    return None if reason is None else f", because {reason}"


def _prepare(task: Task) -> Session:
    """Check everything before anything is done."""
    try:
        return prepare_session(task.job, task.workers, check_job=partial(_begun_or_new, task=task))
    except DeviceError as error:
        raise DeviceError(
            "found solver = torch (--solver, or mintpy.networkInversion.solver), which solves on a CUDA GPU: "
            f"{error.marked}"
        ) from error


def _begun_or_new(job: Run, task: Task) -> Checked:
    """Resume a killed run, if it was the same; begin anew otherwise."""
    if not job.output.exists():
        return check(job)
    try:
        return check(replace(job, existing="resume"))
    except (OutputExistsError, BlockTooLargeError) as error:
        if task.result is not None and isinstance(error, BlockTooLargeError):
            raise
        reason = error.reason if isinstance(error, OtherOriginError) else str(error)
        is_touched = isinstance(error, OtherOriginError) and error.is_touched
        if task.result is not None or is_touched:
            raise OutputExistsError(
                f"{job.output} is there and is not the result of this run ({reason}). "
                f"{f'{TOUCHED} Otherwise remove it' if is_touched else 'Remove it'}, or give another name."
            ) from None
        logger.warning("what a run before has computed is not used: %s", reason)
    return check(replace(job, existing="overwrite"))


def _export(task: Task, expected: Expected, skipped: Sequence[Tile], on_progress: OnStage) -> None:
    """Write the products, then remove what they were made from, unless tiles are lacking."""
    store, folder = task.job.output, task.project.folder
    series, quality, count = (path.absolute() for path in task.outputs[:3])
    kept = f"The result is kept in {store}: remove the cause and {_AGAIN}, which then only writes them."
    failed = {FAILED_TILES: name_tiles(skipped)} if skipped else {}
    with failures_explained(folder, kept), open_result(store) as result:
        export_mintpy(
            result.assign_attrs({SETTING_ATTRIBUTE: expected.setting_text} | failed | dict(task.attributes)),
            folder,
            names=(series, quality, count),
            covariance_date=task.covariance_date,
            overwrite=True,
            progress=lambda n, of: on_progress("Writing", RunProgress(None, TileStatistics(n), of, 0.0)),
        )
    if task.result is None and not skipped:
        shutil.rmtree(store)
        report_path(store).unlink(missing_ok=True)
