"""Resource estimate of a run before it is submitted: tiles, bytes, memory, disk and time.

Bytes are exact, memory and disk are upper bounds. Seconds come from a measurement on this machine: a tile of
the stack is read, and pixels of the same network with synthetic phases are solved and written with the same
options. They apply to workers like this machine that do not slow each other down.
"""

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from fringefleet.arguments.shapes import Shape
from fringefleet.engine.context import Block
from fringefleet.engine.solver_choice import check_solver
from fringefleet.engine.timing import StageSeconds, Stopwatch
from fringefleet.errors import DeviceError, InputError
from fringefleet.execution.check import Checked, packed_variables
from fringefleet.execution.effort import predicted_work
from fringefleet.execution.graph import result_template
from fringefleet.execution.memory_model import bytes_of_gpu, bytes_of_worker
from fringefleet.execution.overhead import Overhead
from fringefleet.execution.tile import LazyVariable
from fringefleet.execution.tiling import check_tile
from fringefleet.execution.unpack import bytes_unpacked
from fringefleet.io.store.origin import SourceChange
from fringefleet.io.store.owned import owned_folder
from fringefleet.io.store.result import ResultStore, create_result
from fringefleet.io.unpacked import groups
from fringefleet.products.registry import bytes_of_result

_CALIBRATION_SIDE = 128  # pixels; solved and written twice, the first time to warm up
_MISSING = 0.02  # of the observations: hardly any stack is complete


@dataclass(frozen=True)
class Forecast:
    """Resource estimate for the remaining tiles of a run.

    Attributes
    ----------
    n_worker
        Number of workers; 0 where threads of this process solve tiles: facts about a worker then refer to
        this process.
    n_core
        Threads of each worker that read and write.
    work_seconds
        Predicted maximum work of a core, by counting (:mod:`fringefleet.execution.effort`).
    memory_needed, memory_available
        Maximum memory of each worker, including itself, and the memory that it has, if known [byte].
    gpu_memory_needed, gpu_memory
        The same for the GPU of each worker, without what CUDA itself takes [byte]; None on a CPU, or if
        unknown.
    disk_needed, disk_free
        Maximum size of the output, and free space [byte].
    seconds
        Time of each worker; None if nothing was measured.
    overhead
        Time of the command outside the tiles; None also where workers are not on this machine, or exist
        already.
    """

    shape: Shape  # rows and columns of the scene
    n_date: int
    n_pair: int
    chunks: Shape  # rows and columns of a tile
    n_tile: int
    n_left: int
    n_worker: int
    n_thread: int  # per worker, that solve tiles
    n_core: int
    n_pixel: int  # remaining
    bytes_read: int  # in memory, regardless of packing in the file
    bytes_written: int
    memory_needed: int
    memory_available: int | None
    disk_needed: int
    disk_free: int
    work_seconds: float
    gpu_memory_needed: int | None = None
    gpu_memory: int | None = None
    seconds: StageSeconds | None = None
    overhead: Overhead | None = None
    bytes_unpacked: int = 0  # on the disk of the output, for the duration of the run

    @property
    def tiles_of_a_worker(self) -> int:
        """Number of tiles of the worker, or the thread of this process, that has most."""
        return math.ceil(self.n_left / (self.n_worker or self.n_thread))


class PerPixel(NamedTuple):
    """Seconds per pixel of each stage."""

    copy: float
    solve: float
    write: float


def forecast(checked: Checked, n_worker: int, worker_memory: int | None = None) -> Forecast:
    """Estimate the resources of a run, without reading the stack.

    Parameters
    ----------
    checked
        A run that passed :func:`fringefleet.pipeline.check`.
    n_worker
        Number of processes that compute it; 0 for threads of this one.
    worker_memory
        Memory of each of them [byte], if known.

    Raises
    ------
    BlockTooLargeError
        A tile does not fit into a worker; the message names a size that would.
    InputError
        The output does not fit on its disk.
    """
    job, network = checked.job, checked.prepared.scene.network
    stack = checked.prepared.stack
    shape = (stack.sizes["y"], stack.sizes["x"])
    n_pixel = _pixels_left(checked, shape)
    written = n_pixel * bytes_of_result(job.options, network.n_date)
    memory = replace(checked.means.memory, worker=worker_memory)
    means = replace(checked.means, n_worker=max(1, n_worker), memory=memory)
    of_tile, on_gpu = math.prod(checked.tile), job.options.device != "cpu"
    unpacked = bytes_unpacked(stack, packed_variables(checked))
    found = Forecast(
        shape=shape,
        n_date=network.n_date,
        n_pair=network.n_pair,
        chunks=checked.tile,
        n_tile=checked.n_tile,
        n_left=checked.n_left,
        n_worker=n_worker,
        n_thread=means.n_thread,
        n_core=means.n_core,
        n_pixel=n_pixel,
        bytes_read=n_pixel * _bytes_read_per_pixel(checked),
        bytes_written=written,
        memory_needed=bytes_of_worker(of_tile, network, job.options, means),
        memory_available=worker_memory,
        disk_needed=written + unpacked,
        bytes_unpacked=unpacked,
        disk_free=shutil.disk_usage(_folder_of(job.output)).free,
        work_seconds=predicted_work(checked),
        gpu_memory_needed=bytes_of_gpu(of_tile, network, job.options) if on_gpu else None,
        gpu_memory=means.memory.gpu if on_gpu else None,
    )
    check_tile(found.chunks, network, job.options, means)
    _check_disk_space(checked, found)
    return found


def with_seconds(found: Forecast, checked: Checked, per_pixel: PerPixel | None = None) -> Forecast:
    """Measure the time of the stages on this machine, and add the resulting time of each worker.

    Parameters
    ----------
    found
        Estimate without times.
    checked
        The run.
    per_pixel
        Result of :func:`seconds_per_pixel`, possibly from another process; None: measured in this one.
    """
    if not found.n_left:
        return replace(found, seconds=StageSeconds())
    n_pixel = math.prod(found.chunks)
    per_tile = [
        _seconds_to_read(checked),
        *(n_pixel * seconds for seconds in per_pixel or seconds_per_pixel(checked)),
    ]
    # Tiles at the edges are smaller.
    whole_tiles = found.tiles_of_a_worker * min(1.0, found.n_pixel / (n_pixel * found.n_left))
    return replace(found, seconds=StageSeconds(*(whole_tiles * seconds for seconds in per_tile)))


def _pixels_left(checked: Checked, shape: Shape) -> int:
    if checked.n_left == checked.n_tile:
        return math.prod(shape)
    store = ResultStore(checked.job.output, checked.tile, checked.fingerprint)
    done = store.kept(or_doubted=checked.change is SourceChange.TOUCHED)
    rows, columns = (
        np.minimum(step, size - step * np.arange(n))
        for step, size, n in zip(checked.tile, shape, done.shape, strict=True)
    )
    return int((np.outer(rows, columns) * ~done).sum())


def _bytes_read_per_pixel(checked: Checked) -> int:
    variables = checked.prepared.stack.data_vars.values()
    return sum(variable.dtype.itemsize * variable.sizes.get("pair", 1) for variable in variables)


def _check_disk_space(checked: Checked, found: Forecast) -> None:
    if found.disk_needed > found.disk_free:
        raise InputError(
            f"the output{' and the temporary unpacked copy' * bool(found.bytes_unpacked)} takes up to "
            f"{found.disk_needed:,} bytes, and the disk of "
            f"{_folder_of(checked.job.output)} has {found.disk_free:,} free. Free some space, give an output "
            "on another disk, or request less (--covariance is large)."
        )


def _folder_of(output: Path) -> Path:
    """Return the existing folder that an output is, or will be, in."""
    return next(folder for folder in output.absolute().parents if folder.is_dir())


def _seconds_to_read(checked: Checked) -> float:
    """Measure the time to read the tile in the middle of the stack."""
    stack, watch = checked.prepared.stack, Stopwatch()
    if packed := packed_variables(checked):
        return _seconds_to_unpack(stack, packed) / checked.n_left
    middle = {
        dim: slice(stack.sizes[dim] // 2 // size * size, (stack.sizes[dim] // 2 // size + 1) * size)
        for dim, size in zip(("y", "x"), checked.tile, strict=True)
    }
    n_pixel = 0
    for variable in stack.data_vars.values():
        piece = LazyVariable(variable.isel(middle).variable)
        n_pixel = math.prod(piece.shape[-2:])
        with watch.time("read"):
            piece.read()
    return watch.seconds.read * math.prod(checked.tile) / n_pixel


def _seconds_to_unpack(stack: xr.Dataset, names: Sequence[str]) -> float:
    """Extrapolate the time to unpack each variable from reading its first pairs."""
    seconds = 0.0
    for name in names:
        variable, watch = stack[name].variable, Stopwatch()
        first, last = groups(variable)[0]
        with watch.time("read"):
            LazyVariable(variable[first:last], name).read()
        seconds += watch.seconds.read * variable.shape[0] / (last - first)
    return seconds


def seconds_per_pixel(checked: Checked) -> PerPixel:
    """Solve and write synthetic pixels, and measure the time per pixel."""
    from fringefleet.engine.block import invert_block  # noqa: PLC0415 - numba, or torch

    options, scene = checked.job.options, checked.prepared.scene
    try:
        check_solver(options)
    except DeviceError as error:
        raise for_other_machines(error) from error
    rows, columns = (min(size, _CALIBRATION_SIDE) for size in checked.tile)
    block = made_up_block(checked, (rows, columns))
    with _store_for(checked, (rows, columns)) as store:
        for _ in ("warm up", "measure"):
            watch = Stopwatch()
            series = invert_block(block, scene, options, watch)
            with watch.time("write"):
                store.write_tile((0, 0), series.variables)
    seconds = watch.seconds
    n_pixel = rows * columns
    return PerPixel(seconds.copy / n_pixel, seconds.solve / n_pixel, seconds.write / n_pixel)


def for_other_machines(error: DeviceError) -> DeviceError:
    """Add advice to a device error for plans that concern another machine."""
    return DeviceError(f"{error} To plan for other machines, skip the measurement: --quick.")


@contextmanager
def _store_for(checked: Checked, tile: Shape) -> Iterator[Any]:
    """Create a result of one tile on the disk of the output, and remove it."""
    prepared = checked.prepared
    part = replace(prepared, stack=prepared.stack.isel(y=slice(tile[0]), x=slice(tile[1])))
    with owned_folder(_folder_of(checked.job.output)) as folder:
        template = result_template(part, checked.job.options, tile)
        yield create_result(template, folder / "result.zarr", checked.origin, overwrite=False)


def made_up_block(checked: Checked, shape: Shape, seed: int = 0) -> Block:
    """Make synthetic pixels for a run: a random walk, noise, gaps, and what the options need."""
    options, scene, network = checked.job.options, checked.prepared.scene, checked.prepared.scene.network
    rng = np.random.default_rng(seed)
    dates = rng.normal(0, 1, (network.n_date, *shape)).cumsum(axis=0)
    first, second = network.pair_array.T
    observed = dates[second] - dates[first] + rng.normal(0, 0.3, (network.n_pair, *shape))
    observed += np.array(scene.reference_values)[:, None, None]
    observed[rng.random(observed.shape) < _MISSING] = np.nan

    def uniform(low: float, high: float) -> NDArray[np.float32]:
        values: NDArray[np.float32] = rng.uniform(low, high, observed.shape).astype(np.float32)
        return values

    mask = None
    if options.reads_mask:
        kept = options.mask_dataset == "connected_component"
        mask = np.ones(observed.shape, np.int16) if kept else uniform(0.5, 2) * options.mask_threshold
    return Block(
        observed=observed.astype(np.float32),
        coherence=uniform(0.3, 0.95) if options.needs_coherence else None,
        mask_values=mask,
        range_sine=np.full(shape, 5e5, np.float32) if options.dem_error else None,
        observed_std=uniform(0.05, 0.5) if options.needs_std else None,
    )
