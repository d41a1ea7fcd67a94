"""The elimination of :mod:`fringefleet.solver.elimination`, compiled for the CPU by numba.

Same rules and results; the eager form is the reference that this one is tested against. The kernel
(:mod:`fringefleet.solver.compiled.kernel`) takes observations as stored in the file and completes a vector of
pixels, which stays near a core, before it continues. Memory access, which limits an elimination in torch,
therefore hardly matters.

A pixel's result has the same bits wherever it is in a batch and whatever its neighbours are. The rare pixels
for which float32 is not accurate enough are solved again in float64, in torch.
"""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fringefleet.errors import DeviceError
from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver import elimination
from fringefleet.solver.compiled.batches import Vectors, check_numba
from fringefleet.solver.compiled.irls import Reweighting
from fringefleet.solver.compiled.kernel import VectorAnswer
from fringefleet.solver.compiled.variances import VectorVariances
from fringefleet.solver.config import Method
from fringefleet.solver.raw import Prepare, Raw, Rules
from fringefleet.solver.raw_solver import KernelWorkspace, as_given
from fringefleet.solver.solution import Solution
from fringefleet.solver.subsets import pad

# Iterations of a norm for all pixels of a batch; those with more start again together, with so many times
# as many, in parts of a batch, and so on
_TOGETHER = {"l2": 0, "huber": 16, "l1": 16}
_LONGER = 3
_REST = 8


class Workspace(KernelWorkspace):
    """Memory for vectors of pixels, and for the results of batches of one shape, dtype and device.

    Parameters as for :class:`~fringefleet.solver.eliminated.Eliminated`; the device is a CPU.
    """

    def __init__(self, plan: EliminationPlan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(plan, n_pixel, dtype, device)
        self.vectors = Vectors(plan, np.dtype(str(dtype).removeprefix("torch.")))

    @cached_property
    def variance(self) -> Float[Tensor, "date pixel"]:
        """Variances relative to the root where weights are inverse variances, if requested."""
        return self.buffer(self.plan.network.n_date)

    @cached_property
    def labels(self) -> Int[Tensor, "date pixel"]:
        """Indices of the components of the dates, at pixels that have several."""
        return self.buffer(self.plan.network.n_date, torch.int32)

    @cached_property
    def converged(self) -> Bool[Tensor, "pixel"]:
        """Whether the reweighting converged, if requested."""
        return torch.zeros(self.n_pixel, dtype=torch.bool)

    @cached_property
    def part(self) -> "Workspace":
        """Workspace of the same kind for some of the pixels of a batch."""
        part = Workspace(self.plan, -(-self.n_pixel // _REST), self.dtype, self.device)
        part.vectors = self.vectors  # which are used in turn
        return part

    def take(self, part: "Workspace", pixels: Int[Tensor, "chosen"]) -> None:
        """Copy the results of some pixels from a smaller workspace that keeps the same data."""
        names = ["sums", "counts", "labels", "converged"]
        names += ["edge", "inverse"] * self.keeps_factor + ["variance"] * self.keeps_variances
        for name in names:
            getattr(self, name)[..., pixels] = getattr(part, name)[..., : len(pixels)]
        if self.keeps_rows:
            self.observations.residual[:, pixels] = part.observations.residual[:, : len(pixels)]
            self.observations.weight[:, pixels] = part.observations.weight[:, : len(pixels)]

    def label_parts(self, pixels: Int[Tensor, "chosen"]) -> Int[Tensor, "date chosen"]:
        """Number the components of some pixels from 0, that of the root; only where there are several."""
        return self.labels[:, pixels].long()

    def smaller(self, n_pixel: int, dtype: torch.dtype | None = None) -> Any:
        """Return a workspace of the eager form for some pixels of a batch, the same one each time."""
        key = n_pixel, dtype or self.dtype
        if key not in self._smaller:
            self._smaller[key] = elimination.Workspace(self.plan, *key, self.device)
        return self._smaller[key]


def solve(
    workspace: Workspace,
    phase: Float[Tensor, "pair pixel"],
    weight: Float[Tensor, "pair pixel"],
    *,
    method: Method = Method(),  # noqa: B008 - frozen
) -> Solution:
    """Invert a batch of pixels; same arguments, results and rules as the elimination solver's."""
    return solve_raw(workspace, *as_given(phase, weight), method=method)


def solve_raw(
    workspace: Workspace,
    raw: Raw,
    rules: Rules,
    prepare: Prepare,
    *,
    method: Method = Method(),  # noqa: B008 - frozen
) -> Solution:
    """Invert a batch of pixels whose observations are as stored in the file.

    Arguments and results as for :func:`fringefleet.solver.fused.solver.solve_raw`.
    """
    work = workspace
    work.keeps_rows |= method.columns is not None  # the weights of all pairs are part of it
    series = _run_kernel(work, raw, rules, prepare, method, _TOGETHER[method.norm])
    converged = None if method.norm == "l2" else work.converged.clone()
    return work.make_solution(series, converged, elimination.solve, prepare, method)


def _run_kernel(
    work: Workspace, raw: Raw, rules: Rules, prepare: Prepare, method: Method, n_round: int
) -> Float[Tensor, "date pixel"]:
    """Invert all pixels; return the series. Those that need more iterations are done together at the end."""
    n_round = min(n_round, method.max_iterations)
    series = torch.empty((work.plan.network.n_date, work.n_pixel), dtype=work.dtype)
    rounds, spread, answer = _arguments(work, series, method, n_round)
    counts_all = bool(method.min_redundancy > 1)
    work.vectors.invert(raw, rules, answer, rounds=rounds, spread=spread, fewest_of_all=counts_all)
    if rounds is None or n_round == method.max_iterations:
        return series
    left, part = torch.nonzero(~work.converged)[:, 0], work.part
    part.keep(rows=work.keeps_rows, factor=work.keeps_factor, variances=work.keeps_variances)
    for pixels in torch.split(left, part.n_pixel) if len(left) else ():
        phase, weight = prepare(pad(pixels, part.n_pixel))
        found = _run_kernel(part, *as_given(phase, weight), method, _LONGER * n_round)
        work.take(part, pixels)
        series[:, pixels] = found[:, : len(pixels)]
    return series


def standard_deviations(workspace: Workspace, unit: Float[Tensor, "pixel"]) -> Float[Tensor, "date pixel"]:
    """Compute the standard deviation of every date relative to the root, for the last batch.

    Parameters
    ----------
    workspace
        Workspace that kept the variances of that batch.
    unit
        Variance of an observation of weight 1, in the square of the desired unit.

    Returns
    -------
    Tensor
        A new tensor, dates in the order of the network. Zero at the root; NaN where no valid pairs connect
        a date to the root, as for :func:`fringefleet.solver.uncertainty.selected_variances`.
    """
    std = (workspace.variance * unit).sqrt_()
    std[workspace.plan.root] = 0  # whatever the unit is
    return std


def check_ready(device: torch.device) -> None:
    """Reject a device other than the CPU, and a numba whose compilation is disabled.

    Raises
    ------
    DeviceError
        Either is the case.
    """
    check_numba()
    if device.type != "cpu":
        raise DeviceError(
            f"found device {device}; the compiled solver runs on the CPU. Choose --device cpu, or the fused "
            "solver."
        )


def _arguments(
    work: Workspace, series: Tensor, method: Method, n_round: int
) -> tuple[Reweighting | None, VectorVariances | None, VectorAnswer]:
    """Return the arguments of the kernel as NumPy arrays; those not requested are empty or None."""
    kept = (work.sums.numpy(), work.counts.numpy(), work.labels.numpy())
    answer = work.vectors.answer_of(series.numpy(), 0, *kept)
    rounds = spread = None
    if work.keeps_rows:
        seen = work.observations
        answer = answer._replace(residual=seen.residual.numpy(), weight=seen.weight.numpy())
    if work.keeps_factor:
        answer = answer._replace(factor=work.edge.numpy(), inverse=work.inverse.numpy())
    if method.norm != "l2":
        rounds = Reweighting(*work.vectors.deviation, method.norm == "l1", method.huber_threshold, n_round)
        answer = answer._replace(converged=work.converged.numpy())
    if work.keeps_variances:
        spread = work.vectors.spread
        answer = answer._replace(variance=work.variance.numpy())
    return rounds, spread, answer
