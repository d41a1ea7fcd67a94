"""Batches of pixels on the device: observations weighed, solved and measured, with a status per pixel.

This is the only module that chooses the dtype.
:mod:`fringefleet.engine.weighing` defines what counts as an observation, and its weight.
"""

from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fringefleet.engine.context import InversionContext
from fringefleet.engine.pixel_status import find_status, has_no_answer, leave_blank
from fringefleet.engine.rules import method_of
from fringefleet.engine.solver_choice import choose_solver, load_solver
from fringefleet.engine.transfer import RawBatch
from fringefleet.engine.weighing import Weighing
from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.options import Options
from fringefleet.products.base import SolvedBatch, SolverWork
from fringefleet.products.pair_sums import has_pair_sums, sums_of_batch, zero_pair_sums
from fringefleet.products.registry import batch_needs, products_for
from fringefleet.solver import uncertainty
from fringefleet.solver.base import RawWork, SolverWorkspace, is_raw
from fringefleet.solver.compiled.available import has_numba
from fringefleet.solver.config import Method
from fringefleet.solver.measures import factor_of_sum
from fringefleet.solver.observations import batches
from fringefleet.solver.solution import Solution
from fringefleet.solver.temporal_model import TemporalModel, temporal_columns
from fringefleet.solver.time_factor import propagate_factor
from fringefleet.solver.time_fit import Propagate


class BatchResult(NamedTuple):
    """Result of a batch."""

    variables: dict[str, Tensor]  # (..., pixel), by name of the result's variable, on the device
    pair_sums: NDArray[np.float64]  # (sum, pair); zero where not requested


class BatchSolver:
    """Solver for batches of one shape, from any block: their options, buffers and device."""

    def __init__(
        self,
        plan: EliminationPlan,
        scene: InversionContext,
        options: Options,
        n_pixel: int,
        device: torch.device,
    ) -> None:
        self.dtype = torch.float64 if options.dtype == "float64" else torch.float32
        self.plan, self.scene, self.options = plan, scene, options
        self.n_pixel, self.device = n_pixel, device
        self.method, self.needs = _method(scene, options), batch_needs(options)
        self.solver = load_solver(choose_solver(options))
        self.raw = self._prepare_raw_solver()
        form = plan, n_pixel, self.dtype, device
        self.workspace: SolverWorkspace = self.raw.workspace if self.raw else self.solver.Workspace(*form)
        work = SolverWork(plan, options, self.workspace, self.raw, scene.moments)
        self.products = [product.begun(work) for product in products_for(options)]
        self.weighing = Weighing(scene, options, self.dtype, device)

    def _prepare_raw_solver(self) -> RawWork | None:
        """Create the buffers of a solver of raw observations, which keep what products need of a batch."""
        if not is_raw(self.solver):
            return None
        self.solver.check_ready(self.device)
        workspace = self.solver.Workspace(self.plan, self.n_pixel, self.dtype, self.device)
        rows, factor, variances = (need in self.needs for need in ("rows", "factor", "variances"))
        workspace.keep(rows=rows, factor=factor, variances=variances)
        return RawWork(self.solver, workspace)

    def invert(self, raw: RawBatch, *, n_done: int = 0) -> BatchResult:
        """Invert a batch of pixels; the first ``n_done`` are excluded from all sums."""
        solved = self._solved(raw)
        variables = {name: values for compute in self.products for name, values in compute(solved).items()}
        blank = has_no_answer(solved.status)
        leave_blank(variables, blank)
        return BatchResult(variables, self._sum_pairs(blank, n_done))

    def _solved(self, raw: RawBatch) -> SolvedBatch:
        """Weigh and solve; the buffer of the phase is reused for the displacement."""
        solution = self._solve(raw)
        land = None if raw.water_mask is None else raw.water_mask[0]
        unit_variance = self._unit_variance(solution) if "unit_variance" in self.needs else None
        return SolvedBatch(
            displacement=solution.phase.mul_(self.scene.metres_per_unit),
            temporal_coherence=solution.temporal_coherence,
            residual_rms=solution.residual_rms,
            pair_count=solution.pair_count,
            n_components=solution.n_components,
            status=find_status(solution, land, self.options.gap_rule),
            gap_filled=solution.gap_filled,
            dem=solution.dem,
            range_sine=self.scene.range_sine if raw.range_sine is None else raw.range_sine[0].to(self.dtype),
            unit_variance=unit_variance,
            propagate=self._propagation(unit_variance),
        )

    def _solve(self, raw: RawBatch) -> Solution:
        """Weigh and solve, in one kernel or one after the other."""
        if self.raw is not None:
            prepare = partial(self.weighing.prepare_pixels, raw)
            given = *self.weighing.for_kernel(raw), prepare
            return self.raw.solver.solve_raw(self.raw.workspace, *given, method=self.method)
        phase, weight = self._phase_and_weight
        # On a CPU a few rows at a time, which stay in cache; on a GPU all in one launch.
        for rows in batches(len(phase)) if self.device.type == "cpu" else [slice(None)]:
            self.weighing.prepare(raw, rows, phase[rows], weight[rows])
        return self.solver.solve(self.workspace, phase, weight, method=self.method)

    @cached_property
    def _phase_and_weight(self) -> tuple[Tensor, Tensor]:
        """Return buffers for a solver that does not weigh."""
        shape = (self.plan.network.n_pair, self.n_pixel)
        phase, weight = (torch.empty(shape, dtype=self.dtype, device=self.device) for _ in range(2))
        return phase, weight

    def _unit_variance(self, solution: Solution) -> Tensor:
        """Return the variance of an observation of weight 1 [m^2]; formal, or from the residuals."""
        square = self.scene.metres_per_unit**2
        if self.options.is_formal:
            return torch.ones((), dtype=self.dtype, device=self.device) * square
        counts = solution.pair_count, solution.n_components
        if self.raw is not None:
            redundancy = sum(counts) - self.plan.network.n_date
            found: Tensor = factor_of_sum(self.raw.workspace.sums[3], redundancy) * square
            return found
        return uncertainty.variance_factor(self.workspace.observations, *counts) * square

    def _propagation(self, unit_variance: Tensor | None) -> Propagate | None:
        """Return what propagates the covariance of the dates to parameters, where the factor is kept."""
        if unit_variance is None or "factor" not in self.needs:
            return None
        factor = uncertainty.factor_of(self.workspace)
        return partial(propagate_factor, factor, unit_variance, is_compiled=has_numba())

    def _sum_pairs(self, blank: Tensor, n_done: int) -> NDArray[np.float64]:
        if not has_pair_sums(self.options):
            return zero_pair_sums(self.plan.network)
        keep = (~blank).to(self.dtype)
        keep[:n_done] = 0
        return sums_of_batch(self.workspace.observations, keep)


def _method(scene: InversionContext, options: Options) -> Method:
    columns = None
    if options.dem_error:
        baseline = np.array(scene.baseline)
        model = TemporalModel(options.polynomial_order, options.atmosphere_std)
        columns = torch.from_numpy(temporal_columns(scene.network, baseline, scene.wavelength, model))
    return method_of(options, columns)
