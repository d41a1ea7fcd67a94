"""Limits of colour scales of maps, by what the record of a variable asks for."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.products.base import ColourLimits


def robust(values: NDArray[Any]) -> dict[str, float]:
    """Limits of a colour scale that a few outliers do not stretch."""
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [0.2, 99.8]) if finite.size else (0.0, 1.0)
    return {"vmin": float(low), "vmax": float(high if high > low else low + 1)}


def symmetric(values: NDArray[Any]) -> dict[str, float]:
    """Limits of a colour scale with zero in the middle."""
    limit = robust(np.abs(values))["vmax"]
    return {"vmin": -limit, "vmax": limit}


def _from_zero_to_one(_: NDArray[Any]) -> dict[str, float]:
    return {"vmin": 0, "vmax": 1}


def _from_zero(values: NDArray[Any]) -> dict[str, float]:
    return {"vmin": 0, "vmax": robust(values)["vmax"]}


LIMITS: Mapping[ColourLimits, Callable[[NDArray[Any]], dict[str, float]]] = {
    "symmetric": symmetric,
    "robust": robust,
    "from 0": _from_zero,
    "0 to 1": _from_zero_to_one,
}
