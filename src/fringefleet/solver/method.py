"""How a batch is solved, and what is wanted of it besides the series."""

from dataclasses import dataclass
from typing import Literal

Norm = Literal["l2", "l1", "huber"]
Bridge = Literal["minimum-norm", "linear", "none"]
MinimumNorm = Literal["velocity", "phase"]
Variances = Literal["formal", "scaled"]


@dataclass(frozen=True)
class TemporalModel:
    """What tells a DEM error from deformation: see :mod:`fringefleet.solver.joint`."""

    polynomial_order: int = 2
    atmosphere_std: float = 1.0  # [rad]


@dataclass(frozen=True)
class Method:
    """How every pixel of a batch is solved.

    ``norm``: of the residuals, see :mod:`fringefleet.solver.robust`; residuals beyond ``huber_threshold``
    standard deviations count linearly; at most ``max_iterations`` reweightings. ``bridge`` and
    ``min_norm``: how the parts of a cut network are tied together, see :mod:`fringefleet.solver.bridge`;
    not in pixels with fewer than ``min_redundancy`` valid pairs at some date. ``unweighted``: all valid
    observations weigh the same, so that complete pixels can share one factor.

    Wanted only where asked for: ``variances`` of the series, ``closure`` of triplets and residuals of
    pairs, and the DEM error that ``temporal_model`` identifies.
    """

    min_norm: MinimumNorm = "velocity"
    min_redundancy: float = 0.0
    bridge: Bridge = "minimum-norm"
    norm: Norm = "l2"
    huber_threshold: float = 1.345
    max_iterations: int = 50
    unweighted: bool = False
    variances: Variances | None = None
    closure: bool = False
    temporal_model: TemporalModel | None = None
