"""Output of a run and its report: created, or opened where a run is resumed."""

import logging
from collections.abc import Iterable

from fringefleet.errors import RunError
from fringefleet.execution import graph
from fringefleet.execution.check import Checked
from fringefleet.execution.report import RunReport, report_path
from fringefleet.execution.report_reader import read_report
from fringefleet.execution.tile import Tile
from fringefleet.io.store.disk import free_disk_bytes
from fringefleet.io.store.lock import Lock
from fringefleet.io.store.origin import SourceChange
from fringefleet.io.store.pair_table import pair_table
from fringefleet.io.store.result import (
    ResultStore,
    create_result,
    resume_result,
)
from fringefleet.io.store.staging import recover_interrupted_overwrite
from fringefleet.io.store.stored_mask import forget_mask
from fringefleet.processes.versions import software_versions
from fringefleet.products.registry import bytes_of_result, wanted_variables

logger = logging.getLogger(__name__)


def open_output(checked: Checked) -> ResultStore:
    """Create the store of the result, or open the one that is resumed."""
    job, tile = checked.job, checked.tile
    recover_interrupted_overwrite(job.output)
    if job.existing == "resume" and job.output.exists():
        store, change = resume_result(
            job.output,
            tile,
            checked.origin,
            wanted_variables(job.options),
            accept_touched=job.accept_touched,
            corner=checked.prepared.corner,
        )
        store.clear()
        if change is not SourceChange.NONE:
            logger.warning("%s: %s", job.output, change.value)
            store.trust(checked.origin.source.listing, change)
        store.forget_damaged()
        if not store.done().all():
            forget_mask(job.output)
        return store
    template = graph.result_template(checked.prepared, job.options, tile)
    if job.options.diagnose:
        template = template.merge(pair_table(checked.prepared.stack))
    overwrite = job.existing == "overwrite"
    return create_result(template, job.output, checked.origin, overwrite=overwrite)


def open_report(checked: Checked, n_thread: int | None) -> RunReport:
    """Create the report of the output, or continue that of the run that is resumed."""
    job, path = checked.job, report_path(checked.job.output)
    facts = {
        "stack": job.stack,
        "output": job.output,
        "fingerprint": checked.fingerprint,
        "versions": software_versions(),
        "options": vars(job.options),
        "setting": vars(job.setting),
        "selection": job.selection.given,
        "failures": vars(job.on_failure),
        "chunks": checked.tile,
        "n_pair": checked.prepared.scene.network.n_pair,
        "n_date": checked.prepared.scene.network.n_date,
        "n_tile": checked.n_tile,
    }
    earlier = read_report(path, checked.fingerprint) if job.existing == "resume" else None
    return RunReport(path, facts, earlier, n_thread=n_thread)


def look(checked: Checked, store: ResultStore, lock: Lock) -> None:
    """Check that the run can continue: input and output still exist, and no other process writes."""
    lock.check()
    if not checked.origin.source.is_there():
        raise RunError(f"the stack {checked.origin.source.path} can no longer be accessed from this worker.")
    if not (store.path / "zarr.json").exists():
        store.check()


def warn_of_full_disk(checked: Checked, left: Iterable[Tile]) -> None:
    """Warn that the disk may become full; it is not certain, as the result is compressed."""
    n_pixel = sum((tile.y.stop - tile.y.start) * (tile.x.stop - tile.x.start) for tile in left)
    n_byte = n_pixel * bytes_of_result(checked.job.options, checked.prepared.scene.network.n_date)
    free = free_disk_bytes(checked.job.output)
    if n_byte > free:
        logger.warning(
            "the disk of %s has %s bytes free; the remaining tiles take up to %s, less depending on "
            "compression",
            checked.job.output,
            f"{free:,}",
            f"{n_byte:,}",
        )
