r"""DEM error, estimated together with the series through the factor of a network of its own.

A DEM error :math:`\Delta z` [m] adds to the phase of date :math:`i`

.. math:: b_i \frac{\Delta z}{R \sin\theta}, \qquad b_i = -\frac{4\pi}{\lambda} B_{\perp i}

and to that of a pair the difference of two dates. A free series absorbs it completely: next to it the DEM
error cannot be identified, whatever the network. A temporal model separates them (Fattahi & Amelung
2013 fit the series with one; Doin et al. 2011, Lopez-Quiroz et al. 2009 solve with one): the series is

.. math:: x = M \beta + c + a, \qquad M = [t, t^2, \ldots, b], \qquad y = A x + n

with atmosphere :math:`a`, independent from date to date, of standard deviation :math:`\sigma`, and
decorrelation :math:`n` of the pairs, of weights :math:`W = 1 / \mathrm{variance}`.

With :math:`\gamma = 1 / \sigma`, all unknowns at once minimise :math:`\|W^{1/2}(y - Ax)\|^2 + \gamma^2
\|x - M\beta - c\|^2`. The level of :math:`x` is free, so :math:`c = 0` will do. With the Laplacian
:math:`N = A^T W A` and :math:`H = N + \gamma^2 I` the normal equations are

.. math::

    \begin{pmatrix} H & -\gamma^2 M \\ -\gamma^2 M^T & \gamma^2 M^T M \end{pmatrix}
    \begin{pmatrix} x \\ \beta \end{pmatrix} = \begin{pmatrix} A^T W y \\ 0 \end{pmatrix} .

The Schur complement of :math:`x` in them is :math:`\gamma^2 M^T U` with

.. math:: U = M - S, \qquad S = \gamma^2 H^{-1} M,

equal to :math:`H^{-1} N M`; and as the plain series :math:`x'` solves :math:`N x' = A^T W y`, there remains

.. math:: M^T U \beta = U^T x', \qquad \mathrm{cov} \beta = (\gamma^2 M^T U)^{-1} .

The existing series is thus all that is needed of the pairs. :math:`U` sums to zero over every
connected component: neither the relative levels of the components nor the choice of the reference date make a
difference. For :math:`\sigma \to \infty` this is ordinary least squares on the series, as MintPy's
``dem_error`` (with a constant of its own for each component); for :math:`\sigma \to 0` it is weighted least
squares on the pairs.

H is the Laplacian of the network with a *ground*, to which every date is connected by a conductance
:math:`\gamma^2`. It is eliminated by the plan of the network, and again nothing is subtracted: for each date
``v``, with ``e`` its edges to later dates and ``g`` its edge to the ground,

.. math:: d = g + \sum_a e_a, \qquad f_a = e_a / d, \qquad E_{ab} \mathrel{+}= f_a e_b,
          \qquad g_a \mathrel{+}= f_a g .

The right-hand side :math:`\gamma^2 M` follows the rule of the ground, which is the column of a constant
model. Every entry of :math:`S` is an average of a column of M with weights that are sums of products of
non-negative numbers. U is therefore exact to the rounding of M for any spread of the weights, and useful as
long as :math:`\gamma^2` is not some 1e8 times larger than all of them.

References
----------
Fattahi & Amelung (2013), doi:10.1109/TGRS.2012.2227761. Doin et al. (2011), Fringe workshop, ESA SP-697.
Lopez-Quiroz et al. (2009), doi:10.1016/j.jappgeo.2009.02.006. MintPy: ``dem_error.correct_dem_error``.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan

_SMALLEST_PIVOT = 1e-11  # of the columns at unit length; rounding leaves 1e-15


class DemError(NamedTuple):
    r"""DEM error of each pixel divided by :math:`R \sin\theta` [1]; multiplied by that it is in metres.

    Relative to that of the reference point, as the phase is. Both are NaN where the pairs of a pixel do not
    connect enough dates, or only dates at which the baselines follow a polynomial in time. ``std`` is
    formal: as good as the weights, which must be inverse variances, and the atmosphere's standard deviation.
    """

    error: Float[Tensor, "pixel"]
    std: Float[Tensor, "pixel"]


def estimate_dem_error(
    plan: EliminationPlan,
    series: Float[Tensor, "date pixel"],
    weight: Float[Tensor, "pair pixel"],
    columns: Float[Tensor, "date column"],
    *,
    atmosphere_std: float,
    pixels_at_once: int = 2048,
) -> DemError:
    r"""Estimate the DEM error of each pixel, with all unknowns at once.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    series
        Weighted least-squares series [rad] without temporal model, dates in the order of the network.
        Components of a disconnected network may be at any level.
    weight
        ``w = 1 / variance`` [rad^-2] in the rows of the plan, zero where missing: as in
        :class:`~fringefleet.solver.observations.Observations`.
    columns
        Columns of the temporal model, that of the DEM error last, see
        :func:`fringefleet.solver.temporal_model.temporal_columns`.
    atmosphere_std
        Standard deviation of the atmosphere at each date [rad].
    pixels_at_once
        Number of pixels processed together, in float64; the default stays near the cache of a CPU.

    Returns
    -------
    DemError
        In the precision of the series. NaN where the columns of the model, at unit length, leave a pivot
        below 1e-11 in the Schur complement :math:`M^T U`, where rounding of zero leaves about 1e-15.
        On a pixel with a connected network that is where fewer dates are connected than the model
        has columns, plus one.
    """
    order = torch.tensor(plan.order, device=series.device)
    centred = (columns - columns.mean(0)).to(series.device, torch.float64)[order]
    length = torch.linalg.vector_norm(centred, dim=0)
    unit = centred / length.clamp(min=torch.finfo(torch.float64).tiny)
    found = torch.empty((2, series.shape[1]), dtype=torch.float64, device=series.device)
    for start in range(0, series.shape[1], pixels_at_once):
        piece = slice(start, start + pixels_at_once)
        departure = _departure(plan, weight[:, piece].double(), unit, atmosphere_std**-2)
        schur = torch.tensordot(unit.T, departure, 1)
        right = (departure * series[:, None, piece][order]).sum(0)
        pivot, rest, identified = _last_unknown(schur, right)
        result = torch.stack([rest / pivot, atmosphere_std / pivot.sqrt()]) / length[-1]
        found[:, piece] = torch.where(identified, result, torch.nan)
    return DemError(*found.to(series.dtype))


def remove_dem_error(
    series: Float[Tensor, "date pixel"],
    column: Float[Tensor, "date"],
    error: Float[Tensor, "pixel"],
    root: int,
) -> Float[Tensor, "date pixel"]:
    """Subtract the phase of the DEM error from a series; nothing is smoothed.

    The residuals of the pairs do not change. The levels of the components of a disconnected network do:
    connect them afterwards, not before.

    Parameters
    ----------
    series
        Phase series [rad].
    column
        Column of the DEM error, the last of :func:`fringefleet.solver.temporal_model.temporal_columns` [rad].
    error
        DEM error over R sin(theta); where it is NaN, the series is unchanged.
    root
        Index of the date at which the series is unchanged.
    """
    relative = (column - column[root]).to(series.device, series.dtype)
    return torch.addcmul(series, relative[:, None], error.nan_to_num(nan=0.0), value=-1)


def _departure(
    plan: EliminationPlan,
    weight: Float[Tensor, "pair pixel"],
    columns: Float[Tensor, "date column"],
    ground: float,
) -> Float[Tensor, "date column pixel"]:
    """Subtract from each column its average over the dates connected to a date: M - S.

    Dates are in order of position, in the columns as well.
    """
    constant_first = torch.cat([torch.ones_like(columns[:, :1]), columns], 1)
    state = (ground * constant_first)[:, :, None].repeat(1, 1, weight.shape[1])
    factor = _eliminate(plan, weight, state)
    average = state[:, 1:]
    for place in range(plan.network.n_date - 2, -1, -1):
        turn = plan.turns[place]
        for run in turn.neighbours:
            for tied, other in zip(factor[turn.slots][run.here], average[run.there], strict=True):
                average[place].addcmul_(tied, other)
    return columns[:, :, None] - average


def _eliminate(
    plan: EliminationPlan, weight: Float[Tensor, "pair pixel"], state: Float[Tensor, "date row pixel"]
) -> Float[Tensor, "edge pixel"]:
    """Eliminate date by date; return the factors f of all edges.

    ``state`` has the edges to the ground in its first row and right-hand sides in the others, dates in
    order of position. The right-hand sides are substituted forward and divided by ``d`` in place.
    """
    edge = weight.new_zeros((plan.n_slot, weight.shape[1]))
    for turn in plan.turns:
        for run in turn.pair_slots:
            edge[run.there] = weight[turn.rows][run.here]
    for place, turn in enumerate(plan.turns):
        own, carried = edge[turn.slots], state[place]
        total = own.sum(0).add_(carried[0])
        factor = own / total
        for update in turn.updates:
            edge[update.run.there].addcmul_(factor[update.neighbour], own[update.run.here])
        own.copy_(factor)
        for run in turn.neighbours:
            state[run.there].addcmul_(factor[run.here, None], carried)
        carried.div_(total)
    state[-1].div_(state[-1, 0].clone())
    return edge


def _last_unknown(
    schur: Float[Tensor, "column column pixel"], right: Float[Tensor, "column pixel"]
) -> tuple[Float[Tensor, "pixel"], Float[Tensor, "pixel"], Bool[Tensor, "pixel"]]:
    """Eliminate all unknowns but the last: pivot, right-hand side, and whether all pivots are sound."""
    identified = schur[0, 0] > _SMALLEST_PIVOT
    while len(right) > 1:
        ratio = schur[1:, 0] / schur[0, 0]
        schur = schur[1:, 1:] - ratio[:, None] * schur[0, 1:]
        right = right[1:] - ratio * right[0]
        identified = identified & (schur[0, 0] > _SMALLEST_PIVOT)
    return schur[0, 0], right[0], identified
