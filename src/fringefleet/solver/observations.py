"""Which observations count: phases and weights, cleaned and put in the order of the plan.

An observation is valid where its phase is finite and its weight is a positive number. Everything else
is *missing*: zero weight, zero phase. So an infinite phase, a NaN, a netCDF fill value of 1e37 or a
weight of infinity is a masked observation and never a NaN in the output.

The limits are wide and make overflow impossible further on. They are tested in arithmetic and not with
boolean masks, which cost ten times as much in torch on a CPU: ``x * big`` is infinite just where x is no
reasonable number, and then ``x * big - x * big`` is NaN, else zero.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int
from torch import Tensor

from fringefleet.plan import Plan

LARGEST_PHASE = 1e10  # [rad]
LARGEST_WEIGHT = 1e17  # [rad^-2]; the ratio of any two is still a float32
SMALLEST_WEIGHT = 1e-17
ROWS_AT_ONCE = 4  # rows that are handled in one operation; they stay in cache


class Observations:
    """Room for the phases and weights of a batch, in the rows and the orientation of the plan.

    Parameters
    ----------
    plan
        The network's elimination.
    n_pixel
        Pixels in every batch.
    dtype, device
        Of the numbers.
    """

    def __init__(self, plan: Plan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (plan.network.n_pair, n_pixel)
        ends = torch.tensor(plan.network.pair_array, device=device)
        self.plan = plan
        self.phase = torch.zeros(shape, dtype=dtype, device=device)  # later, what is left of it
        self.weight = torch.zeros(shape, dtype=dtype, device=device)
        self.order = torch.tensor(plan.pair_order, device=device)
        self.sign = torch.tensor(plan.pair_sign, dtype=dtype, device=device)[:, None]
        self.ends = ends[self.order]  # (pair, 2): date indices
        self.scratch = torch.zeros((2, ROWS_AT_ONCE, n_pixel), dtype=dtype, device=device)

    def load(self, phase: Float[Tensor, "pair pixel"], weight: Float[Tensor, "pair pixel"]) -> None:
        """Take in the phases [rad] and weights [rad^-2] of a batch, in the order of the network."""
        for rows in batches(len(phase)):
            torch.index_select(phase, 0, self.order[rows], out=self.phase[rows])
            torch.index_select(weight, 0, self.order[rows], out=self.weight[rows])
            self.phase[rows].mul_(self.sign[rows])
            _clean(self.phase[rows], self.weight[rows], self.scratch[0])

    def fewest_pairs(self) -> Int[Tensor, "pixel"]:
        """Smallest number of valid pairs that any date but the anchor has at each pixel.

        MintPy: ``minRedundancy`` in ``ifgram_inversion.estimate_timeseries``.
        """
        valid = torch.sign(self.weight)  # as floating point: many times faster than integers
        count = valid.new_zeros((self.plan.network.n_date, valid.shape[1]))
        for ends in self.ends.T:
            count.index_add_(0, ends, valid)
        count[self.plan.network.anchor] = self.plan.network.n_pair
        return count.amin(0).to(torch.int32)


def batches(n_row: int) -> list[slice]:
    """Cut rows into pieces that stay in cache."""
    return [slice(a, min(a + ROWS_AT_ONCE, n_row)) for a in range(0, n_row, ROWS_AT_ONCE)]


def _clean(phase: Tensor, weight: Tensor, scratch: Tensor) -> None:
    """Zero phase and weight of every observation that is not valid, in place."""
    big = torch.finfo(phase.dtype).max
    scratch = scratch[: len(phase)]
    torch.mul(phase, big / LARGEST_PHASE, out=scratch)
    scratch.sub_(scratch)  # 0, or NaN where the phase is no reasonable number
    phase.add_(scratch)
    weight.add_(scratch)
    torch.mul(weight, big / LARGEST_WEIGHT, out=scratch)
    scratch.sub_(scratch)  # 0, or NaN where the weight is none
    weight.add_(scratch)
    torch.nan_to_num(phase, nan=0.0, out=phase)
    torch.nan_to_num(weight, nan=0.0, out=weight)
    F.threshold(weight, SMALLEST_WEIGHT, 0.0, inplace=True)
