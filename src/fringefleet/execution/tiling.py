"""Choice of the tile size: integer arithmetic on the memory model of a worker.

A tile is what one task reads, solves and writes. Larger tiles mean fewer tasks and more efficient reading,
smaller ones less memory and a better distribution of work. Tiles follow the stored chunks of the stack,
because a tile that cuts through them makes its neighbours read them again.
"""

import math
from functools import partial

from fringefleet.arguments.shapes import Shape
from fringefleet.engine.footprint import FUSED_BATCH, bytes_per_pixel
from fringefleet.errors import BlockTooLargeError, OptionError
from fringefleet.execution.memory_model import ComputeResources, bytes_of_gpu, bytes_of_worker, most_pixels
from fringefleet.io.chunking import fit_tile
from fringefleet.network.network import Network
from fringefleet.option_words import option
from fringefleet.options import Options
from fringefleet.products.registry import wanted_variables

TILE_BYTES = 160 * 1024**2  # read and written for a tile on a CPU
LARGEST_TILE = 512 * 512  # pixels; larger tiles are no faster and delay the progress display
SMALLEST_TILE = 64 * 64  # pixels; minimum for a worker to be useful
# Minimum number of tiles per worker, on a CPU per thread, where the scene is large enough: with fewer
# on a GPU there is hardly one to be read and one to be written while another is solved.
_TILES_OF_A_WORKER = {"cpu": 2, "cuda": 4}
_LARGEST_CHUNK = 2**31 - 2**16  # [byte] that Blosc can compress
GPU_SHARE = 0.8  # of a GPU's memory; the rest is for CUDA and other programs


def choose_tile(
    shape: Shape,
    stored: Shape | None,
    network: Network,
    options: Options,
    means: ComputeResources = ComputeResources(),  # noqa: B008 - frozen
) -> Shape:
    """Choose rows and columns of a tile.

    On a CPU a tile has the size that is fastest. On a GPU it fills a launch of the solver, which is many
    times larger, as far as the scene provides several of them for each worker, and the memory of host and GPU
    allows.

    Parameters
    ----------
    shape
        Rows and columns of the scene.
    stored
        Rows and columns of a stored chunk; None if there is none.
    network, options
        Determine the bytes per pixel, and ``gpu_chunk_size`` the number that a GPU solves at once.
    means
        Workers, among which a small scene is divided, and their memory. Where all of them share a limited
        amount, tiles are smaller, and then workers fewer.

    Raises
    ------
    BlockTooLargeError
        Not even one small tile fits into memory.

    Examples
    --------
    >>> days = ("2018-01-06T00:00:00", "2018-01-18T00:00:00")
    >>> choose_tile((1000, 1000), (128, 128), Network(days, ((0, 1),)), Options())
    (512, 512)
    """
    smallest = min(SMALLEST_TILE, shape[0] * shape[1])
    n_worker = count_workers(smallest, network, options, means)
    n_turn = n_worker * (means.n_thread if options.device == "cpu" else 1)  # tiles that are solved at a time
    share = shape[0] * shape[1] / (_TILES_OF_A_WORKER[options.device] * n_turn)
    n_pixel = min(_wanted(network, options, means), max(share, SMALLEST_TILE))
    limit = means.memory.of_worker(n_worker)
    if limit is not None:
        n_pixel = min(n_pixel, max(smallest, _most_of_host(limit, network, options, means)))
    return fit_tile(shape, stored, n_pixel)


def _wanted(network: Network, options: Options, means: ComputeResources) -> float:
    """Return the pixels of a tile where the scene is large, and its memory not limited."""
    if options.device == "cpu":
        return min(TILE_BYTES / bytes_per_pixel(network, options), LARGEST_TILE)
    n_pixel = min(max(FUSED_BATCH, options.gpu_chunk_size), _most_of_codec(network, options))
    if means.memory.gpu is None:
        return n_pixel
    fits = most_pixels(GPU_SHARE * means.memory.gpu, partial(bytes_of_gpu, network=network, options=options))
    return min(n_pixel, max(1, fits))


def is_common_tile(tile: Shape, network: Network, options: Options, means: ComputeResources) -> bool:
    """Return whether a tile is no larger than those chosen for large scenes, and fits into a worker.

    Parameters
    ----------
    tile
        Rows and columns.
    network, options
        Determine the bytes per pixel.
    means
        Resources for tiles, with the memory of each worker if limited.
    """
    n_pixel, memory = tile[0] * tile[1], means.memory.worker
    fits = memory is None or bytes_of_worker(n_pixel, network, options, means) <= memory
    return fits and n_pixel <= _wanted(network, options, means)


def count_workers(n_pixel: int, network: Network, options: Options, means: ComputeResources) -> int:
    """Return how many workers can share a memory so that each can hold its tiles.

    Parameters
    ----------
    n_pixel
        Pixels of a tile.
    network, options
        Determine the bytes per pixel.
    means
        Number of workers requested, which is the maximum; and their total memory, if limited.

    Raises
    ------
    BlockTooLargeError
        Not even one worker can; the message states how much it needs.
    """
    if means.memory.total is None:
        return means.n_worker
    needed = bytes_of_worker(n_pixel, network, options, means)
    if needed > means.memory.total:
        raise BlockTooLargeError(
            f"found a limit of {means.memory.total:,} bytes of memory; one worker with tiles of {n_pixel:,} "
            f"pixels needs about {needed:,}. Allow {_gigabytes(needed)} GB or more."
        )
    return min(means.n_worker, means.memory.total // needed)


def check_tile(tile: Shape, network: Network, options: Options, means: ComputeResources) -> None:
    """Reject tiles that are invalid, or that one worker cannot hold.

    Raises
    ------
    OptionError
        A side below 1.
    BlockTooLargeError
        The tiles need more than the ``worker_memory``; the message names a size that fits, if any.
    """
    if min(tile) < 1:
        raise OptionError(f"found {option('chunks', tile)}; give rows and columns of 1 or more.")
    if tile[0] * tile[1] > (most := _most_of_codec(network, options)):
        side = math.isqrt(most)
        raise BlockTooLargeError(
            f"found tiles of {tile[0]} x {tile[1]} pixels; a chunk of a result has at most "
            f"{_LARGEST_CHUNK:,} bytes, which are {most:,} pixels of its largest variable. Give --chunks "
            f"{side} {side} or less."
        )
    if means.memory.worker is None:
        return
    needed = bytes_of_worker(tile[0] * tile[1], network, options, means)
    if needed > means.memory.worker:
        side = math.isqrt(_most_of_host(means.memory.worker, network, options, means))
        smaller = f"Give --chunks {side} {side} or less, or" if side else "No tile is small enough: give"
        raise BlockTooLargeError(
            f"a worker with tiles of {tile[0]} x {tile[1]} pixels needs about {needed:,} bytes, and has "
            f"{means.memory.worker:,}. {smaller} each worker {_gigabytes(needed)} GB (--worker-memory; fewer "
            "--workers where they share a machine)."
        )


def _most_of_codec(network: Network, options: Options) -> int:
    """Return the pixels of the largest tile that can be compressed, each variable in a chunk."""
    variables = wanted_variables(options).values()
    return _LARGEST_CHUNK // max(variable.bytes_of_pixel(network.n_date) for variable in variables)


def _most_of_host(memory: int, network: Network, options: Options, means: ComputeResources) -> int:
    """Return the pixels of the largest tile that fits into the memory of a worker; 0 if none does."""
    return most_pixels(memory, partial(bytes_of_worker, network=network, options=options, means=means))


def _gigabytes(n_byte: int) -> float:
    """Round up to gigabytes, so that it is enough."""
    return math.ceil(10 * n_byte / 1e9) / 10
