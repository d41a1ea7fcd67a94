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

    Attributes
    ----------
    phase
        Relative to the plan's root [rad]. The components of a disconnected network have been connected as
        :class:`~fringefleet.solver.config.Method` specifies, unless the pixel has ``too_few`` pairs at some
        date: then the level of each component is arbitrary. Finite, except at dates without connection to the
        root where components are left unconnected.
    temporal_coherence, residual_rms
        Over the pixel's valid pairs, unweighted; NaN where there are none. The second in [rad].
    pair_count, n_components
        Number of valid pairs, and of connected components.
    too_few
        Whether some date has fewer pairs than requested.
    gap_filled
        Whether the increment since the previous date is gap-filled, not observed.
    converged
        Whether the reweighting converged, where there is one.
    dem
        DEM error removed from ``phase``, where requested.
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
    """Properties of each pixel before its components are connected; see :class:`Solution`."""

    temporal_coherence: Float[Tensor, "pixel"]
    residual_rms: Float[Tensor, "pixel"]
    pair_count: Int[Tensor, "pixel"]
    n_components: Int[Tensor, "pixel"]
    too_few: Bool[Tensor, "pixel"]


def measure(
    observations: Observations, n_components: Int[Tensor, "pixel"], min_redundancy: float
) -> PixelFacts:
    """Measure how well a series explains the pairs, from their residuals."""
    too_few = _find_too_few(observations, n_components > 1, min_redundancy)
    return PixelFacts(*quality.measure_quality(observations), n_components, too_few)


def finish_solution(
    observations: Observations,
    phase: Float[Tensor, "date pixel"],
    facts: PixelFacts,
    label_parts: Callable[[Tensor], Tensor],
    method: Method,
) -> Solution:
    """Remove the DEM error, if requested, and connect the components of disconnected networks.

    Parameters
    ----------
    observations
        Observations with the residual of the series.
    phase
        Series [rad], each component at any level. Overwritten.
    facts
        Properties measured so far.
    label_parts
        Function that numbers the components of given pixels from 0, that of the root, (date, pixel).
    method
        Method by which they are connected.
    """
    plan = observations.plan
    phase, dem = _without_dem_error(observations, phase, method)
    gap_filled = torch.zeros_like(phase, dtype=torch.bool)
    is_cut = (facts.n_components > 1) & (facts.pair_count > 0) & ~facts.too_few
    for n_part in torch.unique(facts.n_components[is_cut]):  # each pixel is computed independently
        tied = torch.nonzero(is_cut & (facts.n_components == n_part))[:, 0]
        for pixels in pieces(tied, 24 * (plan.network.n_pair + plan.network.n_date)):
            labels = label_parts(pixels)
            phase[:, pixels] = disconnected.connect_components(plan, phase[:, pixels], labels, method)
            if method.gap_rule != "none":
                gap_filled[:, pixels] = disconnected.find_gap_filled(labels)
    return Solution(phase, *facts, gap_filled, dem=dem)


def put(into: _Values, pixels: Int[Tensor, "chosen"], values: _Values) -> None:
    """Put the results of some pixels in their place; what was not requested is None in both."""
    for mine, theirs in zip(into, values, strict=True):
        if isinstance(mine, tuple):
            put(mine, pixels, theirs)
        elif mine is not None:
            mine[..., pixels] = theirs[..., : len(pixels)].to(mine.dtype)


def _without_dem_error(
    observations: Observations, phase: Float[Tensor, "date pixel"], method: Method
) -> tuple[Float[Tensor, "date pixel"], DemError | None]:
    """Remove the DEM error before components are connected, as the gap rule should not see it as motion."""
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
    """Find pixels with fewer valid pairs than requested at some date; connected dates have at least one."""
    if least > 1:
        return observations.fewest_pairs() < least
    too_few = torch.zeros_like(cut)
    if least > 0:
        pixels = torch.nonzero(cut)[:, 0]
        too_few[pixels] = observations.fewest_pairs(pixels) < least
    return too_few
