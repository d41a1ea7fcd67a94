"""Median of every pair over the whole scene, of the offsets that a mask keeps for their precision."""

import logging
import warnings

import numpy as np
import xarray as xr
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_BYTES_AT_ONCE = 256 * 1024**2  # of offsets and standard deviations together


def unmasked_medians(
    offset: xr.DataArray, reference_values: NDArray[np.float32], std: xr.DataArray, threshold: float
) -> NDArray[np.float32]:
    """Read all offsets once and compute the median of each pair, relative to the reference point.

    Parameters
    ----------
    offset
        Offsets [pixel], (pair, y, x).
    reference_values
        Offset of each pair at the reference point [pixel], (pair,); zero where nothing is referenced.
    std
        Standard deviations [pixel], (pair, y, x); NaN counts as 0.
    threshold
        Offsets with a larger standard deviation are excluded.

    Returns
    -------
    ndarray
        Medians [pixel], (pair,), in float32 as in MintPy; NaN for a pair without any offset left.

    Notes
    -----
    MintPy (``ifgram_inversion.mask_stack_obs``) uses the median of each block that it reads, so that its
    masks depend on the memory available; over the whole scene it is the same for every tile.

    Examples
    --------
    >>> offset = xr.DataArray(np.array([[[1.0, 2.0, 9.0, np.nan]]], "f4"), dims=("pair", "y", "x"))
    >>> std = xr.DataArray(np.array([[[0.1, 0.1, 5.0, 0.1]]], "f4"), dims=("pair", "y", "x"))
    >>> unmasked_medians(offset, np.zeros(1, "f4"), std, 0.4)
    array([1.5], dtype=float32)
    """
    n_pair, n_pixel = offset.sizes["pair"], offset.sizes["y"] * offset.sizes["x"]
    at_once = max(1, _BYTES_AT_ONCE // (2 * 4 * n_pixel))
    logger.info("reading the scene once for the median of each pair, which the mask needs")
    medians = np.empty(n_pair, np.float32)
    for first in range(0, n_pair, at_once):
        pairs = slice(first, min(first + at_once, n_pair))
        values = np.asarray(offset.isel(pair=pairs).values, np.float32)
        known = np.nan_to_num(std.isel(pair=pairs).values, nan=0)
        for k in range(pairs.start, pairs.stop):
            medians[k] = _median(values[k - first], known[k - first] <= threshold, reference_values[k])
    return medians


def _median(values: NDArray[np.float32], keep: NDArray[np.bool_], reference: np.float32) -> np.float32:
    kept = values[keep]
    kept[kept != 0] -= reference  # an offset of 0 stays 0, as everywhere
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the median of nothing but NaN is NaN
        return np.float32(np.nanmedian(kept))
