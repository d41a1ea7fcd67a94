"""Options of the inversion of a pixel: plain values, checked on creation. Light to import."""

import math
import os
from dataclasses import dataclass, replace
from typing import Annotated

from fringefleet.arguments.declaration import (
    Declared,
    Panel,
    check_fields,
    declared_fields,
    documented,
    needs_of,
)
from fringefleet.arguments.needs import Need, check_needs, defaults_of, only_with
from fringefleet.choices import (
    DeviceName,
    DTypeName,
    GapRule,
    MaskDataset,
    MinimumNorm,
    Norm,
    SolverName,
    UncertaintyInPass,
    WeightFunction,
)
from fringefleet.errors import OptionError
from fringefleet.observation.quantity import OFFSETS, PHASE, STD_MASKS, is_observation, is_offset, std_of
from fringefleet.option_words import option
from fringefleet.solver.time_functions import Several, TimeFunctions

MOST_BITS = 23  # mantissa bits of a float32; all are kept then
_THRESHOLDS = {  # of a mask: its upper limit, and its meaning
    "coherence": (1.0, "a coherence, from 0 to 1"),
    "offset_snr": (math.inf, "a signal-to-noise ratio, 0 or more"),
    **dict.fromkeys(STD_MASKS, (math.inf, "a standard deviation in pixels, 0 or more")),
}
_FACTORS = ("auto", "compiled", "elimination", "fused")  # solvers that provide a factor


def _runs_triton(device: str) -> bool:
    """Return whether the fused kernel runs: on a GPU, or in Triton's interpreter, which the tests request."""
    return device == "cuda" or "TRITON_INTERPRET" in os.environ


_WITH_FACTOR = only_with("solver", *_FACTORS, why="the dense one is there to compare series with")
_NOT_L1 = only_with("norm", "l2", "huber", why="the weights of the last round of l1 tell no uncertainty")
OF_PHASE = Need("", lambda said: said["observation"] not in OFFSETS, "observation", PHASE)
_COMPILED = Need("", lambda said: said["solver"] != "compiled" or said["device"] == "cpu", "device", "cpu")
_FUSED = Need("", lambda said: said["solver"] != "fused" or _runs_triton(said["device"]), "device", "cuda")
_WITH_VELOCITY = only_with("velocity", True)


def _by_factor(need: Need) -> Need:
    """Ask for what a covariance needs, where the uncertainty is from one."""
    return need._replace(is_met=lambda said: said["uncertainty"] != "covariance" or need.is_met(said))


_OF_TIME = {
    field.name: replace(declared, needs=(_WITH_VELOCITY,))
    for field, _, declared in declared_fields(TimeFunctions)
}


@documented
@dataclass(frozen=True)
class Options:
    """Options of the inversion of a pixel.

    Names and defaults are those of the command line and of MintPy. The methods are described, with their
    equations, in :mod:`fringefleet.observation.weights` and :mod:`~fringefleet.observation.masks`,
    :mod:`fringefleet.solver.irls` (norms), :mod:`~fringefleet.solver.disconnected` (gaps),
    :mod:`~fringefleet.solver.dem_error` and :mod:`fringefleet.products.quantization` (bits).

    Raises
    ------
    OptionError
        A value is invalid, or has no effect in combination with the others.

    Examples
    --------
    >>> Options(norm="huber", std=True).norm
    'huber'
    >>> Options(weight_func="average")
    Traceback (most recent call last):
    fringefleet.errors.OptionError: found weight_func = 'average'; use one of var, fim, coh, no.
    """

    observation: Annotated[
        str,
        Declared(
            "Dataset to invert: unwrapped_phase, also with the suffix of a correction (_bridging, "
            "_phase_closure, _bridging_phase_closure), range_offset or azimuth_offset; on the command "
            "line MintPy's names work, too.",
            Panel.INVERSION,
            metavar="NAME",
            flags=("--dataset",),
        ),
    ] = "unwrapped_phase"
    weight_func: Annotated[
        WeightFunction,
        Declared(
            "Weight from coherence: inverse variance, Fisher information, coherence itself, or none. Offsets "
            "take var, from their standard deviation, or no.",
            Panel.INVERSION,
        ),
    ] = "var"
    mask_dataset: Annotated[
        MaskDataset | None,
        Declared(
            "Mask observations by coherence, connected_component, offset_snr, range_offset_std or "
            "azimuth_offset_std; on the command line MintPy's names work, too.",
            Panel.INVERSION,
            metavar="NAME",
            default="none",
            kind=str,
        ),
    ] = None
    mask_threshold: Annotated[
        float,
        Declared(
            "Mask observations whose coherence or signal-to-noise ratio is below this value, or whose "
            "standard deviation is above it.",
            Panel.INVERSION,
            metavar="T",
            needs=(only_with("mask_dataset", *_THRESHOLDS),),
        ),
    ] = 0.4
    min_redundancy: Annotated[
        float,
        Declared(
            "Minimum number of pairs that every date of a pixel must have.",
            Panel.INVERSION,
            metavar="N",
            least=0,
        ),
    ] = 1.0
    norm: Annotated[
        Norm,
        Declared(
            "Norm of the residuals to minimise. l1 and huber are robust against unwrapping errors, and take "
            "2.2 to 3.5 times as long.",
            Panel.INVERSION,
            needs=(_WITH_FACTOR,),
        ),
    ] = "l2"
    huber_threshold: Annotated[
        float,
        Declared(
            "Residual, in standard deviations, beyond which the Huber norm is linear.",
            Panel.INVERSION,
            metavar="T",
            unit="standard deviations",
            above=0,
            needs=(only_with("norm", "huber"),),
        ),
    ] = 1.345
    max_iterations: Annotated[
        int,
        Declared(
            "Maximum number of iterations of a robust norm.",
            Panel.INVERSION,
            metavar="N",
            least=1,
            needs=(only_with("norm", "l1", "huber"),),
        ),
    ] = 100
    gap_rule: Annotated[
        GapRule,
        Declared(
            "How to connect the components of a pixel's network where its valid pairs leave a gap: the "
            "minimum-norm solution, a linear model (NSBAS), or not at all.",
            Panel.INVERSION,
        ),
    ] = "minimum-norm"
    min_norm: Annotated[
        MinimumNorm,
        Declared(
            "Quantity whose norm is minimised across gaps.",
            Panel.INVERSION,
            needs=(only_with("gap_rule", "minimum-norm"),),
        ),
    ] = "velocity"
    std: Annotated[
        bool,
        Declared(
            "Standard deviation of the displacement at every date.",
            Panel.ADDITIONAL,
            needs=(_NOT_L1, _WITH_FACTOR),
        ),
    ] = False
    covariance: Annotated[
        bool,
        Declared(
            "Covariance between all dates: dates x dates x 4 bytes a pixel.",
            Panel.ADDITIONAL,
            needs=(_NOT_L1, _WITH_FACTOR),
        ),
    ] = False
    diagnose: Annotated[
        bool,
        Declared(
            "Triplet closure at every pixel, residuals of every pair, and a list of the worst pairs.",
            Panel.ADDITIONAL,
            needs=(OF_PHASE,),
        ),
    ] = False
    dem_error: Annotated[
        bool,
        Declared(
            "Estimate the DEM error together with the time series, and remove it.",
            Panel.ADDITIONAL,
            needs=(OF_PHASE,),
        ),
    ] = False
    polynomial_order: Annotated[
        int,
        Declared(
            "Order of the polynomial in time that separates deformation from the DEM error.",
            Panel.ADDITIONAL,
            metavar="N",
            least=1,
            needs=(only_with("dem_error", True),),
        ),
    ] = 2
    atmosphere_std: Annotated[
        float,
        Declared(
            "Standard deviation of the atmospheric phase of a date, assumed for the DEM error.",
            Panel.ADDITIONAL,
            metavar="RAD",
            unit="rad",
            above=0,
            needs=(only_with("dem_error", True),),
        ),
    ] = 1.0
    velocity: Annotated[
        bool,
        Declared(
            "Velocity and other functions of time of every pixel, in the same pass.",
            Panel.VELOCITY,
        ),
    ] = False
    polynomial: Annotated[int, _OF_TIME["polynomial"]] = 1
    periodic: Annotated[Several, _OF_TIME["periodic"]] = ()
    step: Annotated[Several, _OF_TIME["step"]] = ()
    polyline: Annotated[Several, _OF_TIME["polyline"]] = ()
    exponential: Annotated[Several, _OF_TIME["exponential"]] = ()
    logarithmic: Annotated[Several, _OF_TIME["logarithmic"]] = ()
    uncertainty: Annotated[
        UncertaintyInPass,
        Declared(
            "Standard errors of the functions of time: from the residuals of their fit; from the covariance "
            "of the displacements, propagated exactly; or none.",
            Panel.VELOCITY,
            needs=(_WITH_VELOCITY, _by_factor(_NOT_L1), _by_factor(_WITH_FACTOR)),
        ),
    ] = "residual"
    solver: Annotated[
        SolverName,
        Declared(
            "elimination; compiled: the same, compiled for the CPU (numba); fused: the same in one GPU "
            "kernel (Triton); auto: compiled or fused where available, else elimination; dense: for "
            "comparison only.",
            Panel.COMPUTE,
            is_rare=True,
            needs=(_COMPILED, _FUSED),
        ),
    ] = "auto"
    dtype: Annotated[
        DTypeName, Declared("Floating-point precision of the solver.", Panel.COMPUTE, is_rare=True)
    ] = "float32"
    device: Annotated[DeviceName, Declared("Device to solve on.", Panel.COMPUTE)] = "cpu"
    gpu_chunk_size: Annotated[
        int,
        Declared(
            "Number of pixels that a GPU solves at once; 0: as many as fit into its free memory.",
            Panel.COMPUTE,
            metavar="N",
            unit="pixels",
            is_rare=True,
            least=0,
            needs=(only_with("device", "cuda"),),
        ),
    ] = 0
    keep_bits: Annotated[
        int | None,
        Declared(
            "Round displacement, standard deviation and covariance to N bits of the mantissa, with a "
            "relative error of at most 2^-(N+1). 15 bits save about a third of the disk space, and cost 15 "
            "um per metre.",
            Panel.OUTPUT,
            metavar="N",
            default=f"all {MOST_BITS}",
            least=1,
            most=MOST_BITS,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Check every value, and the combination of all."""
        functions = TimeFunctions(**{name: getattr(self, name) for name in _OF_TIME})
        for name in _OF_TIME:
            object.__setattr__(self, name, getattr(functions, name))
        check_fields(self)
        highest, meant = _THRESHOLDS.get(str(self.mask_dataset), (math.inf, "a number, 0 or more"))
        if not (0 <= self.mask_threshold <= highest and math.isfinite(self.mask_threshold)):
            raise OptionError(f"found {option('mask_threshold', self.mask_threshold)}; give {meant}.")
        self._check_observation()
        check_needs(vars(self), defaults_of(Options), needs_of(Options))

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
                f"weighted by its standard deviation ({option('weight_func', 'var')}) or not at all (no)."
            )

    @property
    def needs_coherence(self) -> bool:
        """Whether the coherence is read at all."""
        by_weight = self.weight_func != "no" and not self.is_offset
        return by_weight or self.mask_dataset == "coherence"

    @property
    def is_offset(self) -> bool:
        """Whether offsets [pixel] are inverted, not phases [rad]."""
        return is_offset(self.observation)

    @property
    def needs_std(self) -> bool:
        """Whether the standard deviation of the offsets is read, for their weights."""
        return self.is_offset and self.weight_func == "var"

    @property
    def reads_mask(self) -> bool:
        """Whether the mask has a dataset of its own, other than one that the weights need."""
        shared = self.needs_std and self.mask_dataset == std_of(self.observation)
        return self.mask_dataset not in (None, "coherence") and not shared

    @property
    def time_functions(self) -> TimeFunctions:
        """Functions of time that are fitted to the series, if any are."""
        return TimeFunctions(**{name: getattr(self, name) for name in _OF_TIME})

    @property
    def algorithm(self) -> SolverName:
        """Algorithm that the result depends on: the elimination counts as one, in whatever form."""
        return "dense" if self.solver == "dense" else "elimination"

    @property
    def is_formal(self) -> bool:
        """Whether the weights are inverse variances and stay so, so that their inverse yields variances."""
        return self.weight_func in ("var", "fim") and self.norm == "l2"
