r"""Connection of the components of a disconnected network, in closed form.

Where a pixel's valid pairs leave its dates in C components, the series within each component is known and the
C - 1 shifts ``c`` between them are not: no observation constrains them. Three rules are common, and each is
implemented here in float64 for the affected pixels only; ``l`` is the component that a date belongs to.

**Minimum norm of the velocity** (Berardino et al. 2002; the result of an SVD): with ``g`` the phase step of
each interval between consecutive dates and ``dt`` its length, the shifts minimise

.. math:: \sum_i \left( \frac{g_i + c_{l(i+1)} - c_{l(i)}}{dt_i} \right)^2

which is again a small graph Laplacian. **Minimum norm of the phase**: every component without the anchor date
has zero mean, and that of the anchor is zero there.

**Linear** (Lopez-Quiroz et al. 2009, NSBAS, as GIAnT and LiCSBAS have it): shifts, velocity ``v`` and offset
``b`` minimise the distance of all dates from one line,

.. math:: \sum_i \left( x_i + c_{l(i)} - v t_i - b \right)^2

GIAnT and LiCSBAS append these rows to the system of the pairs with a small weight; this is the limit of zero
weight, where the pairs alone decide within the components. With the means of each component removed, ``v`` is
the slope common to all components, and each mean is placed on the line.

**None**: dates that no observation connects to the reference date are unknown, so NaN.

References
----------
Berardino et al. (2002), doi:10.1109/TGRS.2002.803792; the minimum norms equal ``scipy.linalg.lstsq`` (SVD) on
MintPy's velocity and phase design matrices (``ifgram_inversion.estimate_timeseries``). Lopez-Quiroz et al.
(2009), doi:10.1016/j.jappgeo.2009.02.006; LiCSBAS: Morishita et al. (2020), doi:10.3390/rs12030424.
"""

from typing import Any

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.arrays import in_rows, library_of, pieces_of
from fringefleet.solver.config import Method
from fringefleet.solver.working_set import BYTES_AT_ONCE, GAP_FILLING_BYTES


def connect_components(plan: EliminationPlan, phase: Any, labels: Any, method: Method) -> Any:
    """Shift the components of each pixel's series according to the rule.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    phase
        Series [rad] with the components at any level, (date, pixel): a NumPy array or a tensor.
    labels
        Index of the component of each date, from 0 without gaps, likewise.
    method
        Method with the rule.

    Returns
    -------
    array or Tensor
        Series [rad], zero at the root of the plan; with the rule ``none`` NaN at dates in other components.
    """
    xp, root = library_of(phase), plan.root
    if method.gap_rule == "none":
        return xp.where(labels != labels[root], xp.nan, phase - phase[root])
    if method.gap_rule == "linear":
        find_shifts = _linear_shifts
    else:
        find_shifts = _velocity_shifts if method.min_norm == "velocity" else _phase_shifts
    n_part = int(labels.max()) + 1
    needed = 16 * n_part * (n_part + 3 * plan.network.n_date)
    if str(phase.device) == "cpu":  # where every tile being solved needs it
        needed *= BYTES_AT_ONCE // GAP_FILLING_BYTES
    found = []
    for piece in pieces_of(phase.shape[1], needed):
        series = in_rows(xp.asarray(phase[:, piece], dtype=xp.float64).T)
        part = in_rows(labels[:, piece].T)
        numbers = xp.arange(n_part, device=labels.device)
        member = xp.asarray(part[..., None] == numbers, dtype=xp.float64)
        shifts = find_shifts(plan, series, member)
        series = series + (member @ shifts[..., None])[..., 0]  # one of them, exactly
        found.append(xp.asarray((series - series[:, root, None]).T, dtype=phase.dtype))
    return xp.concatenate(found, 1)


def find_gap_filled(labels: Any) -> Any:
    """Return at which dates the increment is not observed: the previous date is in another component."""
    xp = library_of(labels)
    return xp.concatenate([labels[:1] != labels[:1], labels[1:] != labels[:-1]], 0)


# These take (pixel, date) series and (pixel, date, part) membership, 1 or 0, and return (pixel, part). Sums
# over the dates of a component are matrix products: the same order of summation on every device.


def _velocity_shifts(plan: EliminationPlan, series: Any, member: Any) -> Any:
    xp = library_of(series)
    years = _years(plan, series)
    stiffness = (1 / (years[1:] - years[:-1]) ** 2)[:, None]
    crossing = member[:, 1:] - member[:, :-1]
    pull = -crossing.mT @ (stiffness * (series[:, 1:] - series[:, :-1])[..., None])
    matrix = crossing.mT @ (stiffness * crossing)
    matrix[:, 0, :] = 0  # component 0 is not shifted
    matrix[:, :, 0] = 0
    itself = xp.eye(matrix.shape[-1], dtype=xp.float64, device=series.device)
    absent = (matrix * itself).sum(-1) == 0  # component 0, and components that a pixel does not have
    pull[:, 0] = 0
    return xp.linalg.solve(matrix + itself * absent[:, None], pull)[..., 0]


def _phase_shifts(plan: EliminationPlan, series: Any, member: Any) -> Any:
    anchor = plan.network.anchor
    holds_anchor = member[:, anchor]
    return library_of(series).where(holds_anchor > 0, -series[:, anchor, None], -_means(series, member))


def _linear_shifts(plan: EliminationPlan, series: Any, member: Any) -> Any:
    xp = library_of(series)
    years = xp.broadcast_to(_years(plan, series), series.shape)
    mean, mean_year = _means(series, member), _means(years, member)
    away = years - (member @ mean_year[..., None])[..., 0]
    moved = series - (member @ mean[..., None])[..., 0]
    spread = (away * away).sum(1)[:, None]
    known = spread > 0  # otherwise no two dates are connected: the slope is undetermined
    velocity = xp.where(known, (away * moved).sum(1)[:, None] / xp.where(known, spread, 1), 0)
    return velocity * mean_year - mean


def _means(values: Any, member: Any) -> Any:
    count = member.sum(1)
    return (member.mT @ values[..., None])[..., 0] / library_of(values).where(count > 0, count, 1)


def _years(plan: EliminationPlan, series: Any) -> Any:
    xp = library_of(series)
    return xp.asarray(plan.network.years, dtype=xp.float64, device=series.device)
