"""MintPy's step ``invert_network``: skip it if nothing has changed, else invert and write the products."""

import logging
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

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
from fringefleet.execution.report import report_path
from fringefleet.execution.scheduler import Done, name_some
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.summary import Summary
from fringefleet.execution.tile import Tile
from fringefleet.io import open_stack
from fringefleet.io.files.version import TOUCHED
from fringefleet.io.store.lock import Lock, locked
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.staging import check_free_space
from fringefleet.io.writers.failures import failures_explained
from fringefleet.io.writers.mintpy import check_exportable, export_mintpy
from fringefleet.mintpy.coherence_mask import check_reliable, write_coherence_mask
from fringefleet.mintpy.config import StepOptions, Task, make_task
from fringefleet.mintpy.existing import check_covariance_date, expected_products, without_unreferenced
from fringefleet.mintpy.up_to_date import FAILED_TILES, SETTING_ATTRIBUTE, Expected, reason_to_run
from fringefleet.option_words import Marked, option
from fringefleet.options import Options
from fringefleet.session import Session, prepare_session, run_session

logger = logging.getLogger(__name__)

_AGAIN = "repeat the command"

OnStage = Callable[[str, Done], None]


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
    """

    written: tuple[Path, ...]
    options: Options
    summary: Summary | None
    n_reliable: int | None

    @property
    def skipped(self) -> tuple[Tile, ...]:
        """Tiles that failed, which are zero in the products."""
        return self.summary.skipped if self.summary else ()


def run_network_inversion(
    project: Path | str | None = None,
    template: Path | str | None = None,
    *,
    on_progress: OnStage | None = None,
    **said: Unpack[StepOptions],
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
    config
        Section of Dask's configuration of job queues, for Slurm.
    cluster_config
        TOML file with a table ``[cluster]``.
    interface, tls, wait_seconds, tls_credentials, dashboard
        As for :func:`fringefleet.connect`.
    outputs
        Other names for the series, its quality and the number of pairs.
    coherence_mask
        Write ``maskTempCoh.h5``, too; if not given, for a project.
    update
        Do nothing if the products are there and nothing has changed; if not given, for a project.
    on_error, retries
        As for :class:`fringefleet.execution.job.FailurePolicy`.
    accept_touched
        Take files of the stack whose time alone has changed for the same.
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
    >>> done = run_network_inversion("~/FernandinaSenDT128/mintpy", weight_func="var")  # doctest: +SKIP
    >>> [path.name for path in done.written]  # doctest: +SKIP
    ['timeseries.h5', 'temporalCoherence.h5', 'numInvIfgram.h5', 'maskTempCoh.h5']
    """
    task = make_task(project, template, said)
    with locked(task.outputs[0]) as lock:  # what else is written is named after the series, or locked itself
        return _do(task, lock, on_progress or (lambda _stage, _done: None))


def _do(task: Task, lock: Lock, on_progress: OnStage) -> Inverted:
    stack = without_unreferenced(task, open_stack(task.project.stack, chunks=None))
    check_covariance_date(task, stack)
    if task.mask is not None:
        check_reliable(task.mask.reliable, (stack.sizes["y"], stack.sizes["x"]))
    expected, summary = expected_products(task, stack), None
    reason = _reason(task, expected)
    if reason is None:
        names, insists = ", ".join(path.name for path in task.outputs), Marked(option("update", False))
        logger.info(
            "%s: nothing has changed, so nothing is inverted (%s does it all the same)", names, insists
        )
    else:
        session = _prepare(task)
        check_exportable(result_template(session.checked.prepared, task.options, session.checked.tile))
        check_free_space(task.project.folder, 4 * sum(math.prod(file.shape) for file in expected.products))
        logger.info("inverting%s", reason)
        summary = _invert(session, partial(on_progress, "Inverting"))
        lock.check()
        _export(task, expected, summary.skipped, partial(on_progress, "Writing"))
    return _finish(task, summary)


def _finish(task: Task, summary: Summary | None) -> Inverted:
    """Write the mask, and tell of what is not as good as it should be."""
    mask, n_reliable = task.mask, None
    if mask is not None:
        n_reliable = write_coherence_mask(task.outputs[1], mask.path, mask.reliable)
    more = [path for path in (mask and mask.path, task.result) if path]
    done = Inverted((*task.outputs, *more), task.options, summary, n_reliable)
    if done.skipped:
        logger.warning(
            "%s lack %d tiles, which are zero there as if nothing had moved: %s. What is done is kept in %s; "
            "%s to try them again",
            ", ".join(path.name for path in task.outputs),
            len(done.skipped),
            name_some(done.skipped),
            task.store,
            _AGAIN,
        )
    if mask is not None and n_reliable is not None and n_reliable < mask.least:
        message = (
            f"found {n_reliable} reliable pixels in {mask.path}, fewer than {mask.least} "
            "(mintpy.networkInversion.minNumPixel). Look for unwrapping errors at the reference point and "
            "for parts of the network that nothing ties together, or lower minTempCoh."
        )
        if mask.is_asked_for:  # MintPy stops there
            error = TooFewReliableError(message)
            error.written = done.written
            raise error
        logger.warning(message)
    return done


def _reason(task: Task, expected: Expected) -> str | None:
    if not task.is_update:
        return ""
    if task.result is not None and not task.result.exists():
        return f", because {task.result} is not there"
    reason = reason_to_run(expected)
    return None if reason is None else f", because {reason}"


def _prepare(task: Task) -> Session:
    """Find whatever is wrong before anything is done."""
    job = Run(
        task.project.stack,
        task.store,
        task.options,
        task.setting,
        total_memory=task.memory,
        on_failure=task.on_failure,
        accept_touched=task.accept_touched,
    )
    check_job = partial(_begun_or_new, task=task)
    try:
        return prepare_session(job, task.workers, is_asked_for=task.asks_for_workers, check_job=check_job)
    except DeviceError as error:
        raise DeviceError(
            "found solver = torch (--solver, or mintpy.networkInversion.solver), which solves on a CUDA GPU: "
            f"{error.marked}"
        ) from error


def _invert(session: Session, on_progress: Callable[[Done], None]) -> Summary:
    return run_session(session, on_progress, again=_AGAIN)


def _begun_or_new(job: Run, task: Task) -> Checked:
    """Go on with a run that was killed, if it was the same; begin anew otherwise."""
    if not job.output.exists():
        return check(job)
    try:
        return check(replace(job, existing="resume"))
    except (OutputExistsError, BlockTooLargeError) as error:
        if task.result is not None and isinstance(error, BlockTooLargeError):
            raise
        reason = error.reason if isinstance(error, OtherOriginError) else str(error)
        if task.result is not None:
            raise OutputExistsError(
                f"{task.result} is there and is not the result of this run ({reason}); remove it, or give "
                "another name."
            ) from None
        if isinstance(error, OtherOriginError) and error.is_touched:
            raise OutputExistsError(
                f"{job.output} is what a run before has computed, and {reason}. {TOUCHED} Otherwise remove "
                f"it."
            ) from None
        logger.warning("what a run before has computed is not used: %s", reason)
    return check(replace(job, existing="overwrite"))


def _export(
    task: Task, expected: Expected, skipped: Sequence[Tile], on_progress: Callable[[Done], None]
) -> None:
    """Write the products; only then is what they were made from removed, unless there are tiles to add."""
    store, folder = task.store, task.project.folder
    series, quality, count = (path.absolute() for path in task.outputs[:3])
    kept = f"The result is kept in {store}: remove the cause and {_AGAIN}, which then only writes them."
    with failures_explained(folder, kept), open_result(store) as result:
        export_mintpy(
            result.assign_attrs(_attributes(task, expected, skipped)),
            folder,
            names=(series, quality, count),
            covariance_date=task.covariance_date,
            progress=lambda done, total: on_progress(Done(None, TileStatistics(n_tile=done), total, 0.0)),
        )
    if task.result is None and not skipped:
        shutil.rmtree(store)
        report_path(store).unlink(missing_ok=True)


def _attributes(task: Task, expected: Expected, skipped: Sequence[Tile]) -> dict[str, Any]:
    """Say in the products what MintPy's do not say, and by MintPy's word that nothing is masked.

    MintPy's own update mode compares the word, and would invert again.
    """
    unmasked = {"mask_dataset": task.unmasked} if task.options.mask_dataset is None else {}
    failed = {FAILED_TILES: name_some(skipped)} if skipped else {}
    return {SETTING_ATTRIBUTE: expected.setting_text} | unmasked | failed | dict(task.idle)
