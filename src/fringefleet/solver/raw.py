"""Observations as they are in the file, and the rules that make phases and weights of them, for a kernel."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

# Weights: given as they are, all 1, three functions of the coherence, the inverse variance of an offset
WeightRule = Literal["given", "none", "var", "fim", "coh", "offset"]
# Masks keep values of the threshold and above, above zero, or offsets by their standard deviation
MaskRule = Literal["none", "at least", "positive", "std"]
Prepare = Callable[[Int[Tensor, "chosen"]], tuple[Tensor, Tensor]]  # phase and weight of some pixels


class Raw(NamedTuple):
    """Some pixels in the dtypes of the file; what the rules do not need is None."""

    observed: Float[Tensor, "pair pixel"]  # [rad], or [pixel] of an offset
    beside: Tensor | None = None  # (pair, pixel): weight, coherence or standard deviation, as the rule is
    mask: Tensor | None = None  # (pair, pixel)
    land: Bool[Tensor, "pixel"] | None = None  # pixels to invert; all by default


class Rules(NamedTuple):
    """How raw observations become phases and weights; numbers on the device, None what no rule needs.

    ``reference``: what each pair observes at the reference point, in the dtype of the solver. ``table``, in
    the same: of weights for ``var``, or twice the number of looks for ``fim``. ``limits``: the threshold of
    the mask, and what it is for offsets that stand out from ``medians``.
    """

    weight: WeightRule = "given"
    mask: MaskRule = "none"
    is_offset: bool = False
    reference: Float[Tensor, "pair"] | None = None
    table: Float[Tensor, "_"] | None = None
    limits: Float64[Tensor, "2"] | None = None
    medians: Float[Tensor, "pair"] | None = None


GIVEN = Rules()
