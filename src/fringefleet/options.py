"""How every pixel is inverted: plain values, checked when they are made."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from fringefleet.device import DeviceName
from fringefleet.errors import OptionError
from fringefleet.solver.joint import TemporalModel
from fringefleet.solver.method import Bridge, MinimumNorm, Norm
from fringefleet.weights import WeightFunction

MaskDataset = Literal["coherence", "connected_component"]
SolverName = Literal["elimination", "dense", "fused"]
DTypeName = Literal["float32", "float64"]

INVERSE_VARIANCES = ("var", "fim")  # weight functions whose weights are inverse variances


@dataclass(frozen=True)
class Options:
    """How every pixel is inverted; names and defaults are those of the command line and of MintPy.

    ``weight_func``: weight from coherence (:mod:`fringefleet.weights`). ``mask_dataset``: leave out
    observations by coherence below ``mask_threshold``, or without connected component.
    ``min_redundancy``: pairs that every date must have. ``norm``: of the residuals; ``huber_threshold`` in
    standard deviations and at most ``max_iterations`` rounds (:mod:`fringefleet.solver.robust`). ``bridge``:
    what ties the parts of a cut network together, and ``min_norm`` of what the minimum-norm rule makes least
    (:mod:`fringefleet.solver.bridge`).

    Wanted besides the series: ``std``, the standard deviation of every date; ``covariance`` of every two
    dates, large; neither with the norm ``l1``; ``diagnose``, the closure of triplets and the residuals of
    pairs; ``dem_error``, told from deformation by a polynomial of ``polynomial_order`` and an
    ``atmosphere_std`` [rad] (:mod:`fringefleet.solver.joint`).

    ``solver``, ``dtype``, ``device``: with what, how precisely and where.
    """

    weight_func: WeightFunction = "var"
    mask_dataset: MaskDataset | None = None
    mask_threshold: float = 0.4
    min_redundancy: float = 1.0
    norm: Norm = "l2"
    huber_threshold: float = 1.345
    max_iterations: int = 100
    bridge: Bridge = "minimum-norm"
    min_norm: MinimumNorm = "velocity"
    std: bool = False
    covariance: bool = False
    diagnose: bool = False
    dem_error: bool = False
    polynomial_order: int = 2
    atmosphere_std: float = 1.0
    solver: SolverName = "elimination"
    dtype: DTypeName = "float32"
    device: DeviceName = "cpu"

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        _refuse_other("weight_func", self.weight_func, get_args(WeightFunction))
        _refuse_other("mask_dataset", self.mask_dataset, (None, *get_args(MaskDataset)))
        _refuse_other("norm", self.norm, get_args(Norm))
        _refuse_other("bridge", self.bridge, get_args(Bridge))
        _refuse_other("min_norm", self.min_norm, get_args(MinimumNorm))
        _refuse_other("solver", self.solver, get_args(SolverName))
        _refuse_other("dtype", self.dtype, get_args(DTypeName))
        _refuse_other("device", self.device, get_args(DeviceName))
        if not np.isfinite(self.mask_threshold):
            raise OptionError(f"found mask_threshold = {self.mask_threshold}; give a finite number.")
        if not 0 <= self.min_redundancy < np.inf:
            raise OptionError(
                f"found min_redundancy = {self.min_redundancy}; give the number of pairs that every date "
                "of a pixel must have, 0 or more."
            )
        if not 0 < self.huber_threshold < np.inf:
            raise OptionError(
                f"found huber_threshold = {self.huber_threshold}; give standard deviations, above 0."
            )
        if self.max_iterations < 1:
            raise OptionError(f"found max_iterations = {self.max_iterations}; give 1 or more.")
        _ = self.temporal_model  # refuses what means nothing
        self._refuse_what_has_no_factor()

    def _refuse_what_has_no_factor(self) -> None:
        wanted = [name for name in ("std", "covariance") if getattr(self, name)]
        if self.norm == "l1" and wanted:
            raise OptionError(
                f"found norm = l1 with {', '.join(wanted)}; the weights of its last round say nothing of the "
                "uncertainty. Choose norm = huber, or l2."
            )
        wanted += [f"norm = {self.norm}"] * (self.norm != "l2")
        if self.solver == "dense" and wanted:
            raise OptionError(
                f"found solver = dense with {', '.join(wanted)}, which takes the factor of the elimination; "
                "choose solver = elimination. The dense one is there to compare series with."
            )

    @property
    def needs_coherence(self) -> bool:
        """Whether the coherence is read at all."""
        return self.weight_func != "no" or self.mask_dataset == "coherence"

    @property
    def temporal_model(self) -> TemporalModel:
        """What tells a DEM error from deformation."""
        return TemporalModel(self.polynomial_order, self.atmosphere_std)

    @property
    def is_formal(self) -> bool:
        """Whether the weights are inverse variances and stay so, and their inverse is one of variances."""
        return self.weight_func in INVERSE_VARIANCES and self.norm == "l2"


def _refuse_other(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        names = ", ".join(str(item).lower() for item in allowed)
        raise OptionError(f"found {name} = {value!r}; use one of {names}.")
