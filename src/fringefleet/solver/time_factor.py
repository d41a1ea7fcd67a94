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
    *,
    is_compiled: bool = False,
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
    is_compiled
        Whether numba substitutes on a CPU where all pixels have the same operator.

    Returns
    -------
    Tensor
        In float64; NaN where a date that is used is tied to the root by no valid pairs.
    """
    plan, edges, inverses = factor
    chosen = pixels if isinstance(pixels, slice) else torch.from_numpy(pixels).to(edges.device)
    edges, inverses = edges[:, chosen], inverses[:, chosen]
    wanted = torch.from_numpy(operator[:, list(plan.order)].swapaxes(0, 1).copy()).to(edges.device)
    wanted = wanted[:, :, None] if operator.ndim == 2 else wanted
    if is_compiled and operator.ndim == 2 and edges.device.type == "cpu":
        from fringefleet.solver.compiled.time_factor import propagate_shared  # noqa: PLC0415 - numba

        found = torch.from_numpy(propagate_shared(plan, edges.numpy(), inverses.numpy(), operator))
    else:
        found = _substitute(Factor(plan, edges, inverses), wanted)
    found.masked_fill_(_is_untied(Factor(plan, edges, inverses), wanted), torch.nan)
    variance = unit_variance if unit_variance.dim() == 0 else unit_variance[chosen]
    return found.mul_(variance)


def _substitute(
    factor: Factor, wanted: Float[Tensor, "place parameter _"]
) -> Float[Tensor, "parameter parameter pixel"]:
    """Substitute forward, and sum up the products of every two parameters."""
    plan, edges, inverses = factor
    state = wanted.expand(-1, -1, edges.shape[1]).clone()
    found = state.new_zeros((state.shape[1], *state.shape[1:]))
    for place, turn in enumerate(plan.turns):
        carried, tied = state[place], edges[turn.slots].double()
        for run in turn.neighbours:
            state[run.there].addcmul_(tied[run.here, None], carried)
        found.addcmul_(carried[:, None] * inverses[place].double(), carried)
    return found


def _is_untied(factor: Factor, operator: Float[Tensor, "place parameter _"]) -> Bool[Tensor, "pixel"]:
    """Find the pixels of which a date that is used is in another part than the root."""
    plan, edges, inverses = factor
    is_cut = (inverses[:-1] == 0).any(0)
    if not is_cut.any():
        return is_cut
    tie = torch.zeros_like(inverses)
    tie[-1] = 1
    for place in range(len(plan.turns) - 1, -1, -1):
        turn = plan.turns[place]
        tied = edges[turn.slots]
        for run in turn.neighbours:
            tie[place] += (tied[run.here] * tie[run.there]).sum(0)
    is_used = (operator != 0).any(1)
    return ((tie == 0) & is_used).any(0)
