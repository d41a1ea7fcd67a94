"""Valid observations of a batch: phases and weights, cleaned and in the order of the plan.

An observation is valid where its phase is finite and its weight is a positive number. Everything else
is *missing*: zero weight, zero phase. An infinite phase, a NaN, a netCDF fill value of 1e37 or an
infinite weight is thus a masked observation and never a NaN in the output.

The limits are wide and make overflow impossible further on. They are tested by arithmetic and not by
boolean masks, which cost ten times as much in torch on a CPU: multiplied by a large power of two, which is
exact, just the values above the limit become infinite.
"""

import math
from functools import cached_property

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver.limits import LARGEST_PHASE, LARGEST_WEIGHT, SMALLEST_WEIGHT

ROWS_AT_ONCE = 8  # rows processed in one operation: enough to be worth a call


class Observations:
    """Buffers for the phases and weights of a batch, in the rows and the orientation of the plan.

    They are allocated at first use: a kernel that reads raw observations needs none.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    n_pixel
        Number of pixels per batch.
    dtype, device
        Dtype and device of the values.
    """

    def __init__(self, plan: EliminationPlan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        self.shape, self.dtype, self.device = (plan.network.n_pair, n_pixel), dtype, device
        ends = torch.tensor(plan.network.pair_array, device=device)
        self.plan = plan
        self.order = torch.tensor(plan.pair_order, device=device)
        self.sign = torch.tensor(plan.pair_sign, dtype=dtype, device=device)[:, None]
        self.ends = ends[self.order]  # (pair, 2): date indices
        infinite = math.frexp(torch.finfo(dtype).max)[1]  # 2 to this power, and above
        self.phase_scale = 2.0 ** (infinite - int(math.log2(LARGEST_PHASE)))
        self.weight_scale = 2.0 ** (infinite - int(math.log2(LARGEST_WEIGHT)))
        self.signed_scale = self.sign * self.phase_scale

    @cached_property
    def residual(self) -> Float[Tensor, "pair pixel"]:
        """Residual phases [rad]: the observed phases until a series is subtracted."""
        return torch.zeros(self.shape, dtype=self.dtype, device=self.device)

    @cached_property
    def weight(self) -> Float[Tensor, "pair pixel"]:
        """Weights [rad^-2]."""
        return torch.zeros(self.shape, dtype=self.dtype, device=self.device)

    @cached_property
    def scratch(self) -> Float[Tensor, "2 row pixel"]:
        """Scratch buffer for one operation."""
        return torch.zeros((2, ROWS_AT_ONCE, self.shape[1]), dtype=self.dtype, device=self.device)

    def load(self, phase: Float[Tensor, "pair pixel"], weight: Float[Tensor, "pair pixel"]) -> None:
        """Load the phases [rad] and weights [rad^-2] of a batch, in the order of the network."""
        for rows in batches(len(phase)):
            torch.index_select(phase, 0, self.order[rows], out=self.residual[rows])
            torch.index_select(weight, 0, self.order[rows], out=self.weight[rows])
            self._clean(rows)

    def _clean(self, rows: slice) -> None:
        """Orient the phases; set the weight of invalid observations and unusable phases to zero."""
        phase, weight = self.residual[rows], self.weight[rows]
        scratch = self.scratch[0, : len(phase)]
        phase.mul_(self.signed_scale[rows])
        torch.mul(phase, 0.0, out=scratch)  # 0, or NaN where the phase is not a reasonable number
        torch.nan_to_num(phase, 0.0, 0.0, 0.0, out=phase)
        phase.mul_(1 / self.phase_scale)
        torch.add(scratch, weight, alpha=self.weight_scale, out=weight)
        torch.nan_to_num(weight, 0.0, 0.0, 0.0, out=weight)
        F.threshold(weight, SMALLEST_WEIGHT * self.weight_scale, 0.0, inplace=True)
        weight.mul_(1 / self.weight_scale)

    def fewest_pairs(self, pixels: Int[Tensor, "chosen"] | None = None) -> Int[Tensor, "_"]:
        """Return the smallest number of valid pairs of any date except the anchor, at all pixels or some.

        MintPy: ``minRedundancy`` in ``ifgram_inversion.estimate_timeseries``.
        """
        weight = self.weight if pixels is None else self.weight[:, pixels]
        valid = torch.sign(weight)  # as floating point: many times faster than integers
        count = valid.new_zeros((self.plan.network.n_date, valid.shape[1]))
        for ends in self.ends.T:
            count.index_add_(0, ends, valid)
        count[self.plan.network.anchor] = self.plan.network.n_pair
        return count.amin(0).to(torch.int32)


def batches(n_row: int) -> list[slice]:
    """Cut rows into pieces that stay in cache."""
    return [slice(a, min(a + ROWS_AT_ONCE, n_row)) for a in range(0, n_row, ROWS_AT_ONCE)]
