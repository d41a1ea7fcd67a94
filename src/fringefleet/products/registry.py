"""Variables of a result: their types and attributes, and which of them the options request."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from fringefleet.options import Options
from fringefleet.products.quantization import quantization_attributes
from fringefleet.status import Status


class Variable(NamedTuple):
    """One variable of a result."""

    dtype: str
    dims: tuple[str, ...]  # the last two are y and x
    attrs: Mapping[str, Any]
    is_wanted: Callable[[Options], bool]

    def bytes_of_pixel(self, n_date: int) -> int:
        """Memory of a pixel [byte]."""
        n_byte: int = int(self.dtype[1:]) * n_date ** (len(self.dims) - 2)
        return n_byte


def _always(_: Options) -> bool:
    return True


def _phase(options: Options) -> bool:
    return not options.is_offset


def _diagnose(options: Options) -> bool:
    return options.diagnose


def _std(options: Options) -> bool:
    return options.std


def _dem_error(options: Options) -> bool:
    return options.dem_error


SERIES, MAP = ("date", "y", "x"), ("y", "x")
VARIABLES: Mapping[str, Variable] = {
    "displacement": Variable(
        "f4",
        SERIES,
        {"units": "m", "long_name": "line-of-sight displacement, positive towards the satellite"},
        _always,
    ),
    "temporal_coherence": Variable("f4", MAP, {"units": "1", "long_name": "temporal coherence"}, _phase),
    "residual_rms": Variable(
        "f4", MAP, {"units": "rad", "long_name": "root mean square of the residual phase"}, _always
    ),
    "pair_count": Variable("u4", MAP, {"units": "1", "long_name": "number of interferograms used"}, _always),
    "n_components": Variable(
        "u1", MAP, {"units": "1", "long_name": "number of connected parts of the network"}, _always
    ),
    "status": Variable(
        "u1",
        MAP,
        {
            "long_name": "why there is, or is no, answer",
            "flag_values": [int(status) for status in Status],
            "flag_meanings": Status.meanings(),
        },
        _always,
    ),
    "gap_filled": Variable(
        "u1",
        SERIES,
        {
            "long_name": "whether the step from the date before follows from a rule, not from observations",
            "flag_values": [0, 1],
            "flag_meanings": "observed gap_filled",
        },
        _always,
    ),
    "displacement_std": Variable(
        "f4",
        SERIES,
        {
            "units": "m",
            "long_name": "standard deviation of the displacement since the reference date, "
            "by decorrelation; without that of a DEM error that was taken off",
        },
        _std,
    ),
    "displacement_cov": Variable(
        "f4",
        ("date", "date2", "y", "x"),
        {"units": "m2", "long_name": "covariance of the displacements since the reference date"},
        lambda options: options.covariance,
    ),
    "closure_rms": Variable(
        "f4", MAP, {"units": "rad", "long_name": "root mean square of the closure phases"}, _diagnose
    ),
    "misclosed_count": Variable(
        "u4", MAP, {"units": "1", "long_name": "triplets whose closure is beyond pi"}, _diagnose
    ),
    "triplet_count": Variable(
        "u4", MAP, {"units": "1", "long_name": "triplets of interferograms used"}, _diagnose
    ),
    "dem_error": Variable(
        "f4", MAP, {"units": "m", "long_name": "height that the DEM lacks, already taken off"}, _dem_error
    ),
    "dem_error_std": Variable(
        "f4", MAP, {"units": "m", "long_name": "standard deviation of the DEM error"}, _dem_error
    ),
}


# Rounded where that is wanted, as they take the room; maps do not, and are compared with thresholds.
QUANTIZED = ("displacement", "displacement_std", "displacement_cov")

_OF_OFFSETS: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("range_offset", "displacement"): {
        "long_name": "displacement in slant range, positive towards the satellite"
    },
    ("azimuth_offset", "displacement"): {"long_name": "displacement in azimuth, in the sense of the offsets"},
    ("range_offset", "residual_rms"): {"units": "pixel", "long_name": "root mean square of the residual"},
    ("azimuth_offset", "residual_rms"): {"units": "pixel", "long_name": "root mean square of the residual"},
}


def wanted_variables(options: Options) -> dict[str, Variable]:
    """Give the variables that the options ask for, by name."""
    return {
        name: variable._replace(attrs=_attributes(name, variable, options))
        for name, variable in VARIABLES.items()
        if variable.is_wanted(options)
    }


def kinds_of(options: Options, n_date: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Give of each variable the lengths of the axes before y and x, and its dtype."""
    return {
        name: ((n_date,) * (len(variable.dims) - 2), np.dtype(variable.dtype))
        for name, variable in wanted_variables(options).items()
    }


def _attributes(name: str, variable: Variable, options: Options) -> dict[str, Any]:
    found = {**variable.attrs, **_OF_OFFSETS.get((options.observation, name), {})}
    return found | (quantization_attributes(options.keep_bits) if name in QUANTIZED else {})


def bytes_of_result(options: Options, n_date: int) -> int:
    """Memory of a pixel of the result [byte]."""
    return sum(variable.bytes_of_pixel(n_date) for variable in wanted_variables(options).values())
