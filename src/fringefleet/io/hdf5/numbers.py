"""Conversion of values as HDF5's library does it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def copy_converted(values: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy values with HDF5's conversion: those too large for an integer become the largest one."""
    if values.dtype == target.dtype:
        target[...] = values
    elif values.dtype.kind == target.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            np.copyto(target, values, casting="same_kind")
        if values.dtype.itemsize > target.dtype.itemsize:
            _round_to_infinity(values, target)
    elif target.dtype.kind in "iu" and values.dtype.kind in "iu":
        least, most = np.iinfo(target.dtype), np.iinfo(values.dtype)
        low, high = max(least.min, most.min), min(least.max, most.max)
        np.copyto(target, np.clip(values, low, high), casting="unsafe")
    else:
        np.copyto(target, values, casting="unsafe")


def _round_to_infinity(values: NDArray[Any], target: NDArray[Any]) -> None:
    """Convert values slightly too large to infinity, as HDF5 does, and not to the largest number."""
    most = np.finfo(target.dtype).max
    largest = np.abs(target) == most
    if largest.any():
        beyond = largest & (np.abs(values) > values.dtype.type(most))
        target[beyond] = np.copysign(np.inf, target[beyond])
