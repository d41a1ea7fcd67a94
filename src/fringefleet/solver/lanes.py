"""Number of the pixels that the compiled solver takes at once, and the memory that they take."""

from fringefleet.plan import Plan

# Rows are multiples of so many pixels: one vector instruction holds at most 16 float32, and the compiler
# takes at most four at once.
LANES = 64
MOST_LANES = 8 * LANES  # with more nothing is gained where the network is small
CACHE_BYTES = 2**22  # of a vector; measured: what is read in order may be beyond the cache of a core


def choose_lanes(plan: Plan, itemsize: int) -> int:
    """Choose how many pixels a vector has: as many as stay near a core, in whole :data:`LANES`."""
    fits = CACHE_BYTES // bytes_of_lane(plan, itemsize) // LANES * LANES
    return max(LANES, min(fits, MOST_LANES))


def bytes_of_lane(plan: Plan, itemsize: int) -> int:
    """Memory for each pixel of a vector [byte], of which there is one at a time."""
    n_date = plan.network.n_date
    return itemsize * (2 * plan.network.n_pair + 2 * plan.n_slot + 4 * n_date) + 8 * n_date
