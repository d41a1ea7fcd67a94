r"""Tie the parts of a cut network together: the exact minimum-norm answer, in closed form.

Where a pixel's valid pairs leave its dates in C parts, the series within each part is known and the C - 1
shifts between the parts are not. MintPy and most others take the answer of minimum norm that an SVD gives;
here it is written down, in float64, for just the pixels concerned.

**Velocity** (default; Berardino et al. 2002): with ``g`` the phase step of each interval between consecutive
dates, ``dt`` its length and ``l`` the part a date belongs to, the shifts ``c`` minimise

.. math:: \sum_i \left( \frac{g_i + c_{l(i+1)} - c_{l(i)}}{dt_i} \right)^2

which is again a small graph Laplacian. **Phase**: every part that does not hold the anchor date has zero
mean, and the one that does is zero there.

References
----------
Berardino et al. (2002), doi:10.1109/TGRS.2002.803792. Equals ``scipy.linalg.lstsq`` (SVD) on MintPy's
velocity and phase design matrices; MintPy: ``ifgram_inversion.estimate_timeseries``.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fringefleet.plan import Plan
from fringefleet.solver.pieces import pieces

MinimumNorm = Literal["velocity", "phase"]


@dataclass(frozen=True)
class Ties:
    """How the parts of a cut network are tied together, and from how many pairs at every date."""

    norm: MinimumNorm = "velocity"
    min_redundancy: float = 0.0  # pixels with fewer valid pairs at some date are left as they are


def connect(
    plan: Plan,
    phase: Float[Tensor, "date pixel"],
    labels: Int[Tensor, "date pixel"],
    ties: Ties,
) -> Float[Tensor, "date pixel"]:
    """Shift the parts of each pixel's series by the minimum-norm rule.

    Parameters
    ----------
    plan
        The network's elimination.
    phase
        Series [rad] with the parts at any level.
    labels
        Number of the part of each date, from 0, none left out.
    ties
        The rule.

    Returns
    -------
    Tensor
        Series [rad], zero at the plan's root.
    """
    n_part = int(labels.max()) + 1
    result = torch.empty_like(phase)
    pixels = torch.arange(phase.shape[1], device=phase.device)
    for piece in pieces(pixels, 8 * n_part * (n_part + plan.network.n_date)):
        series, part = phase[:, piece].double(), labels[:, piece]
        shifts = _velocity_shifts if ties.norm == "velocity" else _phase_shifts
        series = series + shifts(plan, series, part).gather(0, part)
        result[:, piece] = (series - series[plan.root]).to(phase.dtype)
    return result


def _velocity_shifts(
    plan: Plan, series: Float[Tensor, "date pixel"], part: Int[Tensor, "date pixel"]
) -> Float[Tensor, "part pixel"]:
    n_part, n_pixel = int(part.max()) + 1, part.shape[1]
    years = torch.tensor(plan.network.years, dtype=torch.float64, device=series.device)
    stiffness = (1 / years.diff() ** 2)[:, None].expand(-1, n_pixel)
    pull = stiffness * series.diff(dim=0)
    before, after = part[:-1], part[1:]
    right = series.new_zeros((n_part, n_pixel))
    right.scatter_add_(0, before, pull).scatter_add_(0, after, -pull)
    matrix = series.new_zeros((n_part * n_part, n_pixel))
    for one, other, sign in (
        (before, before, 1),
        (after, after, 1),
        (before, after, -1),
        (after, before, -1),
    ):
        matrix.scatter_add_(0, one * n_part + other, sign * stiffness)
    matrix = matrix.T.reshape(n_pixel, n_part, n_part)
    matrix[:, 0, :] = 0  # part 0 stays where it is
    matrix[:, :, 0] = 0
    absent = matrix.diagonal(dim1=1, dim2=2) == 0  # part 0, and parts that a pixel does not have
    matrix.diagonal(dim1=1, dim2=2).add_(absent)
    right[0] = 0
    shifts: Tensor = torch.linalg.solve(matrix, right.T)
    return shifts.T


def _phase_shifts(
    plan: Plan, series: Float[Tensor, "date pixel"], part: Int[Tensor, "date pixel"]
) -> Float[Tensor, "part pixel"]:
    shape = (int(part.max()) + 1, part.shape[1])
    total = series.new_zeros(shape).scatter_add_(0, part, series)
    n_date = series.new_zeros(shape).scatter_add_(0, part, torch.ones_like(series))
    shifts = -total / n_date.clamp(min=1)
    anchor = plan.network.anchor
    return shifts.scatter(0, part[anchor][None], -series[anchor][None])
