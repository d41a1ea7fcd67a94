"""Solver configuration for a batch: the method, and the outputs besides the series."""

from dataclasses import dataclass, field
from typing import Any

from fringefleet.choices import GapRule, MinimumNorm, Norm


@dataclass(frozen=True)
class Method:
    """Method by which the pixels of a batch are solved.

    Attributes
    ----------
    norm, huber_threshold, max_iterations
        Norm of the residuals; residuals beyond the threshold [standard deviations] count linearly; maximum
        number of reweightings. See :mod:`fringefleet.solver.irls`.
    gap_rule, min_norm
        Rule by which the components of a disconnected network are connected, see
        :mod:`fringefleet.solver.disconnected`.
    min_redundancy
        Minimum number of valid pairs at every date; pixels with fewer are not connected.
    unweighted
        Whether all valid observations have equal weight, so that complete pixels can share one factor.
    columns, atmosphere_std
        Temporal model, (date, column), and standard deviation of the atmosphere [rad], which separate a DEM
        error from deformation, see :mod:`fringefleet.solver.dem_error`; none is estimated without columns.
    """

    min_norm: MinimumNorm = "velocity"
    min_redundancy: float = 0.0
    gap_rule: GapRule = "minimum-norm"
    norm: Norm = "l2"
    huber_threshold: float = 1.345
    max_iterations: int = 100
    unweighted: bool = False
    columns: Any = field(default=None, compare=False)  # a tensor
    atmosphere_std: float = 1.0
