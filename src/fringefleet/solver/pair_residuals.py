r"""Misfit of each pair to the series: sums over pixels, to identify pairs to drop.

A pair whose residual is large everywhere is noisy; one with many residuals beyond half a cycle has unwrapping
errors there. Least squares distribute an error of one cycle among the pairs that close loops with the bad
one: of :math:`2\pi` there remains :math:`2\pi (1 - h)` in the pair itself, with h its leverage, the pair's
share in its own estimate (on average (dates - 1) / pairs). The share of cycles is therefore underestimated,
and less so the more redundant the network or the more robust the norm.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from fringefleet.solver.observations import Observations

_ROWS_AT_ONCE = 16  # more than elsewhere: few, light operations, whose calls cost as much as their work


@dataclass(frozen=True)
class PairSums:
    """Sums over pixels for each pair, in the order of the network, which can be added.

    Parameters
    ----------
    n_pixel
        Number of pixels where the pair is valid.
    square_sum
        Sum of the squared residual there [rad^2].
    n_cycle
        Number of those pixels where the residual exceeds pi: likely unwrapping errors.
    """

    n_pixel: Float64[Tensor, "pair"]
    square_sum: Float64[Tensor, "pair"]
    n_cycle: Float64[Tensor, "pair"]

    def __add__(self, other: "PairSums") -> "PairSums":
        """Add the sums over other pixels of the same network."""
        return PairSums(
            self.n_pixel + other.n_pixel, self.square_sum + other.square_sum, self.n_cycle + other.n_cycle
        )

    @property
    def residual_rms(self) -> Float64[Tensor, "pair"]:
        """Root mean square of the residual of each pair [rad]; NaN where it has no valid pixel."""
        return (self.square_sum / self.n_pixel).sqrt()

    @property
    def cycle_share(self) -> Float64[Tensor, "pair"]:
        """Share of the valid pixels of each pair whose residual exceeds pi, 0..1; NaN if there are none."""
        return self.n_cycle / self.n_pixel


def sum_pairs(observations: Observations, keep: Float[Tensor, "pixel"]) -> PairSums:
    """Sum the residuals of each pair over the pixels of a batch; unweighted.

    Parameters
    ----------
    observations
        Observations with the residual [rad] of the series, zero where missing, as left by
        :func:`fringefleet.solver.quality.measure_quality`.
    keep
        1 where a pixel counts, else 0, for example where it has no estimate.

    Notes
    -----
    Within a batch the sums have the precision of the residuals (counts are exact for up to 2^24 pixels in
    float32); batches add up in float64.
    """
    n_pair, n_pixel = observations.residual.shape
    scratch = observations.residual.new_empty((min(_ROWS_AT_ONCE, n_pair), n_pixel))
    sums = observations.residual.new_empty((3, n_pair))
    for start in range(0, n_pair, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        residual, (valid, square, cycle) = observations.residual[rows], sums[:, rows]
        work = scratch[: len(residual)]
        torch.mv(torch.sign(observations.weight[rows], out=work), keep, out=valid)
        torch.mv(torch.mul(residual, residual, out=work), keep, out=square)
        torch.mv(torch.gt(work, math.pi**2, out=work), keep, out=cycle)
    in_order = torch.empty_like(sums, dtype=torch.float64)
    in_order[:, observations.order] = sums.double()
    return PairSums(*in_order)
