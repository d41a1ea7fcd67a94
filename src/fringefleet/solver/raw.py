"""Observations as stored in the file, and the rules by which a kernel makes phases and weights from them.

Values are NumPy arrays, or tensors: a kernel for the CPU takes either.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

# Weights: as given, all 1, three functions of the coherence, the inverse variance of an offset
WeightRule = Literal["given", "none", "var", "fim", "coh", "offset"]
# Masks keep values at or above the threshold, above zero, or offsets by their standard deviation
MaskRule = Literal["none", "at least", "positive", "std"]
Prepare = Callable[[Any], tuple[Any, Any]]  # returns phase and weight of the given pixels


class Raw(NamedTuple):
    """Observations of some pixels in the dtypes of the file; arrays that no rule needs are None."""

    observed: Any  # (pair, pixel) [rad], or [pixel] of an offset
    beside: Any = None  # (pair, pixel): weight, coherence or standard deviation, depending on the rule
    mask: Any = None  # (pair, pixel)
    land: Any = None  # (pixel,): pixels to invert; all by default


class Rules(NamedTuple):
    """Rules by which raw observations become phases and weights; None where no rule needs a value.

    Attributes
    ----------
    weight, mask, is_offset
        Kind of weights, of mask, and of observations.
    reference
        Observation of each pair at the reference point.
    table
        Table of weights for ``var``, or twice the number of looks for ``fim``.
    limits
        Threshold of the mask, and that of offsets that stand out from ``medians``.
    medians
        Median of the offsets of each pair.
    """

    weight: WeightRule = "given"
    mask: MaskRule = "none"
    is_offset: bool = False
    reference: Any = None  # (pair,)
    table: Any = None  # (bin,), or one number
    limits: Any = None  # (2,) float64
    medians: Any = None  # (pair,) float32


GIVEN = Rules()
