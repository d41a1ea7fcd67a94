"""Which tiles of y and x fit: integer arithmetic on the memory model of a block.

A tile is what one task reads, solves and writes. Larger tiles mean fewer tasks and better reading, smaller
ones less memory and more tasks to share out. Tiles follow the stored chunks of the stack, because a tile
that cuts through them makes its neighbours read them again.
"""

import math

from fringefleet.block import batch_size, bytes_per_pixel, solver_bytes_per_pixel
from fringefleet.errors import BlockTooLargeError, OptionError
from fringefleet.io.tiles import fit_tile
from fringefleet.network import Network
from fringefleet.options import Options
from fringefleet.plan import plan_elimination

TILE_BYTES = 160 * 1024**2  # what is read and written of a tile
COPIES = 2.5  # of them that are alive at once: compressed and decoded, or the next tile's
LARGEST_TILE = 512 * 512  # pixels; more gains nothing and shows no progress
SMALLEST_TILE = 64 * 64  # pixels; what is left for a worker to be of use
IDLE_WORKER_BYTES = 430 * 1024**2  # a process that has imported torch and solved nothing, and its helper


def choose_tile(  # noqa: PLR0913 - all that a tile hangs on
    shape: tuple[int, int],
    stored: tuple[int, int] | None,
    network: Network,
    options: Options,
    n_worker: int = 1,
    memory_limit: int | None = None,
    worker_memory: int | None = None,
) -> tuple[int, int]:
    """Choose rows and columns of a tile.

    Parameters
    ----------
    shape
        Rows and columns of the scene.
    stored
        Rows and columns of a stored chunk; None if there is none.
    network, options
        Decide how many bytes a pixel takes.
    n_worker
        Workers that want something to do; a small scene is shared out between them.
    memory_limit
        What all of them may take together [byte], if that is limited. Where there is less, tiles are smaller,
        and then workers fewer.
    worker_memory
        What each of them has [byte], if that is known however many they are; tiles are as small as it takes.

    Raises
    ------
    BlockTooLargeError
        Even one small tile does not fit into ``memory_limit``.

    Examples
    --------
    >>> days = ("2018-01-06T00:00:00", "2018-01-18T00:00:00")
    >>> choose_tile((1000, 1000), (128, 128), Network(days, ((0, 1),)), Options())
    (512, 512)
    """
    smallest = min(SMALLEST_TILE, shape[0] * shape[1])
    n_worker = count_workers(n_worker, smallest, network, options, memory_limit)
    share = shape[0] * shape[1] / (2 * n_worker)
    n_pixel = min(TILE_BYTES / bytes_per_pixel(network, options), LARGEST_TILE, max(share, SMALLEST_TILE))
    if memory_limit is not None:
        fits = _pixels_that_fit(network, options, memory_limit // n_worker)
        n_pixel = min(n_pixel, max(smallest, fits))
    if worker_memory is not None:
        n_pixel = min(n_pixel, max(smallest, _pixels_that_fit(network, options, worker_memory)))
    return fit_tile(shape, stored, n_pixel)


def is_common_tile(
    tile: tuple[int, int], network: Network, options: Options, worker_memory: int | None
) -> bool:
    """Tell whether a tile is no larger than those that are chosen for large scenes, and fits into a worker.

    Parameters
    ----------
    tile
        Rows and columns.
    network, options
        Decide how many bytes a pixel takes.
    worker_memory
        What each worker has [byte]; None if that is not limited.
    """
    n_pixel = tile[0] * tile[1]
    fits = worker_memory is None or bytes_of_worker(n_pixel, network, options) <= worker_memory
    return fits and n_pixel <= min(TILE_BYTES / bytes_per_pixel(network, options), LARGEST_TILE)


def count_workers(
    n_worker: int, n_pixel: int, network: Network, options: Options, memory_limit: int | None
) -> int:
    """Find how many workers share a memory so that each can hold a tile.

    Parameters
    ----------
    n_worker
        As many as are wanted; never more come out.
    n_pixel
        Pixels of a tile.
    network, options
        Decide how many bytes a pixel takes.
    memory_limit
        What all of them may take together [byte]; None if that is not limited.

    Raises
    ------
    BlockTooLargeError
        Not even one can; the message says how much it needs.
    """
    if memory_limit is None:
        return n_worker
    needed = bytes_of_worker(n_pixel, network, options)
    if needed > memory_limit:
        raise BlockTooLargeError(
            f"found a limit of {memory_limit:,} bytes of memory; one worker with a tile of {n_pixel:,} "
            f"pixels needs about {needed:,}. Allow {_gigabytes(needed)} GB or more."
        )
    return min(n_worker, memory_limit // needed)


def bytes_of_worker(n_pixel: int, network: Network, options: Options) -> int:
    """Memory that a worker takes [byte]: itself, and a tile of so many pixels."""
    return IDLE_WORKER_BYTES + _bytes_of_tile(n_pixel, network, options)


def _bytes_of_tile(n_pixel: int, network: Network, options: Options) -> int:
    return int(n_pixel * COPIES * bytes_per_pixel(network, options)) + _bytes_of_batch(
        n_pixel, network, options
    )


def _bytes_of_batch(n_pixel: int, network: Network, options: Options) -> int:
    """Memory of the pixels that are solved at once [byte]; none of it where a device has its own."""
    if options.device != "cpu":
        return 0
    plan = plan_elimination(network)
    return min(batch_size(plan, options), n_pixel) * solver_bytes_per_pixel(plan, options)


def _pixels_that_fit(network: Network, options: Options, memory_limit: int) -> int:
    """Pixels of the largest tile that a worker with so much memory holds; below 1 if there is none."""
    free = memory_limit - IDLE_WORKER_BYTES
    beyond_a_batch = free - _bytes_of_batch(LARGEST_TILE, network, options)
    # A tile takes the lesser of two sums: all its pixels solved at once, or a batch of them.
    return max(
        free // _bytes_of_tile(1, network, options),
        int(beyond_a_batch / (COPIES * bytes_per_pixel(network, options))),
    )


def check_tile(tile: tuple[int, int], network: Network, options: Options, memory_limit: int | None) -> None:
    """Refuse tiles that mean nothing, or that one worker cannot hold.

    Raises
    ------
    OptionError
        A side below 1.
    BlockTooLargeError
        The tile needs more than ``memory_limit`` bytes, which a worker has; the message says which would
        fit, if one would.
    """
    if min(tile) < 1:
        raise OptionError(f"found chunks = {tile}; give rows and columns of 1 or more.")
    if memory_limit is None:
        return
    needed = bytes_of_worker(tile[0] * tile[1], network, options)
    if needed > memory_limit:
        side = math.isqrt(max(0, _pixels_that_fit(network, options, memory_limit)))
        smaller = f"Give --chunks {side} {side} or less, or" if side else "No tile is small enough: give"
        raise BlockTooLargeError(
            f"a worker with a tile of {tile[0]} x {tile[1]} pixels needs about {needed:,} bytes, and has "
            f"{memory_limit:,}. {smaller} each worker {_gigabytes(needed)} GB (--worker-memory; fewer "
            "--workers where they share a machine)."
        )


def _gigabytes(n_byte: int) -> float:
    """Round up, so that it is enough."""
    return math.ceil(10 * n_byte / 1e9) / 10
