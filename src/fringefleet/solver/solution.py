"""Solution of a batch of pixels, and the final steps that all solvers share."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fringefleet.solver import dem_error, disconnected, quality
from fringefleet.solver.config import Method
from fringefleet.solver.dem_error import DemError
from fringefleet.solver.observations import Observations
from fringefleet.solver.subsets import pieces
from fringefleet.solver.working_set import DEM_PIXELS_ON_CPU

_GPU_PIXELS = 2**16  # at once for the DEM error: worth a launch

_Values = TypeVar("_Values", bound=tuple[Any, ...])


class Solution(NamedTuple):
    """Phase series and quality of a batch of pixels; dates in the order of the network.

    ``phase`` is relative to the plan's root [rad]. Where a pixel's network is in several parts they have
    been tied together as :class:`~fringefleet.solver.config.Method` says, unless the pixel has ``too_few``
    pairs at some date: then the level of each part means nothing. It is finite at every pixel, but for dates
    that are tied to the root by nothing where the parts are left apart. ``temporal_coherence`` and
    ``residual_rms`` [rad] are over the pixel's valid pairs, unweighted; NaN where there is none.
    ``pair_count`` is the number of valid pairs, ``n_components`` the number of connected parts.
    ``gap_filled`` are the dates whose step from the date before is not observed but follows from the rule.
    ``converged`` where there are rounds; ``dem`` where it was asked for: what was taken off ``phase``.
    """

    phase: Float[Tensor, "date pixel"]
    temporal_coherence: Float[Tensor, "pixel"]
    residual_rms: Float[Tensor, "pixel"]
    pair_count: Int[Tensor, "pixel"]
    n_components: Int[Tensor, "pixel"]
    too_few: Bool[Tensor, "pixel"]
    gap_filled: Bool[Tensor, "date pixel"]
    converged: Bool[Tensor, "pixel"] | None = None
    dem: DemError | None = None


class PixelFacts(NamedTuple):
    """What is known of each pixel before its parts are tied together; see :class:`Solution`."""

    temporal_coherence: Float[Tensor, "pixel"]
    residual_rms: Float[Tensor, "pixel"]
    pair_count: Int[Tensor, "pixel"]
    n_components: Int[Tensor, "pixel"]
    too_few: Bool[Tensor, "pixel"]


def measure(
    observations: Observations, n_components: Int[Tensor, "pixel"], min_redundancy: float
) -> PixelFacts:
    """Measure how well a series explains the pairs, from what is left of their phases."""
    too_few = _find_too_few(observations, n_components > 1, min_redundancy)
    return PixelFacts(*quality.measure_quality(observations), n_components, too_few)


def finish_solution(
    observations: Observations,
    phase: Float[Tensor, "date pixel"],
    facts: PixelFacts,
    label_parts: Callable[[Tensor], Tensor],
    method: Method,
) -> Solution:
    """Take off the DEM error, if it is wanted, and tie the parts of cut networks together.

    Parameters
    ----------
    observations
        With the residual of the series.
    phase
        The series [rad], each part at any level. Overwritten.
    facts
        What was measured.
    label_parts
        Numbers the parts of the pixels that it is given, from 0, the root's, (date, pixel).
    method
        How they are tied together.
    """
    plan = observations.plan
    phase, dem = _without_dem_error(observations, phase, method)
    gap_filled = torch.zeros_like(phase, dtype=torch.bool)
    is_cut = (facts.n_components > 1) & (facts.pair_count > 0) & ~facts.too_few
    for n_part in torch.unique(facts.n_components[is_cut]):  # what is computed of a pixel is its own
        tied = torch.nonzero(is_cut & (facts.n_components == n_part))[:, 0]
        for pixels in pieces(tied, 24 * (plan.network.n_pair + plan.network.n_date)):
            labels = label_parts(pixels)
            phase[:, pixels] = disconnected.connect_components(plan, phase[:, pixels], labels, method)
            if method.gap_rule != "none":
                gap_filled[:, pixels] = disconnected.find_gap_filled(labels)
    return Solution(phase, *facts, gap_filled, dem=dem)


def put(into: _Values, pixels: Int[Tensor, "chosen"], values: _Values) -> None:
    """Put what is known of some pixels in its place; what was not asked for is None in both."""
    for mine, theirs in zip(into, values, strict=True):
        if isinstance(mine, tuple):
            put(mine, pixels, theirs)
        elif mine is not None:
            mine[..., pixels] = theirs[..., : len(pixels)].to(mine.dtype)


def _without_dem_error(
    observations: Observations, phase: Float[Tensor, "date pixel"], method: Method
) -> tuple[Float[Tensor, "date pixel"], DemError | None]:
    """Take the DEM error off, before parts are tied: it is no motion that a rule should go by."""
    if method.columns is None:
        return phase, None
    plan, columns = observations.plan, method.columns.to(phase.device)
    found = dem_error.estimate_dem_error(
        plan,
        phase,
        observations.weight,
        columns,
        atmosphere_std=method.atmosphere_std,
        pixels_at_once=DEM_PIXELS_ON_CPU if phase.device.type == "cpu" else _GPU_PIXELS,
    )
    without = dem_error.remove_dem_error(phase, columns[:, -1], found.error, plan.root)
    return without, DemError(*(values.to(phase.dtype) for values in found))


def _find_too_few(observations: Observations, cut: Tensor, least: float) -> Tensor:
    """Find pixels with fewer valid pairs than asked for at some date; connected dates have one at least."""
    if least > 1:
        return observations.fewest_pairs() < least
    too_few = torch.zeros_like(cut)
    if least > 0:
        pixels = torch.nonzero(cut)[:, 0]
        too_few[pixels] = observations.fewest_pairs(pixels) < least
    return too_few
