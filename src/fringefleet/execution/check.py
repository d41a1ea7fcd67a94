"""Check of a run before any work: its input, options and output, and the amount of work left."""

import logging
import math
from dataclasses import dataclass, replace

import xarray as xr

from fringefleet.arguments.kinds import check_kind
from fringefleet.arguments.shapes import Pixel, Shape
from fringefleet.execution.facts import origin_of
from fringefleet.execution.job import Run
from fringefleet.execution.means import CoherenceMeans, check_coherence, coherence_means, needs_means
from fringefleet.execution.memory_model import ComputeResources, MemoryBudget, bytes_of_worker
from fringefleet.execution.prepare import Prepared, prepare
from fringefleet.execution.tiling import check_tile, choose_tile, count_workers, is_common_tile
from fringefleet.io import open_stack
from fringefleet.io.stack import largest_chunk, pair_folders, read_step, source_version
from fringefleet.io.store.origin import Origin, SourceChange
from fringefleet.io.store.output_names import check_output_name
from fringefleet.io.store.place import check_apart
from fringefleet.io.store.result import (
    result_tile,
    resume_result,
)
from fringefleet.io.store.usable import check_output_usable
from fringefleet.io.unpacked import cut_apart
from fringefleet.processes.cores import own_cores
from fringefleet.products.registry import wanted_variables

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checked:
    """Run whose input, options and output are valid; nothing has been written yet."""

    job: Run
    prepared: Prepared
    tile: Shape  # rows and columns
    origin: Origin  # everything that the result depends on
    fingerprint: str  # of the run that began the result
    change: SourceChange  # of the files of the stack since the run that is resumed
    n_tile: int
    n_left: int  # tiles that are not done
    means: ComputeResources  # for as many workers as memory allows; at most those requested

    @property
    def n_worker(self) -> int:
        """Number of workers that memory suffices for."""
        return self.means.n_worker

    @property
    def memory_needed(self) -> int:
        """Maximum memory of a worker [byte], even if it is the only one."""
        means = replace(self.means, n_core=max(self.means.n_core, own_cores().number))
        return bytes_of_worker(math.prod(self.tile), self.prepared.scene.network, self.job.options, means)


def check(job: Run) -> Checked:
    """Check a run and determine the amount of work left, before anything is done.

    Raises
    ------
    InputError
        As for :func:`run`.
    """
    check_kind("job", job, Run)
    _check_output_path(job)
    stack = open_stack(job.stack, chunks=None, reader=job.reader, drop_incomplete=job.drop_incomplete)
    check_apart(job.output, job.stack, pair_folders(stack))
    coherence = _means_of_coherence(job, stack) if needs_means(job) else None
    prepared = prepare(stack, job.options, job.setting, job.selection, coherence)
    if job.chunks is not None:
        check_tile(job.chunks, prepared.scene.network, job.options, ComputeResources())
    check_output_usable(job.output, job.existing)  # after the options, whose errors take precedence
    begun = job.existing == "resume" and job.output.exists()
    tile = _fitting_tile(job, prepared, job.chunks or (result_tile(job.output) if begun else None))
    shape = prepared.stack.sizes["y"], prepared.stack.sizes["x"]
    network, means = prepared.scene.network, _resources(job, prepared)
    n_tile = math.ceil(shape[0] / tile[0]) * math.ceil(shape[1] / tile[1])
    origin = origin_of(prepared, job.options, tile, source_version(stack))
    n_done, fingerprint, change = 0, origin.fingerprint, SourceChange.NONE
    if begun:
        n_done, fingerprint, change = _found(job, tile, origin, prepared.corner)
    n_worker = count_workers(tile[0] * tile[1], network, job.options, means)
    means = replace(means, n_worker=n_worker)
    return Checked(job, prepared, tile, origin, fingerprint, change, n_tile, n_tile - n_done, means)


def _means_of_coherence(job: Run, stack: xr.Dataset) -> CoherenceMeans:
    """Read or compute means of the coherence, when all else has been found good."""
    check_coherence(job, stack)
    setting = job.setting
    if setting.reference == "auto":  # what depends on the point is looked at when there is one
        setting = replace(
            setting, reference="stack", reference_window=1, drop_unreferenced=False, skip_reference=True
        )
    prepared = prepare(stack, job.options, setting, replace(job.selection, min_coherence=None))
    check_output_usable(job.output, job.existing)
    if job.selection.min_coherence is None:  # with fewer pairs a tile may fit
        _fitting_tile(job, prepared, job.chunks)
    return coherence_means(job, stack)


def packed_variables(checked: Checked) -> tuple[str, ...]:
    """Return the names of the variables to unpack beforehand, if any tiles are left."""
    if not checked.n_left:
        return ()
    return tuple(cut_apart(checked.prepared.stack, checked.tile, small_ones=checked.job.chunks is None))


def _resources(job: Run, prepared: Prepared) -> ComputeResources:
    """Return the resources for tiles, as far as known before the workers are there."""
    n_core = job.n_core or max(job.n_thread, own_cores().number // job.n_worker)
    return ComputeResources(
        n_worker=job.n_worker,
        n_thread=job.n_thread,
        n_core=n_core,
        memory=MemoryBudget(job.total_memory, job.worker_memory, job.gpu_memory),
        chunk_bytes=largest_chunk(prepared.stack),
    )


def _fitting_tile(job: Run, prepared: Prepared, tile: Shape | None) -> Shape:
    """Choose a tile, unless one is given, and check that it fits into the memory."""
    shape = prepared.stack.sizes["y"], prepared.stack.sizes["x"]
    network, means = prepared.scene.network, _resources(job, prepared)
    if tile is None:
        tile = _choose_tile(job, prepared, shape, means)
    check_tile(tile, network, job.options, ComputeResources())
    tile = min(tile[0], shape[0]), min(tile[1], shape[1])
    check_tile(tile, network, job.options, means)
    return tile


def _choose_tile(job: Run, prepared: Prepared, shape: Shape, means: ComputeResources) -> Shape:
    """Choose a tile that cuts no packed chunk, if possible; whole rows, if all chunks are cut anyway."""
    network, stack = prepared.scene.network, prepared.stack

    def choose(stored: Shape | None) -> Shape:
        return choose_tile(shape, stored, network, job.options, means)

    step = read_step(stack)
    tile = choose(step)
    if step is None or not cut_apart(stack, tile, small_ones=True):
        return tile
    whole = min(max(step[0], tile[0]), shape[0]), min(max(step[1], tile[1]), shape[1])
    means = replace(means, memory=replace(means.memory, worker=means.memory.of_worker(job.n_worker)))
    return whole if is_common_tile(whole, network, job.options, means) else choose((1, shape[1]))


def _check_output_path(job: Run) -> None:
    """Check the path of an output, whether or not it exists."""
    check_output_name(job.output, "Zarr", "result.zarr")
    check_apart(job.output, job.stack)


def _found(job: Run, tile: Shape, origin: Origin, corner: Pixel) -> tuple[int, str, SourceChange]:
    """Count the finished tiles that are kept; return whose they are, and how the stack changed since."""
    names = wanted_variables(job.options)
    store, change = resume_result(
        job.output, tile, origin, names, accept_touched=job.accept_touched, corner=corner
    )
    return int(store.kept(or_doubted=change is SourceChange.TOUCHED).sum()), store.fingerprint, change
