"""Triplets of a network: three dates of which every two are paired.

Around a triplet the phases of the pairs have to add up to zero; the misclosure (*closure*) reveals
unwrapping errors without an inversion. The triplets depend on the network only.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.network import Network


@lru_cache(maxsize=16)
def triplets(network: Network) -> NDArray[np.int64]:
    """Find every three dates of a network that are all paired with one another, once per network.

    Parameters
    ----------
    network
        Dates and pairs; the order of the dates of a pair does not matter.

    Returns
    -------
    NDArray
        Pair indices, shape (triplet, 3), read-only: of the pairs between the dates i and j, j and k, i and
        k, for all dates i < j < k that have all three; sorted by i, j, k. With the sign of every pair
        changed so that it measures later minus earlier date, the closure is the first plus the second minus
        the third [rad]. A network without triplets, such as a chain or a star, yields shape (0, 3).

    References
    ----------
    MintPy: ``ifgramStack.get_design_matrix4triplet``.

    Examples
    --------
    >>> days = [f"2018-01-{day:02d}T00:00:00" for day in (1, 13, 25)]
    >>> triplets(Network(tuple(days), ((0, 1), (0, 2), (2, 1))))
    array([[0, 2, 1]])
    """
    n_date = network.n_date
    low, high = np.sort(network.pair_array, axis=1).T
    key = low * n_date + high
    order = np.argsort(key)
    low, high, key = low[order], high[order], key[order]
    first_of_date = np.searchsorted(low, np.arange(n_date + 1))  # pairs that start at a date are consecutive
    n_next = np.diff(first_of_date)[high]
    one = np.repeat(np.arange(network.n_pair), n_next)  # each pair, once per pair that continues from it
    step = np.arange(len(one)) - np.repeat(np.cumsum(n_next) - n_next, n_next)
    two = first_of_date[high[one]] + step
    across = low[one] * n_date + high[two]
    three = np.searchsorted(key, across)  # precedes ``two``, which ends at the same date but starts later
    closed = key[three] == across
    found: NDArray[np.int64] = order[np.stack([one, two, three], axis=1)[closed]]
    found.flags.writeable = False
    return found
