"""Observations as they are in the file, and the rules that make phases and weights of them, for a kernel.

Numbers are arrays of NumPy, or tensors: a kernel for the CPU takes either.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

# Weights: given as they are, all 1, three functions of the coherence, the inverse variance of an offset
WeightRule = Literal["given", "none", "var", "fim", "coh", "offset"]
# Masks keep values of the threshold and above, above zero, or offsets by their standard deviation
MaskRule = Literal["none", "at least", "positive", "std"]
Prepare = Callable[[Any], tuple[Any, Any]]  # phase and weight of the pixels with some numbers


class Raw(NamedTuple):
    """Some pixels in the dtypes of the file; what the rules do not need is None."""

    observed: Any  # (pair, pixel) [rad], or [pixel] of an offset
    beside: Any = None  # (pair, pixel): weight, coherence or standard deviation, as the rule is
    mask: Any = None  # (pair, pixel)
    land: Any = None  # (pixel,): pixels to invert; all by default


class Rules(NamedTuple):
    """How raw observations become phases and weights; None is what no rule needs.

    ``reference``: what each pair observes at the reference point. ``table``: of weights for ``var``, or twice
    the number of looks for ``fim``. ``limits``: the threshold of the mask, and what it is for offsets that
    stand out from ``medians``.
    """

    weight: WeightRule = "given"
    mask: MaskRule = "none"
    is_offset: bool = False
    reference: Any = None  # (pair,)
    table: Any = None  # (bin,), or one number
    limits: Any = None  # (2,) float64
    medians: Any = None  # (pair,) float32


GIVEN = Rules()
