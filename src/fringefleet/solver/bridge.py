r"""Tie the parts of a cut network together, in closed form.

Where a pixel's valid pairs leave its dates in C parts, the series within each part is known and the C - 1
shifts ``c`` between the parts are not: no observation says anything about them. Three rules are usual, and
each is written down here in float64 for just the pixels concerned; ``l`` is the part that a date belongs to.

**Minimum norm of the velocity** (Berardino et al. 2002; what an SVD gives): with ``g`` the phase step of each
interval between consecutive dates and ``dt`` its length, the shifts minimise

.. math:: \sum_i \left( \frac{g_i + c_{l(i+1)} - c_{l(i)}}{dt_i} \right)^2

which is again a small graph Laplacian. **Minimum norm of the phase**: every part that does not hold the
anchor date has zero mean, and the one that does is zero there.

**Linear** (Lopez-Quiroz et al. 2009, NSBAS, as GIAnT and LiCSBAS have it): shifts, velocity ``v`` and offset
``b`` minimise the distance of all dates from one line,

.. math:: \sum_i \left( x_i + c_{l(i)} - v t_i - b \right)^2

GIAnT and LiCSBAS append these rows to the system of the pairs with a small weight; this is the limit of no
weight, where the pairs alone decide within the parts. With the means of each part taken off, ``v`` is the
slope that all parts have in common, and each mean is put on the line.

**None**: what is not tied to the reference date by observations is not known, so NaN.

References
----------
Berardino et al. (2002), doi:10.1109/TGRS.2002.803792; the minimum norms equal ``scipy.linalg.lstsq`` (SVD) on
MintPy's velocity and phase design matrices (``ifgram_inversion.estimate_timeseries``). Lopez-Quiroz et al.
(2009), doi:10.1016/j.jappgeo.2009.02.006; LiCSBAS: Morishita et al. (2020), doi:10.3390/rs12030424.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fringefleet.plan import Plan
from fringefleet.solver.method import Method
from fringefleet.solver.pieces import pieces


def connect(
    plan: Plan,
    phase: Float[Tensor, "date pixel"],
    labels: Int[Tensor, "date pixel"],
    method: Method,
) -> Float[Tensor, "date pixel"]:
    """Shift the parts of each pixel's series as the rule says.

    Parameters
    ----------
    plan
        The network's elimination.
    phase
        Series [rad] with the parts at any level.
    labels
        Number of the part of each date, from 0, none left out.
    method
        The rule.

    Returns
    -------
    Tensor
        Series [rad], zero at the plan's root; with the rule ``none`` NaN at dates in other parts than it.
    """
    if method.bridge == "none":
        apart = labels != labels[plan.root]
        return (phase - phase[plan.root]).masked_fill_(apart, torch.nan)
    if method.bridge == "linear":
        find_shifts = _linear_shifts
    else:
        find_shifts = _velocity_shifts if method.min_norm == "velocity" else _phase_shifts
    n_part = int(labels.max()) + 1
    result = torch.empty_like(phase)
    pixels = torch.arange(phase.shape[1], device=phase.device)
    for piece in pieces(pixels, 8 * n_part * (n_part + 3 * plan.network.n_date)):
        series, part = phase[:, piece].double(), labels[:, piece]
        member = (part[:, None] == torch.arange(n_part, device=part.device)[:, None]).permute(2, 0, 1)
        series = series + find_shifts(plan, series.T, member.double()).T.gather(0, part)
        result[:, piece] = (series - series[plan.root]).to(phase.dtype)
    return result


def find_bridged(labels: Int[Tensor, "date pixel"]) -> Bool[Tensor, "date pixel"]:
    """Tell at which dates the step from the date before is not observed: they are in different parts."""
    return torch.diff(labels, dim=0, prepend=labels[:1]) != 0


# These take (pixel, date) series and a (pixel, date, part) 1 or 0 of membership, and give (pixel, part). Sums
# over the dates of a part are matrix products: the same numbers in the same order on every device.


def _velocity_shifts(
    plan: Plan, series: Float[Tensor, "pixel date"], member: Float[Tensor, "pixel date part"]
) -> Float[Tensor, "pixel part"]:
    years = torch.tensor(plan.network.years, dtype=torch.float64, device=series.device)
    stiffness = (1 / years.diff() ** 2)[:, None]
    crossing = member.diff(dim=1)
    pull = -crossing.mT @ (stiffness * series.diff(dim=1)[..., None])
    matrix = crossing.mT @ (stiffness * crossing)
    matrix[:, 0, :] = 0  # part 0 stays where it is
    matrix[:, :, 0] = 0
    absent = matrix.diagonal(dim1=1, dim2=2) == 0  # part 0, and parts that a pixel does not have
    matrix.diagonal(dim1=1, dim2=2).add_(absent)
    pull[:, 0] = 0
    shifts: Tensor = torch.linalg.solve(matrix, pull)
    return shifts[..., 0]


def _phase_shifts(
    plan: Plan, series: Float[Tensor, "pixel date"], member: Float[Tensor, "pixel date part"]
) -> Float[Tensor, "pixel part"]:
    anchor = plan.network.anchor
    holds_anchor = member[:, anchor]
    return torch.where(holds_anchor > 0, -series[:, anchor, None], -_means(series, member))


def _linear_shifts(
    plan: Plan, series: Float[Tensor, "pixel date"], member: Float[Tensor, "pixel date part"]
) -> Float[Tensor, "pixel part"]:
    years = torch.tensor(plan.network.years, dtype=torch.float64, device=series.device)
    years = years.expand_as(series)
    mean, mean_year = _means(series, member), _means(years, member)
    away = years - (member @ mean_year[..., None])[..., 0]
    moved = series - (member @ mean[..., None])[..., 0]
    spread = (away * away).sum(1, keepdim=True)
    velocity = (away * moved).sum(1, keepdim=True) / spread
    velocity = torch.where(spread > 0, velocity, 0)  # no two dates are tied: nothing tells the slope
    return velocity * mean_year - mean


def _means(
    values: Float[Tensor, "pixel date"], member: Float[Tensor, "pixel date part"]
) -> Float[Tensor, "pixel part"]:
    return (member.mT @ values[..., None])[..., 0] / member.sum(1).clamp(min=1)
