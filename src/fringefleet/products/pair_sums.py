"""Sums over pixels for each pair, from which the table of pairs of a result is made.

:mod:`fringefleet.solver.pair_residuals` has the equations.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.network.network import Network
from fringefleet.options import Options

if TYPE_CHECKING:  # torch, which not all runs need
    from fringefleet.solver.observations import Observations

PAIR_SUMS = ("n_pixel", "square_sum", "n_cycle")  # names of the fields of PairSums


def has_pair_sums(options: Options) -> bool:
    """Return whether the options request a table of pairs."""
    return options.diagnose


def zero_pair_sums(network: Network) -> NDArray[np.float64]:
    """Return zero sums, (sum, pair)."""
    return np.zeros((len(PAIR_SUMS), network.n_pair))


def sums_of_batch(observations: "Observations", keep: Any) -> NDArray[np.float64]:
    """Sum the residuals of a batch over pixels, (sum, pair); ``keep`` is 1 where a pixel counts, else 0."""
    from fringefleet.solver.pair_residuals import sum_pairs  # noqa: PLC0415 - torch

    sums = sum_pairs(observations, keep)
    return np.stack([getattr(sums, name).double().cpu().numpy() for name in PAIR_SUMS])
