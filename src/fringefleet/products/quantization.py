"""Rounding of floating-point numbers to fewer significant bits, so that they compress better.

The numbers stay plain float32 that every program reads: the bits that are not kept are zero. It is the method
BitRound (round to nearest, ties to even), recorded as CF 1.12 (section 8.4) has it: ``quantization`` names a
variable that says how, ``quantization_nsb`` how many bits of the mantissa are kept. The relative error is at
most 2 ** -(bits + 1).

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

CONTAINER = "quantization_info"  # the variable that says how it was done
_ATTRIBUTE = "quantization_nsb"


def quantized(values: NDArray[np.float32], keep_bits: int) -> NDArray[np.float32]:
    """Round numbers to so many significant bits.

    No data and infinity stay as they are, and so do numbers that would become infinite.

    Parameters
    ----------
    values
        Of any shape and unit.
    keep_bits
        Bits of the mantissa that are kept, from 1 to :data:`fringefleet.options.MOST_BITS`.

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
    """Give the attributes of a variable that is rounded; none if all bits are kept."""
    return {} if keep_bits is None else {"quantization": CONTAINER, _ATTRIBUTE: int(keep_bits)}


def quantization_info() -> tuple[tuple[()], np.int32, dict[str, str]]:
    """Give the variable that says how numbers were rounded, as xarray takes it."""
    software = f"fringefleet version {version('fringefleet')} (numcodecs version {version('numcodecs')})"
    return (), np.int32(0), {"algorithm": "bitround", "implementation": software}


def bits_kept(attributes: Mapping[str, Any]) -> int | None:
    """Read from the attributes of a variable to how many bits it is rounded; None if it is not."""
    found = attributes.get(_ATTRIBUTE)
    return None if found is None else int(found)
