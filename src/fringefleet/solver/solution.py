"""What a solver gives back for a batch of pixels, and the last steps that all solvers share."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fringefleet.solver import minimum_norm, quality
from fringefleet.solver.minimum_norm import Ties
from fringefleet.solver.observations import Observations
from fringefleet.solver.pieces import pieces


class Solution(NamedTuple):
    """Phase series and quality of a batch of pixels; dates in the order of the network.

    ``phase`` is relative to the plan's root [rad] and finite at every pixel. Where a pixel's network is in
    several parts they have been tied together by the minimum-norm rule, unless the pixel has fewer pairs
    than :class:`~fringefleet.solver.minimum_norm.Ties` asks for: then the level of each part means nothing.
    ``temporal_coherence`` and ``residual_rms`` [rad] are over the pixel's valid pairs, unweighted; NaN
    where there is none. ``pair_count`` is the number of valid pairs, ``fewest_pairs`` the smallest number
    that any date but the anchor has, ``n_components`` the number of connected parts.
    """

    phase: Float[Tensor, "date pixel"]
    temporal_coherence: Float[Tensor, "pixel"]
    residual_rms: Float[Tensor, "pixel"]
    pair_count: Int[Tensor, "pixel"]
    n_components: Int[Tensor, "pixel"]
    fewest_pairs: Int[Tensor, "pixel"]


def finish(
    observations: Observations,
    phase: Float[Tensor, "date pixel"],
    n_components: Int[Tensor, "pixel"],
    label_parts: Callable[[Tensor], Tensor],
    ties: Ties,
) -> Solution:
    """Measure the quality of a series and tie the parts of cut networks together.

    Parameters
    ----------
    observations
        With the residual in place of the phases.
    phase
        The series [rad], each part at any level. Overwritten.
    n_components
        Number of parts.
    label_parts
        Numbers the parts of the pixels that it is given, from 0, (date, pixel).
    ties
        How they are tied together.
    """
    measured = quality.measure(observations)
    fewest = observations.fewest_pairs()
    cut = (n_components > 1) & (measured.pair_count > 0) & (fewest >= ties.min_redundancy)
    plan = observations.plan
    for pixels in pieces(torch.nonzero(cut)[:, 0], 24 * (plan.network.n_pair + plan.network.n_date)):
        phase[:, pixels] = minimum_norm.connect(plan, phase[:, pixels], label_parts(pixels), ties)
    return Solution(phase, *measured, n_components, fewest)
