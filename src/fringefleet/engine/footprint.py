"""Memory of the pixels of a block, and of a batch."""

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.products.base import SolverForm
from fringefleet.products.registry import batch_needs, bytes_of_result, memory_of_products, needs_torch
from fringefleet.solver.compiled.available import has_numba
from fringefleet.solver.compiled.lanes import LANES, bytes_of_vectors
from fringefleet.solver.working_set import CPU_BATCH, DEM_PIXELS_ON_CPU

FUSED_BATCH = 3 * 2**16  # so that a tile of whole chunks still has 2^17, with which the kernel is fastest
_MULTIPLE = 16  # pixels of a batch, for whole vectors
_CPU_BATCH_BYTES = 2**30  # fewer pixels where the network fills in or many products are requested


def is_compiled(options: Options) -> bool:
    """Return whether pixels are solved by the compiled solver, as far as known without importing it."""
    if options.device != "cpu":
        return False
    return options.solver == "compiled" or (options.solver == "auto" and has_numba())


def cpu_batch_size(plan: EliminationPlan, options: Options) -> int:
    """Return the number of pixels per batch on a CPU."""
    return max(1, min(CPU_BATCH, _CPU_BATCH_BYTES // _cpu_bytes_per_pixel(plan, options)))


def even_batch(n_load: int, most: int) -> int:
    """Return the batch size that divides a load into the fewest batches of equal size, with little overlap.

    Examples
    --------
    >>> even_batch(36_864, 8192), even_batch(100, 8192)
    (7376, 100)
    """
    n_batch = -(-n_load // most)
    size = -(-n_load // n_batch)
    return min(n_load, most, -(-size // _MULTIPLE) * _MULTIPLE)


def eager_batch_size(plan: EliminationPlan, options: Options) -> int:
    """Return the number of pixels that the eager solver takes at once in the memory planned for another."""
    n_byte = cpu_batch_size(plan, options) * _cpu_bytes_per_pixel(plan, options)
    return max(1, n_byte // solver_bytes_per_pixel(plan, options))


def cpu_batch_bytes(n_pixel: int, plan: EliminationPlan, options: Options) -> int:
    """Return the memory of a batch on a CPU, for a block with the given number of pixels [byte]."""
    n_batch = min(cpu_batch_size(plan, options), n_pixel)
    of_products = memory_of_products(plan, options, _form_on_cpu(options))
    others = _cpu_bytes_per_pixel(plan, options) - 8 * of_products.n_double
    n_piece = min(n_batch, DEM_PIXELS_ON_CPU)
    vector = 0
    if is_compiled(options):
        size = _size(options)
        rows = (options.norm != "l2") * (plan.network.n_pair + 10) + of_products.n_vector_row
        vector = bytes_of_vectors(plan, size) + LANES * rows * size
    return vector + n_batch * others + n_piece * 8 * of_products.n_double


def _form_on_cpu(options: Options) -> SolverForm:
    if not is_compiled(options):
        return "eager"
    return "compiled" if needs_torch(options) else "direct"


def _cpu_bytes_per_pixel(plan: EliminationPlan, options: Options) -> int:
    find = compiled_bytes_per_pixel if is_compiled(options) else solver_bytes_per_pixel
    return find(plan, options)


def solver_bytes_per_pixel(plan: EliminationPlan, options: Options) -> int:
    """Return the memory of the solver per pixel of a batch [byte]; ``test_memory_model.py`` checks it."""
    size = _size(options)
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    rows = 5 * n_pair + plan.n_slot + 5 * n_date + 2 * plan.n_neighbour + 40
    rows += (options.norm != "l2") * 2 * n_pair
    of_products = memory_of_products(plan, options, "eager")
    rows += of_products.n_row
    doubles = 2 * n_date + plan.n_neighbour + of_products.n_double
    on_its_way = 0 if options.device == "cpu" else 2 * bytes_of_input(n_pair, options)
    return rows * size + 8 * doubles + n_date + of_products.n_byte + on_its_way


def compiled_bytes_per_pixel(plan: EliminationPlan, options: Options) -> int:
    """Return the memory of the compiled solver per pixel of a batch [byte], without that of a vector."""
    size, n_date = _size(options), plan.network.n_date
    of_products = memory_of_products(plan, options, _form_on_cpu(options))
    rows = 3 * n_date + 8 + of_products.n_row + ("rows" in batch_needs(options)) * 2 * plan.network.n_pair
    if size == 8:  # the kernel reads in the precision that it computes in
        rows += plan.network.n_pair * (1 + options.needs_coherence + options.needs_std)
    if options.norm != "l2":  # some pixels continue in an eighth of a batch, and so on
        rows += (9 * plan.network.n_pair + rows) // 7 + 1
    return rows * size + 8 * of_products.n_double + n_date + of_products.n_byte


def _size(options: Options) -> int:
    return 8 if options.dtype == "float64" else 4


def fused_bytes_per_pixel(plan: EliminationPlan, options: Options) -> int:
    """Return the memory of the fused solver per pixel of a batch [byte], without observations and result."""
    size = _size(options)
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    of_products = memory_of_products(plan, options, "fused")
    rows = plan.n_slot + 4 * n_date + 20 + of_products.n_row
    rows += (options.norm != "l2" or "rows" in batch_needs(options)) * 2 * n_pair
    rows += (options.norm != "l2") * n_pair
    return rows * size + 8 * (n_date + of_products.n_double) + n_date + of_products.n_byte


def bytes_per_pixel(network: Network, options: Options) -> int:
    """Return the memory of a block per pixel [byte]: of what is read and what is written."""
    return bytes_of_input(network.n_pair, options) + bytes_of_result(options, network.n_date)


def bytes_of_input(n_pair: int, options: Options) -> int:
    """Return the memory of the observations read per pixel [byte]."""
    n_dataset = 1 + options.needs_coherence + options.needs_std
    mask = 0
    if options.reads_mask:
        mask = 2 if options.mask_dataset == "connected_component" else 4
    return n_pair * (4 * n_dataset + mask) + 1 + 4 * options.dem_error
