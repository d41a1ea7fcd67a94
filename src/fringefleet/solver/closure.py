r"""Closure phases: agreement of the pairs of each triplet of dates, at each pixel.

For dates i, j, k that are all paired, the closure is

.. math:: c = y_{ij} + y_{jk} - y_{ik}

It vanishes for phases that are differences of one series. So does that of any model, and hence the closure
of the residuals *is* the closure of the phases, whatever series was subtracted: it is computed after the
solution from the residuals, which are small, so that float32 loses nothing.

A triplet counts at a pixel where all of its pairs are valid. A closure beyond half a cycle indicates an
unwrapping error in at least one pair; noise, multilooking and soil moisture cause a fraction of a radian.

References
----------
De Zan et al. (2015), IEEE TGRS 53(12), 6608-6616 (closure phases). Yunjun et al. (2019),
doi:10.1016/j.cageo.2019.104331 (number of triplets with a non-zero integer ambiguity: the same number).
MintPy: ``unwrap_error_phase_closure.calc_num_triplet_with_nonzero_integer_ambiguity``.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.network.triplets import triplets
from fringefleet.solver.observations import Observations
from fringefleet.solver.working_set import TRIPLETS_AT_ONCE


class Closure(NamedTuple):
    """Closure measures of a batch; the first is NaN where a pixel has no triplet of valid pairs."""

    closure_rms: Float[Tensor, "pixel"]  # [rad]
    misclosed_count: Int[Tensor, "pixel"]  # triplets with closure beyond pi
    triplet_count: Int[Tensor, "pixel"]  # triplets of valid pairs


def triplet_rows(plan: EliminationPlan, device: torch.device) -> Int[Tensor, "3 triplet"]:
    """Find the rows of the pairs of each triplet; ascending, the second is the one to subtract.

    Rows are sorted by (earlier position, later position) and measure the earlier minus the later. For
    positions p < q < r the rows are thus in the order pq, pr, qr, and the closure is pq - pr + qr, up to its
    sign.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    device
        Device of the result. Rows made anew for each batch would have to wait for the copy to a GPU.
    """
    row_of_pair = np.argsort(plan.pair_order)
    rows = np.sort(row_of_pair[triplets(plan.network)], axis=1).T
    in_order = rows[:, np.lexsort(rows[::-1])]  # neighbours share rows, which are then in cache
    return torch.tensor(in_order, device=device)


def measure_closure(observations: Observations, rows: Int[Tensor, "3 triplet"]) -> Closure:
    """Compute closure statistics over the triplets of valid pairs, those of positive weight; unweighted.

    Parameters
    ----------
    observations
        Observations with the residual [rad] of the series, zero where missing, as left by
        :func:`fringefleet.solver.quality.measure_quality`. Modified during the computation, then restored.
    rows
        Rows of the triplets, from :func:`triplet_rows`.

    Notes
    -----
    During the computation a missing residual is NaN. One comparison then shows whether all pairs of a
    triplet are valid, where their weights would otherwise have to be read and multiplied.
    """
    residual = observations.residual
    scratch = residual.new_empty((2, min(TRIPLETS_AT_ONCE, rows.shape[1]), residual.shape[1]))
    square_sum, n_valid, n_misclosed = residual.new_zeros((3, residual.shape[1]))
    residual.addcdiv_(residual.new_zeros(()), observations.weight)  # 0 / weight is 0, or NaN where that is 0
    for first, second, third in zip(*(row.split(TRIPLETS_AT_ONCE) for row in rows), strict=True):
        square, other = scratch[:, : len(first)]
        torch.index_select(residual, 0, first, out=square)
        square.sub_(torch.index_select(residual, 0, second, out=other))
        square.add_(torch.index_select(residual, 0, third, out=other))
        square.mul_(square)
        n_misclosed.add_(torch.gt(square, math.pi**2, out=other).sum(0))  # NaN is not greater than anything
        n_valid.add_(torch.eq(square, square, out=other).sum(0))  # nor equal to itself
        square_sum.add_(_sum_rows(torch.nan_to_num(square, nan=0.0, out=square)))
    torch.nan_to_num(residual, nan=0.0, out=residual)
    return Closure(
        closure_rms=square_sum.div_(n_valid).sqrt_(),
        misclosed_count=n_misclosed.to(torch.int32),
        triplet_count=n_valid.to(torch.int32),
    )


def _sum_rows(values: Float[Tensor, "row pixel"]) -> Float[Tensor, "pixel"]:
    """Sum rows pairwise, in an order that does not depend on the pixel; overwrites them."""
    n_row = len(values)
    if not n_row:
        return values.new_zeros(values.shape[1])
    while n_row > 1:
        half = n_row // 2
        values[:half].add_(values[n_row - half : n_row])
        n_row -= half
    return values[0]
