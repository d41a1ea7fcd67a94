"""Do MintPy's step: skip it if nothing has changed, else invert, write the products, then the mask."""

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from rich.console import Console

from fringefleet.cli.console import echo, fail
from fringefleet.cli.ending import FAILED
from fringefleet.cli.products import write_products
from fringefleet.cli.tables import print_status
from fringefleet.cli.watching import progress_shown
from fringefleet.errors import BlockTooLargeError, DeviceError, OtherOriginError, OutputExistsError
from fringefleet.execution.check import Checked, check
from fringefleet.execution.graph import result_template
from fringefleet.execution.job import Run
from fringefleet.execution.report import report_path
from fringefleet.execution.scheduler import name_some
from fringefleet.execution.tile import Tile
from fringefleet.io import open_stack
from fringefleet.io.files.version import TOUCHED
from fringefleet.io.store.lock import Lock, locked
from fringefleet.io.store.open_result import open_result
from fringefleet.io.store.staging import check_free_space
from fringefleet.io.writers.mintpy import check_exportable
from fringefleet.mintpy.coherence_mask import check_reliable, write_coherence_mask
from fringefleet.mintpy.config import MaskWish, Request, Task, understand
from fringefleet.mintpy.existing import (
    product_files,
    refuse_other_date,
    wanted_products,
    without_unreferenced,
)
from fringefleet.mintpy.up_to_date import FAILED_TILES, SETTING, ProductFile, Wanted, reason_to_run
from fringefleet.session import Session, prepare_session, run_session

logger = logging.getLogger(__name__)

_AGAIN = "repeat the command"


def run(request: Request, console: Console) -> None:
    """Do the step as the command line and the template say.

    Raises
    ------
    InputError
        One of its children: something cannot be used, or another run writes the same products, and nothing
        was done.
    RunError
        A tile failed or a product could not be written; what was computed is kept for the next time.
    """
    task = understand(request)
    with locked(task.outputs[0]) as lock:  # what else is written is named after the series, or locked itself
        _run(task, lock, console)


def _run(task: Task, lock: Lock, console: Console) -> None:
    stack = without_unreferenced(task, open_stack(task.project.stack, chunks=None))
    refuse_other_date(task, stack)
    if task.mask is not None:
        check_reliable(task.mask.reliable, (stack.sizes["y"], stack.sizes["x"]))
    wanted, products = wanted_products(task, stack), product_files(task, stack)
    reason = _reason(task, products, wanted)
    skipped: tuple[Tile, ...] = ()
    if reason is None:
        names = ", ".join(path.name for path in task.outputs)
        logger.info(
            "%s: nothing has changed, so nothing is inverted (--no-update does it all the same)", names
        )
    else:
        session = _prepare(task)
        checked = session.checked
        check_exportable(result_template(checked.prepared, task.options, checked.tile))
        check_free_space(task.project.folder, _n_byte(products))
        logger.info("inverting%s", reason)
        skipped = _invert(session, console)
        lock.check()
        _export(task, wanted, skipped, lock, console)
    n_reliable = write_coherence_mask(task.outputs[1], task.mask.path, task.mask.reliable) if task.mask else 0
    for path in (
        *task.outputs,
        *([task.mask.path] if task.mask else []),
        *([task.result] * bool(task.result)),
    ):
        echo(path)
    if skipped:
        _warn_of_skipped(task, skipped)
    _judge(task.mask, n_reliable)


def _reason(task: Task, products: Sequence[ProductFile], wanted: Wanted) -> str | None:
    if not task.is_update:
        return ""
    if task.result is not None and not task.result.exists():
        return f", because {task.result} is not there"
    reason = reason_to_run(products, wanted)
    return None if reason is None else f", because {reason}"


def _n_byte(products: Sequence[ProductFile]) -> int:
    return 4 * sum(math.prod(product.shape) for product in products)


def _prepare(task: Task) -> Session:
    """Find whatever is wrong before anything is done."""
    stack, store = task.project.stack, task.store
    job = Run(
        stack,
        store,
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


def _invert(session: Session, console: Console) -> tuple[Tile, ...]:
    """Invert all tiles; return those that were skipped."""
    with progress_shown(console) as show:
        summary = run_session(session, partial(show, "Inverting"), again=_AGAIN)
    print_status(summary.status_count, session.checked.job.options.min_redundancy, console)
    return summary.skipped


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


def _export(task: Task, wanted: Wanted, skipped: tuple[Tile, ...], lock: Lock, console: Console) -> None:
    """Write the products; only then is what they were made from removed, unless there are tiles to add."""
    store, folder = task.store, task.project.folder
    series, quality, count = (path.absolute() for path in task.outputs[:3])
    with open_result(store) as result:
        write_products(
            result.assign_attrs(_said_of(task, wanted, skipped)),
            folder,
            console,
            f"The result is kept in {store}: remove the cause and repeat the command, which then only writes "
            "them.",
            lock.release,
            names=(series, quality, count),
            covariance_date=task.covariance_date,
        )
    if task.result is None and not skipped:
        shutil.rmtree(store)
        report_path(store).unlink(missing_ok=True)


def _said_of(task: Task, wanted: Wanted, skipped: tuple[Tile, ...]) -> dict[str, Any]:
    """Say in the products what MintPy's do not say, and by MintPy's word that nothing is masked.

    MintPy's own update mode compares the word, and would invert again.
    """
    unmasked = {"mask_dataset": task.unmasked} if task.options.mask_dataset is None else {}
    failed = {FAILED_TILES: name_some(skipped)} if skipped else {}
    return {SETTING: wanted.setting_text} | unmasked | failed | dict(task.idle)


def _warn_of_skipped(task: Task, skipped: tuple[Tile, ...]) -> None:
    logger.warning(
        "%s lack %d tiles, which are zero there as if nothing had moved: %s. What is done is kept in %s; "
        "%s to try them again",
        ", ".join(path.name for path in task.outputs),
        len(skipped),
        name_some(skipped),
        task.store,
        _AGAIN,
    )


def _judge(mask: MaskWish | None, n_reliable: int) -> None:
    """Say that too few pixels can be relied on for what comes next; MintPy stops there."""
    if mask is None or n_reliable >= mask.least:
        return
    message = (
        f"found {n_reliable} reliable pixels in {mask.path}, fewer than {mask.least} "
        "(mintpy.networkInversion.minNumPixel). Look for unwrapping errors at the reference point and for "
        "parts of the network that nothing ties together, or lower minTempCoh."
    )
    if mask.is_asked_for:
        raise fail(message, FAILED)
    logger.warning(message)
