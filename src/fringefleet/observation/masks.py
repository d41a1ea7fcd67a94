"""Masking of observations by another dataset of the stack.

As in MintPy (``ifgram_inversion.mask_stack_obs``), everything is compared in the dtype of the file, and
missing values count as 0. Observations are kept where:

- ``coherence`` and ``offset_snr`` are at or above the threshold;
- ``connected_component`` is above 0;
- ``range_offset_std`` and ``azimuth_offset_std`` are at or below the threshold; or at or below five times
  the threshold where the offset differs from the median of its pair over the whole scene by ten standard
  deviations or more. The mask thus spares large offsets, which correlate poorly, but not small ones of the
  same standard deviation.
"""

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from fringefleet.choices import MaskDataset
from fringefleet.observation.quantity import (
    REGULARISATION,
    RELAXATION,
    SMALLEST_RATIO,
    STD_MASKS,
)


def keep_by_value(
    values: Float[Tensor, "pair pixel"] | Integer[Tensor, "pair pixel"],
    dataset: MaskDataset,
    threshold: float,
) -> Bool[Tensor, "pair pixel"]:
    """Return which observations a mask keeps by its own values alone.

    Examples
    --------
    >>> keep_by_value(torch.tensor([[0.3, 0.4, float("nan")]]), "coherence", 0.4)
    tensor([[False,  True, False]])
    """
    known = torch.nan_to_num(values, nan=0)
    if dataset == "connected_component":
        return known > 0
    return known <= threshold if dataset in STD_MASKS else known >= threshold


def keep_by_std(
    std: Float[Tensor, "pair pixel"],
    observed: Float[Tensor, "pair pixel"],
    medians: Float[Tensor, "pair 1"],
    threshold: float,
) -> Bool[Tensor, "pair pixel"]:
    """Return which offsets are kept for their small standard deviation, or because they stand out.

    Parameters
    ----------
    std
        Standard deviation [pixel]; NaN counts as 0.
    observed
        Offsets relative to the reference point [pixel].
    medians
        Median of the offsets of each pair whose standard deviation is at or below the threshold [pixel]; NaN
        where there are none.
    threshold
        Largest standard deviation [pixel].

    Examples
    --------
    >>> std, offset = torch.tensor([[0.1, 0.3, 0.3, 3.0]]), torch.tensor([[0.0, 1.0, 4.0, 90.0]])
    >>> keep_by_std(std, offset, torch.tensor([[0.0]]), 0.2)
    tensor([[ True, False,  True, False]])
    """
    known = torch.nan_to_num(std, nan=0)
    ratio = (observed - medians).abs_().div_(known + REGULARISATION)
    return (known <= threshold) | ((known <= RELAXATION * threshold) & (ratio >= SMALLEST_RATIO))
