"""Memory of the pixels of a block, and of those that are solved at once."""

import os
from contextlib import suppress
from functools import cache
from importlib.util import find_spec

from fringefleet.network.elimination_order import Plan
from fringefleet.network.network import Network
from fringefleet.network.triplets import triplets
from fringefleet.options import Options
from fringefleet.products.registry import bytes_of_result
from fringefleet.solver.compiled.lanes import LANES, bytes_of_vectors
from fringefleet.solver.working_set import BYTES_AT_ONCE, DEM_PIXELS_ON_CPU, TRIPLETS_AT_ONCE

CPU_BATCH = 8192  # pixels; a row of a batch is 32 kB in float32
FUSED_BATCH = 3 * 2**16  # so that a tile of whole chunks still has 2^17, with which the kernel is fastest
_MULTIPLE = 16  # pixels of a batch, for whole vectors
_CPU_BATCH_BYTES = 2**30  # fewer pixels where the network fills up or much is wanted


def is_compiled(options: Options) -> bool:
    """Tell whether pixels are solved by the compiled solver, as far as can be told without it."""
    if options.device != "cpu":
        return False
    return options.solver == "compiled" or (options.solver == "auto" and _has_numba())


@cache
def _has_numba() -> bool:
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return False
    with suppress(ImportError):
        return find_spec("numba") is not None
    return False


def cpu_batch_size(plan: Plan, options: Options) -> int:
    """Pixels that go through the solver at once on a CPU."""
    return max(1, min(CPU_BATCH, _CPU_BATCH_BYTES // _cpu_bytes_per_pixel(plan, options)))


def even_batch(n_load: int, most: int) -> int:
    """Choose the pixels of a batch so that few are in two: as many batches as it takes, equally large.

    Examples
    --------
    >>> even_batch(36_864, 8192), even_batch(100, 8192)
    (7376, 100)
    """
    n_batch = -(-n_load // most)
    size = -(-n_load // n_batch)
    return min(n_load, most, -(-size // _MULTIPLE) * _MULTIPLE)


def eager_batch_size(plan: Plan, options: Options) -> int:
    """Pixels that the eager solver takes at once in the memory of the one that was expected."""
    n_byte = cpu_batch_size(plan, options) * _cpu_bytes_per_pixel(plan, options)
    return max(1, n_byte // solver_bytes_per_pixel(plan, options))


def cpu_batch_bytes(n_pixel: int, plan: Plan, options: Options) -> int:
    """Memory of the pixels of a block of so many that are solved at once on a CPU [byte]."""
    n_batch = min(cpu_batch_size(plan, options), n_pixel)
    others = _cpu_bytes_per_pixel(plan, options) - 8 * _doubles_of_dem_error(plan, options)
    n_piece = min(n_batch, DEM_PIXELS_ON_CPU)
    vector = 0
    if is_compiled(options):
        size = _size(options)
        rows = (options.norm != "l2") * (plan.network.n_pair + 10)
        rows += options.std * (plan.n_slot + 2 * plan.network.n_date)
        vector = bytes_of_vectors(plan, size) + LANES * rows * size
    return vector + n_batch * others + n_piece * 8 * _doubles_of_dem_error(plan, options)


def _cpu_bytes_per_pixel(plan: Plan, options: Options) -> int:
    find = compiled_bytes_per_pixel if is_compiled(options) else solver_bytes_per_pixel
    return find(plan, options)


def solver_bytes_per_pixel(plan: Plan, options: Options) -> int:
    """Memory of the solver for each pixel of a batch [byte]; ``test_memory_model.py`` holds it to torch."""
    size = _size(options)
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    rows = 5 * n_pair + plan.n_slot + 5 * n_date + 2 * plan.n_neighbour + 40
    rows += (options.norm != "l2") * 2 * n_pair
    rows += options.std * (plan.n_slot + 4 * n_date + plan.n_neighbour)
    rows += options.covariance * n_date**2
    rows += options.diagnose * (2 * min(TRIPLETS_AT_ONCE, len(triplets(plan.network))) + 3)
    doubles = 2 * n_date + plan.n_neighbour + _doubles_of_dem_error(plan, options)
    in_pieces = options.covariance * min(16 * (n_date**2 + n_date), BYTES_AT_ONCE // CPU_BATCH)
    on_its_way = 0 if options.device == "cpu" else 2 * bytes_of_input(n_pair, options)
    return rows * size + 8 * doubles + n_date + in_pieces + on_its_way


def compiled_bytes_per_pixel(plan: Plan, options: Options) -> int:
    """Memory of the compiled solver for each pixel of a batch [byte]; that of a vector comes besides."""
    size, n_date = _size(options), plan.network.n_date
    rows = 3 * n_date + 8 + options.std * 2 * n_date + _rows_wanted(plan, options)
    rows += options.covariance * (plan.n_slot + 3 * n_date + n_date**2)
    if size == 8:  # the kernel reads what it computes in
        rows += plan.network.n_pair * (1 + options.needs_coherence + options.needs_std)
    in_pieces = options.covariance * min(16 * (n_date**2 + n_date), BYTES_AT_ONCE // CPU_BATCH)
    if options.norm != "l2":  # some of the pixels go on in an eighth of a batch, and so on
        rows += (9 * plan.network.n_pair + rows) // 7 + 1
    return rows * size + 8 * _doubles_of_dem_error(plan, options) + n_date + in_pieces


def _rows_wanted(plan: Plan, options: Options) -> int:
    """Rows of pairs that are kept of a kernel, and what is worked out of them."""
    rows = (options.diagnose or options.dem_error) * 2 * plan.network.n_pair
    return rows + options.diagnose * (2 * min(TRIPLETS_AT_ONCE, len(triplets(plan.network))) + 19)


def _size(options: Options) -> int:
    return 8 if options.dtype == "float64" else 4


def fused_bytes_per_pixel(plan: Plan, options: Options) -> int:
    """Memory of the fused solver for each pixel of a batch [byte], beside its observations and its answer."""
    size = _size(options)
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    rows = plan.n_slot + 4 * n_date + 20
    rows += (options.norm != "l2" or options.diagnose or options.dem_error) * 2 * n_pair
    rows += (options.norm != "l2") * n_pair
    rows += options.std * (plan.n_slot + 2 * n_date)
    rows += options.covariance * 2 * n_date**2  # of each of two tiles: torch keeps memory for each stream
    rows += options.diagnose * (2 * min(TRIPLETS_AT_ONCE, len(triplets(plan.network))) + 3)
    in_pieces = options.covariance * min(16 * (n_date**2 + n_date), BYTES_AT_ONCE // CPU_BATCH)
    return rows * size + 8 * (n_date + _doubles_of_dem_error(plan, options)) + n_date + in_pieces


def _doubles_of_dem_error(plan: Plan, options: Options) -> int:
    """Numbers for each pixel that is worked on at once; all of them are in a small batch."""
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    return options.dem_error * (n_pair + plan.n_slot + (2 * options.polynomial_order + 3) * n_date)


def bytes_per_pixel(network: Network, options: Options) -> int:
    """Memory of a block for each of its pixels [byte]: what is read and what is written."""
    return bytes_of_input(network.n_pair, options) + bytes_of_result(options, network.n_date)


def bytes_of_input(n_pair: int, options: Options) -> int:
    """Memory of what is read of a pixel [byte]."""
    n_dataset = 1 + options.needs_coherence + options.needs_std
    mask = 0
    if options.reads_mask:
        mask = 2 if options.mask_dataset == "connected_component" else 4
    return n_pair * (4 * n_dataset + mask) + 1 + 4 * options.dem_error
