"""Number of pixels that the compiled solver processes at once, and the memory that they take."""

from fringefleet.network.elimination_order import EliminationPlan

LANES = 64  # pixels of a vector, which is processed in registers, or near a core
# Observations are read for several vectors at once, as the rows of a file are far apart: for that many, or
# fewer where the data made from them would not stay in the cache that cores share
_MOST_LANES = 4 * LANES
_CACHE_BYTES = 2**22


def choose_lanes(plan: EliminationPlan, itemsize: int) -> int:
    """Choose the number of pixels whose observations are read at once, in whole vectors."""
    fits = _CACHE_BYTES // _bytes_of_pixel(plan, itemsize) // LANES * LANES
    return max(LANES, min(fits, _MOST_LANES))


def bytes_of_vectors(plan: EliminationPlan, itemsize: int) -> int:
    """Return the memory for the observations of several vectors, and for solving one of them [byte]."""
    n_date = plan.network.n_date
    of_one = itemsize * (plan.n_slot + 3 * n_date) + 8 * n_date
    return choose_lanes(plan, itemsize) * _bytes_of_pixel(plan, itemsize) + LANES * of_one


def _bytes_of_pixel(plan: EliminationPlan, itemsize: int) -> int:
    return itemsize * (2 * plan.network.n_pair + plan.network.n_date + 5)
