"""A batch of pixels on the device: weighed, solved, measured, with a status.

This is the only module that chooses the dtype.
:mod:`fringefleet.engine.weighing` says what counts as an observation, and how much.
"""

from dataclasses import fields
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from fringefleet.engine.context import Scene
from fringefleet.engine.pixel_status import components_to_keep, find_status, has_no_answer, leave_blank
from fringefleet.engine.solver_choice import SWIFT, choose_solver, load_solver
from fringefleet.engine.transfer import RawBatch
from fringefleet.engine.weighing import Weighing
from fringefleet.network.elimination_order import Plan
from fringefleet.options import Options
from fringefleet.products.provenance import PAIR_SUMS
from fringefleet.solver import closure, uncertainty
from fringefleet.solver import pair_residuals as diagnosis
from fringefleet.solver.config import Method
from fringefleet.solver.observations import batches
from fringefleet.solver.solution import Solution
from fringefleet.solver.subsets import pieces
from fringefleet.solver.temporal_model import TemporalModel, temporal_columns


class Answer(NamedTuple):
    """What a batch comes to."""

    variables: dict[str, Tensor]  # (..., pixel), by the names of the result's variables, on the device
    pair_sums: NDArray[np.float64]  # (sum, pair); zero where nobody asked


class Batches:
    """Batches of one shape, whatever blocks they are of: their options, buffers and device."""

    def __init__(
        self,
        plan: Plan,
        scene: Scene,
        options: Options,
        n_pixel: int,
        device: torch.device,
    ) -> None:
        dtype = torch.float64 if options.dtype == "float64" else torch.float32
        self.plan, self.scene, self.options = plan, scene, options
        self.n_pixel, self.device = n_pixel, device
        self.method = _method(scene, options)
        name = choose_solver(options)
        self.solver, self.is_swift = load_solver(name), name in SWIFT
        if self.is_swift:
            self.solver.check_ready(device)
        self.workspace = self.solver.Workspace(plan, n_pixel, dtype, device)
        self.variances = self.triplet_rows = None
        if self.is_swift:
            rows = options.diagnose or options.dem_error
            self.workspace.keep(rows=rows, factor=options.covariance, variances=options.std)
        elif options.std:
            self.variances = uncertainty.Workspace(self._factor)
        if options.diagnose:
            self.triplet_rows = closure.triplet_rows(plan, device)
        self.weighing, self.dtype = Weighing(scene, options, dtype, device), dtype

    def invert(self, raw: RawBatch, *, n_done: int = 0) -> Answer:
        """Invert a batch of pixels; the first ``n_done`` are in no sum again."""
        solution = self._solve(raw)
        land = None if raw.water_mask is None else raw.water_mask[0]
        status = find_status(solution, land, self.options.gap_rule)
        blank = has_no_answer(status)
        variables = self._maps(solution, status) | self._wanted_maps(solution, raw)
        leave_blank(variables, blank)
        return Answer(variables, self._sum_pairs(blank, n_done))

    def _solve(self, raw: RawBatch) -> Solution:
        """Weigh and solve; in one kernel, or one after the other."""
        solver, method = self.solver, self.method
        if self.is_swift:
            prepare = partial(self.weighing.prepare_pixels, raw)
            found: Solution = solver.solve_raw(
                self.workspace, *self.weighing.for_kernel(raw), prepare, method=method
            )
            return found
        phase, weight = self._phase_and_weight
        # On a CPU a few rows at a time, which stay in cache; on a GPU all in one launch.
        for rows in batches(len(phase)) if self.device.type == "cpu" else [slice(None)]:
            self.weighing.prepare(raw, rows, phase[rows], weight[rows])
        solution: Solution = solver.solve(self.workspace, phase, weight, method=method)
        return solution

    @cached_property
    def _phase_and_weight(self) -> tuple[Tensor, Tensor]:
        """Buffers for a solver that does not weigh."""
        shape = (self.plan.network.n_pair, self.n_pixel)
        phase, weight = (torch.empty(shape, dtype=self.dtype, device=self.device) for _ in range(2))
        return phase, weight

    def _maps(self, solution: Solution, status: Tensor) -> dict[str, Tensor]:
        """What every result has."""
        coherence = {} if self.options.is_offset else {"temporal_coherence": solution.temporal_coherence}
        return coherence | {
            "displacement": solution.phase.mul_(self.scene.metres_per_unit),
            "residual_rms": solution.residual_rms,
            "pair_count": solution.pair_count,
            "n_components": components_to_keep(solution.n_components, status),
            "status": status,
            "gap_filled": solution.gap_filled,
        }

    def _wanted_maps(self, solution: Solution, raw: RawBatch) -> dict[str, Tensor]:
        """What was asked for besides."""
        maps: dict[str, Tensor] = {}
        observations, scale = self.workspace.observations, abs(self.scene.metres_per_unit)
        if self.options.std or self.options.covariance:
            unit = self._variance_of_unit_weight(solution) * scale**2
            if self.options.std:
                maps["displacement_std"] = self._std(unit)
            if self.options.covariance:
                maps["displacement_cov"] = self._covariance(unit)
        if self.triplet_rows is not None:
            maps |= closure.measure_closure(observations, self.triplet_rows)._asdict()
        if solution.dem is not None:
            range_sine: Tensor | float = self.scene.range_sine
            if raw.range_sine is not None:
                range_sine = raw.range_sine[0].to(self.dtype)
            maps |= {
                "dem_error": solution.dem.error * range_sine,
                "dem_error_std": solution.dem.std * range_sine,
            }
        return maps

    @property
    def _factor(self) -> uncertainty.Factor:
        return uncertainty.Factor(self.plan, self.workspace.edge, self.workspace.inverse)

    def _std(self, unit: Tensor) -> Tensor:
        if self.variances is None:
            found: Tensor = self.solver.standard_deviations(self.workspace, unit.expand(self.n_pixel))
            return found
        std = uncertainty.selected_variances(self.variances).mul_(unit).sqrt_()
        std[self.plan.root] = 0  # whatever the unit is
        return std

    def _covariance(self, unit: Tensor) -> Tensor:
        n_date = self.plan.network.n_date
        result = torch.empty((n_date, n_date, self.n_pixel), dtype=self.dtype, device=self.device)
        for pixels in pieces(torch.arange(self.n_pixel, device=self.device), 16 * n_date**2):
            result[..., pixels] = uncertainty.covariance(self._factor, pixels).to(result.dtype)
        result.mul_(unit)[self.plan.root, self.plan.root] = 0  # whatever the unit is
        return result

    def _variance_of_unit_weight(self, solution: Solution) -> Float[Tensor, "pixel"] | Float[Tensor, ""]:
        """1 where weights are inverse variances, else what the residuals show."""
        if self.options.is_formal:
            return torch.ones((), dtype=self.dtype, device=self.device)
        counts = solution.pair_count, solution.n_components
        if self.is_swift:
            return uncertainty.factor_of_sum(self.workspace.sums[3], self.plan, *counts)
        return uncertainty.variance_factor(self.workspace.observations, *counts)

    def _sum_pairs(self, blank: Tensor, n_done: int) -> NDArray[np.float64]:
        if not self.options.diagnose:
            return np.zeros((len(PAIR_SUMS), self.plan.network.n_pair))
        keep = (~blank).to(self.dtype)
        keep[:n_done] = 0
        sums = diagnosis.sum_pairs(self.workspace.observations, keep)
        return np.stack([getattr(sums, name).double().cpu().numpy() for name in PAIR_SUMS])


def _method(scene: Scene, options: Options) -> Method:
    columns = None
    if options.dem_error:
        baseline = np.array(scene.baseline)
        model = TemporalModel(options.polynomial_order, options.atmosphere_std)
        columns = torch.from_numpy(temporal_columns(scene.network, baseline, scene.wavelength, model))
    names = [field.name for field in fields(Method) if hasattr(options, field.name)]
    given = {name: getattr(options, name) for name in names}
    given["huber_threshold"] = float(options.huber_threshold)  # a whole number would be compiled for anew
    return Method(**given, unweighted=options.weight_func == "no", columns=columns)
