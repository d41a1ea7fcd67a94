"""Memory model of a worker and its GPU: the process, the tiles in flight in it, and their workspaces.

Tiles in flight are bounded by :mod:`fringefleet.execution.slots`: buffers that tiles are read into, results,
and tiles being solved. Memory is therefore the same for two tiles and for two thousand, and whether reading,
solving or writing is slowest. All sizes are upper bounds, and close to the actual ones for tiles of full
size.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fringefleet.engine.footprint import (
    FUSED_BATCH,
    bytes_of_input,
    bytes_per_pixel,
    cpu_batch_bytes,
    fused_bytes_per_pixel,
    is_compiled,
    solver_bytes_per_pixel,
)
from fringefleet.network.elimination_order import plan_elimination
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.products.registry import bytes_of_result
from fringefleet.solver.working_set import GAP_FILLING_BYTES

READ_AHEAD = 1  # tiles that are being read, or have been, while all turns are taken
WRITE_BEHIND = 1  # tiles that are written meanwhile
BEHIND_GPU = 2  # likewise, where a GPU solves them faster than one is compressed and written
ON_DEVICE = 2  # tiles whose observations or results a GPU holds
_IDLE_WORKER_BYTES = 410 * 1024**2  # a process that has imported everything and solved many tiny tiles
_IDLE_CLIENT_BYTES = 200 * 1024**2  # a process that computes in threads, and has no use for torch
_NUMBA_BYTES = 120 * 1024**2  # additional, with numba and its compiled code
_CUDA_BYTES = 800 * 1024**2  # additional host memory: CUDA's libraries and context
_KEPT_BY_MALLOC = 256 * 1024**2  # maximum of freed memory kept: MALLOC_TRIM_THRESHOLD_ of our own workers


@dataclass(frozen=True)
class MemoryBudget:
    """Memory that a run may use [byte]; None where unknown or unlimited.

    Attributes
    ----------
    total
        Memory of all workers together.
    worker
        Memory of each worker, whatever their number.
    gpu
        Memory of the GPU of each worker.
    """

    total: int | None = None
    worker: int | None = None
    gpu: int | None = None

    def of_worker(self, n_worker: int) -> int | None:
        """Return the memory of each of the given number of workers [byte], by both limits; None if unlimited.

        Examples
        --------
        >>> MemoryBudget(total=8, worker=3).of_worker(4), MemoryBudget(total=8, worker=3).of_worker(2)
        (2, 3)
        """
        limits = [self.worker, None if self.total is None else self.total // n_worker]
        return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True)
class ComputeResources:
    """Resources that tiles are computed with, as far as they affect memory.

    Attributes
    ----------
    n_worker
        Number of processes.
    n_thread
        Dask threads of each; on a CPU each solves a tile.
    n_core
        Threads of each that read and write chunks.
    memory
        Memory that they may use.
    chunk_bytes
        Size of the largest stored chunk in memory.
    """

    n_worker: int = 1
    n_thread: int = 1
    n_core: int = 1
    memory: MemoryBudget = MemoryBudget()
    chunk_bytes: int = 0


def bytes_of_worker(n_pixel: int, network: Network, options: Options, means: ComputeResources) -> int:
    """Return the host memory that a worker takes [byte]: itself, and tiles of the given number of pixels."""
    on_gpu = options.device != "cpu"
    n_turn = 1 if on_gpu else means.n_thread
    buffers = (n_turn + READ_AHEAD) * n_pixel * bytes_of_input(network.n_pair, options)
    answer = n_pixel * bytes_of_result(options, network.n_date)
    chunks = means.n_core * 2 * means.chunk_bytes  # as stored in the file, and unpacked
    of_batch = GAP_FILLING_BYTES + cpu_batch_bytes(n_pixel, plan_elimination(network), options)
    batches = 0 if on_gpu else n_turn * of_batch
    # In pieces of some megabytes, from malloc; some results also exist in the form stored in the file.
    behind = BEHIND_GPU if on_gpu else WRITE_BEHIND
    pieces = (n_turn + behind) * answer + n_turn * answer + batches + chunks
    process = _IDLE_WORKER_BYTES + on_gpu * _CUDA_BYTES + is_compiled(options) * _NUMBA_BYTES
    return process + buffers + pieces + min(pieces, _KEPT_BY_MALLOC)


def bytes_of_fit(
    tiles: tuple[int, int], of_input: int, n_map: int, means: ComputeResources, *, is_large: bool = False
) -> int:
    """Return the memory that a worker takes to fit functions of time to series [byte].

    Parameters
    ----------
    tiles
        Number of tiles, and of pixels of one.
    of_input
        Bytes of a pixel that are read.
    n_map
        Maps that the fit gives, in float64 while it runs.
    means
        The worker; ``n_worker`` 0: threads of this process.
    is_large
        Whether numba is imported.
    """
    (n_tile, n_pixel), n_turn = tiles, means.n_thread
    buffers = min(n_turn + READ_AHEAD, n_tile) * n_pixel * of_input
    chunks = means.n_core * 2 * means.chunk_bytes
    answers = min(n_turn + WRITE_BEHIND, n_tile) * 4 * n_pixel * n_map
    pieces = answers + n_turn * 2 * 8 * n_pixel * n_map + chunks
    process = _IDLE_WORKER_BYTES if means.n_worker else _IDLE_CLIENT_BYTES
    return process + is_large * _NUMBA_BYTES + buffers + pieces


def bytes_of_gpu(n_pixel: int, network: Network, options: Options) -> int:
    """Return the GPU memory that a worker takes for tiles of a size [byte], without that of CUDA itself."""
    plan = plan_elimination(network)
    if options.solver in ("auto", "fused"):
        n_batch, workspace = FUSED_BATCH, fused_bytes_per_pixel(plan, options)
    else:
        # It has room for the observations of two batches, which are those of the tiles here.
        n_batch = n_pixel
        workspace = solver_bytes_per_pixel(plan, options) - 2 * bytes_of_input(network.n_pair, options)
    n_batch = min(n_pixel, options.gpu_chunk_size or n_batch)
    return n_batch * workspace + n_pixel * ON_DEVICE * bytes_per_pixel(network, options)


def most_pixels(memory: float, needed: Callable[[int], int]) -> int:
    """Find the largest tile that fits into memory.

    Parameters
    ----------
    memory
        Memory available [byte].
    needed
        Function: memory that a tile with the given number of pixels needs [byte]; increases with size.

    Returns
    -------
    int
        Number of pixels; 0 if none fits.

    Examples
    --------
    >>> most_pixels(100, lambda n_pixel: 30 + 8 * n_pixel), most_pixels(20, lambda n_pixel: 30 + n_pixel)
    (8, 0)
    """
    fits, too_many = 0, 1
    while needed(too_many) <= memory:
        fits, too_many = too_many, 2 * too_many
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        fits, too_many = (middle, too_many) if needed(middle) <= memory else (fits, middle)
    return fits
