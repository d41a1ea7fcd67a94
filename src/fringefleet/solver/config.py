"""Solver configuration for a batch: the method, and the outputs besides the series."""

from dataclasses import dataclass, field
from typing import Any

from fringefleet.choices import GapRule, MinimumNorm, Norm


@dataclass(frozen=True)
class Method:
    """How every pixel of a batch is solved.

    ``norm``: of the residuals, see :mod:`fringefleet.solver.irls`; residuals beyond ``huber_threshold``
    standard deviations count linearly; at most ``max_iterations`` reweightings. ``gap_rule`` and
    ``min_norm``: how the parts of a cut network are tied together, see
    :mod:`fringefleet.solver.disconnected`; not in pixels with fewer than ``min_redundancy`` valid pairs at
    some date. ``unweighted``: all valid observations weigh the same, so that complete pixels can share one
    factor. ``columns``, (date, column) of a temporal model, and ``atmosphere_std`` [rad]: what tells a DEM
    error from deformation, see :mod:`fringefleet.solver.dem_error`; none is estimated without.
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
