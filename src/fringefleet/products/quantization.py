"""Rounding of floating-point values to fewer significant bits, so that they compress better.

The values remain plain float32 that every program reads: the bits that are not kept are zero. The method is
BitRound (round to nearest, ties to even), recorded as specified by CF 1.12 (section 8.4): ``quantization``
names a variable that describes the method, ``quantization_nsb`` is the number of mantissa bits kept. The
relative error is at most 2 ** -(bits + 1).

References
----------
Klower et al. (2021), doi:10.1038/s43588-021-00156-2, where the number of bits is called ``keepbits``.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
from numcodecs.bitround import BitRound
from numpy.typing import NDArray

CONTAINER = "quantization_info"  # name of the variable that describes the method
_ATTRIBUTE = "quantization_nsb"


def quantized(values: NDArray[np.float32], keep_bits: int) -> NDArray[np.float32]:
    """Round values to the given number of significant bits.

    NaN and infinity are left unchanged, and so are values that rounding would make infinite.

    Parameters
    ----------
    values
        Array of any shape and unit.
    keep_bits
        Number of mantissa bits to keep, from 1 to :data:`fringefleet.options.MOST_BITS`.

    Examples
    --------
    >>> quantized(np.array([0.1, -2.7, np.nan], np.float32), 3)
    array([ 0.1015625, -2.75     ,        nan], dtype=float32)
    """
    plain = np.ascontiguousarray(values)
    rounded: NDArray[np.float32] = np.asarray(BitRound(keep_bits).encode(plain)).view(np.float32)
    rounded = rounded.reshape(values.shape)
    is_kept = ~(np.isfinite(plain) & np.isfinite(rounded))
    if is_kept.any():
        rounded = np.where(is_kept, plain, rounded)
    return rounded


def quantization_attributes(keep_bits: int | None) -> dict[str, Any]:
    """Return the attributes of a rounded variable; empty if all bits are kept."""
    return {} if keep_bits is None else {"quantization": CONTAINER, _ATTRIBUTE: int(keep_bits)}


def quantization_info() -> tuple[tuple[()], np.int32, dict[str, str]]:
    """Return the variable that describes the rounding, in the form that xarray takes."""
    software = f"fringefleet version {version('fringefleet')} (numcodecs version {version('numcodecs')})"
    return (), np.int32(0), {"algorithm": "bitround", "implementation": software}


def bits_kept(attributes: Mapping[str, Any]) -> int | None:
    """Return the mantissa bits of a rounded variable, as its attributes state; None if not rounded."""
    found = attributes.get(_ATTRIBUTE)
    return None if found is None else int(found)
