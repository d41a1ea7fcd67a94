"""Common parts of the solvers that take observations as stored in the file.

One is for the GPU (:mod:`fringefleet.solver.fused.solver`), one for the CPU
(:mod:`fringefleet.solver.compiled.solver`). Their kernels return sums and counts, from which everything else
is derived here.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.solver import elimination
from fringefleet.solver.config import Method
from fringefleet.solver.eliminated import Eliminated, label_eliminated
from fringefleet.solver.measures import of_sums
from fringefleet.solver.raw import GIVEN, Prepare, Raw, Rules
from fringefleet.solver.solution import PixelFacts, Solution, finish_solution


class KernelWorkspace(Eliminated):
    """Buffers for batches of one shape, dtype and device; parameters as for :class:`Eliminated`.

    Residuals, their weights and the factors are kept only if requested: they take more memory than everything
    else.
    """

    def __init__(self, plan: EliminationPlan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(plan, n_pixel, dtype, device)
        self.keeps_rows = False  # residual and weight of every pair
        self.keeps_factor = False  # edges become factors f
        self.keeps_variances = False
        self.sums = self.buffer(4)  # of squares, cosines, sines, weighted squares of the residuals
        self.counts = self.buffer(4, torch.int32)  # components, pairs, fewest pairs of a date, is unsettled

    def keep(self, *, rows: bool, factor: bool, variances: bool) -> None:
        """Choose what is kept of a batch: residual and weight of every pair; the factor; variances."""
        self.keeps_rows, self.keeps_factor, self.keeps_variances = rows, factor, variances

    def label_parts(self, pixels: Int[Tensor, "chosen"]) -> Int[Tensor, "date chosen"]:
        """Number the connected components of some pixels from 0, that of the root."""
        return label_eliminated(self, pixels)

    def make_solution(
        self,
        series: Float[Tensor, "date pixel"],
        converged: Bool[Tensor, "pixel"] | None,
        again: Callable[..., Solution],
        prepare: Prepare,
        method: Method,
    ) -> Solution:
        """Make a solution from the results of the kernel, and solve unsettled pixels again in float64.

        Parameters
        ----------
        series
            Phases [rad], each component of a disconnected network at any level. Overwritten.
        converged
            Whether the reweighting converged; None where there was none.
        again
            Function that solves the unsettled pixels, as :func:`fringefleet.solver.elimination.solve` does.
        prepare
            Function that returns their phases and weights.
        method
            Method of the solution.

        Returns
        -------
        Solution
            A new set of tensors.
        """
        n_components, pair_count, fewest, is_unsettled = self.counts.clone()
        measured = of_sums(pair_count, *self.sums[:3].clone())
        facts = PixelFacts(*measured, n_components, fewest < method.min_redundancy)
        solution = finish_solution(self.observations, series, facts, self.label_parts, method)
        solution = solution._replace(converged=converged)
        unsettled = torch.nonzero(is_unsettled)[:, 0]
        if len(unsettled) and self.dtype != torch.float64:
            elimination.solve_again(again, solution, self, unsettled, prepare, method)
        return solution


def as_given(
    phase: Float[Tensor, "pair pixel"], weight: Float[Tensor, "pair pixel"]
) -> tuple[Raw, Rules, Prepare]:
    """Return phases [rad] and weights [rad^-2] in the form of raw observations for a kernel."""
    return Raw(phase, weight), GIVEN, partial(elimination.some, phase, weight)
