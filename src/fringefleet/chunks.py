"""Which tiles of y and x fit: integer arithmetic on the memory model of a block.

A tile is what one task reads, solves and writes. Larger tiles mean fewer tasks and better reading, smaller
ones less memory and more tasks to share out. Tiles follow the stored chunks of the stack, because a tile
that cuts through them makes its neighbours read them again.
"""

from fringefleet.block import batch_size, bytes_per_pixel, solver_bytes_per_pixel
from fringefleet.errors import BlockTooLargeError, OptionError
from fringefleet.io.tiles import fit_tile
from fringefleet.network import Network
from fringefleet.options import Options
from fringefleet.plan import plan_elimination

TILE_BYTES = 160 * 1024**2  # what is read and written of a tile
COPIES = 2.5  # of them that are alive at once: compressed and decoded, or the next tile's
LARGEST_TILE = 512 * 512  # pixels; more gains nothing and shows no progress


def choose_tile(
    shape: tuple[int, int],
    stored: tuple[int, int] | None,
    network: Network,
    options: Options,
    n_worker: int = 1,
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

    Examples
    --------
    >>> days = ("2018-01-06T00:00:00", "2018-01-18T00:00:00")
    >>> choose_tile((1000, 1000), (128, 128), Network(days, ((0, 1),)), Options())
    (512, 512)
    """
    share = shape[0] * shape[1] / (2 * n_worker)
    n_pixel = min(TILE_BYTES / bytes_per_pixel(network, options), LARGEST_TILE, max(share, 64 * 64))
    return fit_tile(shape, stored, n_pixel)


def check_tile(tile: tuple[int, int], network: Network, options: Options, memory_limit: int | None) -> None:
    """Refuse tiles that mean nothing, or that one worker cannot hold.

    Raises
    ------
    OptionError
        A side below 1.
    BlockTooLargeError
        The tile needs more than ``memory_limit`` bytes; the message says which would fit.
    """
    if min(tile) < 1:
        raise OptionError(f"found chunks = {tile}; give rows and columns of 1 or more.")
    if memory_limit is None:
        return
    per_pixel = COPIES * bytes_per_pixel(network, options)
    plan = plan_elimination(network)
    batch = 0
    if options.device == "cpu":
        n_pixel = min(batch_size(plan, options), tile[0] * tile[1])
        batch = n_pixel * solver_bytes_per_pixel(plan, options)
    needed = int(tile[0] * tile[1] * per_pixel) + batch
    if needed > memory_limit:
        side = max(1, int((max(0, memory_limit - batch) / per_pixel) ** 0.5))
        raise BlockTooLargeError(
            f"a tile of {tile[0]} x {tile[1]} pixels needs about {needed:,} bytes on its worker, which has "
            f"{memory_limit:,}. Give --chunks {side} {side} or less, or fewer --workers."
        )
