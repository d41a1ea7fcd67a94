"""Options of the inversion of every pixel: plain values, checked when they are made."""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import get_args

import numpy as np

from fringefleet.arguments.kinds import TRUTH, check_kind
from fringefleet.arguments.needs import OPTIONS as NEEDS
from fringefleet.arguments.needs import check_needs, defaults_of
from fringefleet.choices import (
    DeviceName,
    DTypeName,
    GapRule,
    MinimumNorm,
    Norm,
    SolverName,
    WeightFunction,
)
from fringefleet.errors import OptionError
from fringefleet.observation.quantity import MaskDataset, is_observation, is_offset, std_of
from fringefleet.option_words import option, suggest
from fringefleet.solver.temporal_model import TemporalModel

MOST_BITS = 23  # of the mantissa of a float32, all of which are kept then
_IN_PIXELS = (math.inf, "a standard deviation in pixels, 0 or more")
_THRESHOLDS = {  # of a mask: how large it may be, and what it is
    "coherence": (1.0, "a coherence, from 0 to 1"),
    "offset_snr": (math.inf, "a signal-to-noise ratio, 0 or more"),
    "range_offset_std": _IN_PIXELS,
    "azimuth_offset_std": _IN_PIXELS,
}
_KINDS: dict[str, tuple[type, ...]] = {
    "observation": (str,),
    **dict.fromkeys(("mask_threshold", "min_redundancy", "huber_threshold", "atmosphere_std"), (Real,)),
    **dict.fromkeys(("max_iterations", "polynomial_order", "gpu_chunk_size"), (Integral,)),
    "keep_bits": (Integral, type(None)),
    **dict.fromkeys(("std", "covariance", "diagnose", "dem_error"), TRUTH),
}
_INVERSE_VARIANCES = ("var", "fim")  # weight functions whose weights are inverse variances


@dataclass(frozen=True)
class Options:
    """How every pixel is inverted; names and defaults are those of the command line and of MintPy.

    ``observation``: what is inverted (:mod:`fringefleet.observation.quantity`). ``weight_func``: weight from
    coherence, of an offset from its standard deviation (``var``) or none
    (:mod:`fringefleet.observation.weights`). ``mask_dataset``: leave out observations by coherence or
    signal-to-noise ratio (``offset_snr``) below ``mask_threshold``, by a standard deviation above it, or
    without connected component (:mod:`fringefleet.observation.masks`). ``min_redundancy``: pairs that every
    date must have. ``norm``: of the residuals; ``huber_threshold`` in standard deviations and at most
    ``max_iterations`` rounds (:mod:`fringefleet.solver.irls`). ``gap_rule``: what ties the parts of a cut
    network together, and ``min_norm`` of what the minimum-norm rule makes least
    (:mod:`fringefleet.solver.disconnected`).

    Wanted besides the series: ``std``, the standard deviation of every date; ``covariance`` of every two
    dates, large; neither with the norm ``l1``; ``diagnose``, the closure of triplets and the residuals of
    pairs; ``dem_error``, told from deformation by a polynomial of ``polynomial_order`` and an
    ``atmosphere_std`` [rad] (:mod:`fringefleet.solver.dem_error`).

    ``solver``, ``dtype``, ``device``: with what, how precisely and where; ``auto`` is the elimination,
    compiled for the CPU, or fused on a GPU, where that runs. ``gpu_chunk_size``: pixels that a GPU solves at
    once; 0 for as many as its free memory holds. ``keep_bits``: of the mantissa of displacement, standard
    deviation and covariance (:mod:`fringefleet.products.quantization`); None keeps all.
    """

    observation: str = "unwrapped_phase"
    weight_func: WeightFunction = "var"
    mask_dataset: MaskDataset | None = None
    mask_threshold: float = 0.4
    min_redundancy: float = 1.0
    norm: Norm = "l2"
    huber_threshold: float = 1.345
    max_iterations: int = 100
    gap_rule: GapRule = "minimum-norm"
    min_norm: MinimumNorm = "velocity"
    std: bool = False
    covariance: bool = False
    diagnose: bool = False
    dem_error: bool = False
    polynomial_order: int = 2
    atmosphere_std: float = 1.0
    solver: SolverName = "auto"
    dtype: DTypeName = "float32"
    device: DeviceName = "cpu"
    gpu_chunk_size: int = 0
    keep_bits: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        for name, kinds in _KINDS.items():
            check_kind(name, getattr(self, name), *kinds)
        _check_choice("weight_func", self.weight_func, get_args(WeightFunction))
        _check_choice("mask_dataset", self.mask_dataset, (None, *get_args(MaskDataset)))
        _check_choice("norm", self.norm, get_args(Norm))
        _check_choice("gap_rule", self.gap_rule, get_args(GapRule))
        _check_choice("min_norm", self.min_norm, get_args(MinimumNorm))
        _check_choice("solver", self.solver, get_args(SolverName))
        _check_choice("dtype", self.dtype, get_args(DTypeName))
        _check_choice("device", self.device, get_args(DeviceName))
        highest, meant = _THRESHOLDS.get(str(self.mask_dataset), (math.inf, "a number, 0 or more"))
        if not (0 <= self.mask_threshold <= highest and math.isfinite(self.mask_threshold)):
            raise OptionError(f"found {option('mask_threshold', self.mask_threshold)}; give {meant}.")
        if not 0 <= self.min_redundancy < np.inf:
            raise OptionError(
                f"found {option('min_redundancy', self.min_redundancy)}; give the number of pairs that every "
                "date of a pixel must have, 0 or more."
            )
        if not 0 < self.huber_threshold < np.inf:
            raise OptionError(
                f"found {option('huber_threshold', self.huber_threshold)}; give standard deviations, above 0."
            )
        if self.max_iterations < 1:
            raise OptionError(f"found {option('max_iterations', self.max_iterations)}; give 1 or more.")
        if self.gpu_chunk_size < 0:
            raise OptionError(
                f"found {option('gpu_chunk_size', self.gpu_chunk_size)}; give a number of pixels, or 0 for "
                "as many as the free memory holds."
            )
        if self.keep_bits is not None and not 1 <= self.keep_bits <= MOST_BITS:
            raise OptionError(
                f"found {option('keep_bits', self.keep_bits)}; give the bits of the mantissa to keep, from 1 "
                f"to {MOST_BITS}."
            )
        _ = self.temporal_model  # refuses what means nothing
        self._check_observation()
        check_needs(vars(self), defaults_of(Options), NEEDS)

    def _check_observation(self) -> None:
        if not is_observation(self.observation):
            raise OptionError(
                f"found {option('observation', repr(self.observation))}; give unwrapped_phase, with the "
                "suffix of a correction if you want (unwrapped_phase_bridging), range_offset or "
                "azimuth_offset."
            )
        if self.is_offset and self.weight_func not in ("var", "no"):
            raise OptionError(
                f"found {option('weight_func', self.weight_func)} for {self.observation}; an offset is "
                f"weighed by its standard deviation ({option('weight_func', 'var')}) or not at all (no)."
            )

    @property
    def needs_coherence(self) -> bool:
        """Whether the coherence is read at all."""
        by_weight = self.weight_func != "no" and not self.is_offset
        return by_weight or self.mask_dataset == "coherence"

    @property
    def is_offset(self) -> bool:
        """Whether offsets [pixel] are inverted, and not phases [rad]."""
        return is_offset(self.observation)

    @property
    def needs_std(self) -> bool:
        """Whether the standard deviation of the offsets is read, to weigh them."""
        return self.is_offset and self.weight_func == "var"

    @property
    def reads_mask(self) -> bool:
        """Whether the mask has a dataset of its own, and not one that the weights need, too."""
        shared = self.needs_std and self.mask_dataset == std_of(self.observation)
        return self.mask_dataset not in (None, "coherence") and not shared

    @property
    def algorithm(self) -> SolverName:
        """What the answer depends on of the solver: the elimination is one, in whatever form."""
        return "dense" if self.solver == "dense" else "elimination"

    @property
    def temporal_model(self) -> TemporalModel:
        """What tells a DEM error from deformation."""
        return TemporalModel(self.polynomial_order, self.atmosphere_std)

    @property
    def is_formal(self) -> bool:
        """Whether the weights are inverse variances and stay so, and their inverse is one of variances."""
        return self.weight_func in _INVERSE_VARIANCES and self.norm == "l2"


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        names = [str(item).lower() for item in allowed]
        hint = suggest(str(value), names)
        raise OptionError(f"found {option(name, repr(value))}; use one of {', '.join(names)}.{hint}")
