r"""Covariance of fitted parameters through the factor of the elimination, without the covariance of dates.

The covariance of the displacements is :math:`\sigma^2 N^{-1}` relative to the root, and elimination leaves
:math:`N = L D L^T` in its factors :math:`f` and :math:`1/d` (:mod:`fringefleet.solver.uncertainty`). With the
row :math:`p` of the operator that makes a parameter of the series,

.. math:: p N^{-1} q^T = \sum_v \frac{1}{d_v} (L^{-1} p)_v (L^{-1} q)_v

so that one forward substitution for each parameter will do, and no matrix of dates by dates is made:

.. math:: w_b \mathrel{+}= f_b w_v

for every date ``v`` in the order of the plan and its later neighbours ``b``. Variances are sums of
non-negative terms. What reaches the last date of a part other than the root's depends on the level of that
part, which no observation tells: then there is no covariance.

References
----------
Golub & Van Loan (2013), Matrix Computations, 4.1.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from fringefleet.solver.uncertainty import Factor


def propagate_factor(
    factor: Factor,
    unit_variance: Tensor,
    pixels: slice | NDArray[np.intp],
    operator: NDArray[np.float64],
) -> Float[Tensor, "parameter parameter pixel"]:
    """Propagate the covariance of the displacements of some pixels of a batch to parameters.

    Parameters
    ----------
    factor
        What the elimination of the batch has left.
    unit_variance
        Variance of an observation of weight 1 [m^2], of each pixel or of all.
    pixels
        Which.
    operator
        What makes the parameters of the series, (parameter, date) or (parameter, date, pixel).

    Returns
    -------
    Tensor
        In float64; NaN where a date that is used is tied to the root by no valid pairs.
    """
    plan, edges, inverses = factor
    chosen = pixels if isinstance(pixels, slice) else torch.from_numpy(pixels).to(edges.device)
    inverse = inverses[:, chosen].double()
    order = np.array(plan.order)
    wanted = torch.from_numpy(operator[:, order].swapaxes(0, 1).copy()).to(edges.device)
    if wanted.dim() == 2:
        wanted = wanted[:, :, None]
    state = wanted.expand(-1, -1, inverse.shape[1]).clone()
    found = state.new_zeros((state.shape[1], *state.shape[1:]))
    for place, turn in enumerate(plan.turns):
        carried, tied = state[place], edges[turn.slots][:, chosen].double()
        for run in turn.neighbours:
            state[run.there].addcmul_(tied[run.here, None], carried)
        found.addcmul_(carried[:, None] * inverse[place], carried)
    found.masked_fill_(_is_untied(factor, chosen, wanted), torch.nan)
    variance = unit_variance if unit_variance.dim() == 0 else unit_variance[chosen]
    return found.mul_(variance)


def _is_untied(
    factor: Factor, chosen: Any, operator: Float[Tensor, "place parameter _"]
) -> Bool[Tensor, "pixel"]:
    """Find the pixels of which a date that is used is in another part than the root."""
    plan, edges, inverses = factor
    grounded = inverses[:-1, chosen] == 0
    is_untied = grounded.any(0)
    if not is_untied.any():
        return is_untied
    tie = torch.zeros_like(inverses[:, chosen])
    tie[-1] = 1
    for place in range(len(plan.turns) - 1, -1, -1):
        turn = plan.turns[place]
        tied = edges[turn.slots][:, chosen]
        for run in turn.neighbours:
            tie[place] += (tied[run.here] * tie[run.there]).sum(0)
    is_used = (operator != 0).any(1)
    return ((tie == 0) & is_used).any(0)
