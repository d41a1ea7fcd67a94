"""A batch of pixels on the device: weighed, solved, measured, with a status.

This is the only module that chooses the dtype, and that turns what a solver says into a status. What counts
as an observation follows MintPy (``ifgram_inversion.mask_stack_obs``,
``ifgram_inversion.run_ifgram_inversion_patch``): a phase of exactly 0 is no data, before and after the
reference phase is subtracted; masked pairs are no data. Beyond MintPy, so is an infinite phase. An offset of
exactly 0 is data, and stays 0 when its pair is referenced.
"""

import logging
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from fringefleet import device as devices
from fringefleet.errors import DeviceError
from fringefleet.feed import RawBatch
from fringefleet.masks import keep_by_std, keep_by_value
from fringefleet.observation import STD_MASKS
from fringefleet.options import Options
from fringefleet.plan import Plan
from fringefleet.provenance import PAIR_SUMS
from fringefleet.scene import Scene
from fringefleet.solver import closure, dense, diagnosis, elimination, fused, uncertainty
from fringefleet.solver.method import Method
from fringefleet.solver.observations import batches
from fringefleet.solver.pieces import pieces
from fringefleet.solver.solution import Solution
from fringefleet.status import Status
from fringefleet.temporal import temporal_columns
from fringefleet.variables import VARIABLES
from fringefleet.weights import coherence_to_weight, offset_weight

logger = logging.getLogger(__name__)

SOLVERS: dict[str, Any] = {"elimination": elimination, "dense": dense, "fused": fused}
MOST_COMPONENTS = 255  # the largest number that the result's uint8 holds
HAS_NO_ANSWER = (Status.NO_OBSERVATION, Status.MASKED, Status.TOO_FEW_PAIRS)


def check_device(options: Options) -> torch.device:
    """Find the device, and whether the solver runs on it.

    Raises
    ------
    DeviceError
        There is none, or the fused solver lacks what it needs.
    """
    device = devices.select(options.device)
    if choose_solver(options) == "fused":
        fused.find_kernel(device)
    return device


def choose_solver(options: Options) -> str:
    """Name the solver that is meant: ``auto`` is the fused one on a GPU where that runs."""
    if options.solver != "auto":
        return options.solver
    return "fused" if options.device == "cuda" and _runs_fused() else "elimination"


@cache
def _runs_fused() -> bool:
    """Whether the fused solver runs on the GPU of this process; said once if it does not."""
    try:
        fused.find_kernel(devices.select("cuda"))
    except DeviceError as error:
        logger.warning("the elimination is not fused, and several times as slow: %s", error)
        return False
    return True


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
        shape = (plan.network.n_pair, n_pixel)
        self.plan, self.scene, self.options = plan, scene, options
        self.n_pixel, self.device = n_pixel, device
        self.method = _method(scene, options)
        solver = SOLVERS[choose_solver(options)]
        self.solve, self.workspace = solver.solve, solver.Workspace(plan, n_pixel, dtype, device)
        # On a CPU a few rows at a time, which stay in cache; on a GPU all in one launch.
        self.rows = batches(plan.network.n_pair) if device.type == "cpu" else [slice(None)]
        self.factor = self.variances = self.triplet_rows = None
        if isinstance(self.workspace, elimination.Workspace) and (options.std or options.covariance):
            self.factor = uncertainty.Factor(plan, self.workspace.edge, self.workspace.inverse)
            self.variances = uncertainty.Workspace(self.factor) if options.std else None
        if options.diagnose:
            self.triplet_rows = closure.triplet_rows(plan, device)
        self.phase = torch.empty(shape, dtype=dtype, device=device)
        self.weight = torch.empty(shape, dtype=dtype, device=device)
        self.reference = torch.tensor(scene.reference_values, dtype=dtype, device=device)[:, None]
        self.medians = torch.tensor(scene.medians, dtype=torch.float32, device=device)[:, None]

    def invert(self, raw: RawBatch, *, n_done: int = 0) -> Answer:
        """Invert a batch of pixels; the first ``n_done`` are in no sum again."""
        for rows in self.rows:
            self._prepare(raw, rows)
        land = None if raw.water_mask is None else raw.water_mask[0]
        if land is not None:
            self.weight.mul_(land)
        solution = self.solve(self.workspace, self.phase, self.weight, method=self.method)
        status = self._status(solution, land)
        blank = torch.zeros_like(status, dtype=torch.bool)
        for code in HAS_NO_ANSWER:
            blank |= status == code
        variables = self._maps(solution, status) | self._wanted_maps(solution, raw)
        for name, values in variables.items():
            if VARIABLES[name].dtype.startswith("f"):
                values.masked_fill_(blank, torch.nan)
            elif name not in ("status", "n_components"):
                values.masked_fill_(blank, 0)
        return Answer(variables, self._sum_pairs(blank, n_done))

    def _prepare(self, raw: RawBatch, rows: slice) -> None:
        """Reference the observations and weigh them; weight zero where there is none."""
        phase, weight = self.phase[rows], self.weight[rows]
        observed = raw.observed[rows].to(phase.dtype)
        torch.sub(observed, self.reference[rows], out=phase)
        if self.options.is_offset:
            phase.mul_(torch.sign(observed).abs_())
            weight.fill_(1)
        else:
            torch.mul(observed, phase, out=weight)
            weight.sign_().abs_()  # 0 where the phase is exactly 0 before or after
        if self.options.mask_dataset is not None:
            weight.mul_(self._keep(raw, rows))
        if self.options.needs_std and raw.observed_std is not None:
            weight.mul_(offset_weight(raw.observed_std[rows].to(phase.dtype)))
        elif self.options.weight_func != "no" and raw.coherence is not None:
            looks = max(1, self.scene.looks)
            coherence = raw.coherence[rows].to(phase.dtype)
            weight.mul_(coherence_to_weight(coherence, self.options.weight_func, looks))

    def _keep(self, raw: RawBatch, rows: slice) -> Tensor:
        """Tell which observations the mask keeps."""
        options, dataset = self.options, self.options.mask_dataset
        values = raw.mask_values
        if dataset == "coherence":
            values = raw.coherence
        elif not options.reads_mask:
            values = raw.observed_std
        if dataset is None or values is None:
            raise ValueError(f"the block has no {dataset}")
        if dataset in STD_MASKS:
            phase = self.phase[rows].to(torch.float32)
            return keep_by_std(values[rows], phase, self.medians[rows], options.mask_threshold)
        return keep_by_value(values[rows], dataset, options.mask_threshold)

    def _status(self, solution: Solution, land: Tensor | None) -> Tensor:
        """Decide what happened to each pixel; the last that applies is what counts."""
        tied = {"minimum-norm": Status.MINIMUM_NORM, "linear": Status.LINEAR, "none": Status.NOT_BRIDGED}
        status = torch.zeros_like(solution.pair_count)
        status.masked_fill_(solution.n_components > 1, tied[self.options.bridge])
        if solution.converged is not None:
            status.masked_fill_(~solution.converged, Status.NOT_CONVERGED)
        status.masked_fill_(solution.too_few, Status.TOO_FEW_PAIRS)
        status.masked_fill_(solution.pair_count == 0, Status.NO_OBSERVATION)
        if land is not None:
            status.masked_fill_(~land, Status.MASKED)
        return status

    def _maps(self, solution: Solution, status: Tensor) -> dict[str, Tensor]:
        """What every result has."""
        components = solution.n_components.clamp(max=MOST_COMPONENTS)
        coherence = {} if self.options.is_offset else {"temporal_coherence": solution.temporal_coherence}
        return coherence | {
            "displacement": solution.phase.mul_(self.scene.metres_per_unit),
            "residual_rms": solution.residual_rms,
            "pair_count": solution.pair_count,
            "n_components": components.masked_fill_(status == Status.MASKED, 0),
            "status": status,
            "bridged": solution.bridged,
        }

    def _wanted_maps(self, solution: Solution, raw: RawBatch) -> dict[str, Tensor]:
        """What was asked for besides."""
        maps: dict[str, Tensor] = {}
        observations, scale = self.workspace.observations, abs(self.scene.metres_per_unit)
        if self.factor is not None:
            unit = self._variance_of_unit_weight(solution) * scale**2
            if self.variances is not None:
                std = uncertainty.selected_variances(self.variances).mul_(unit).sqrt_()
                std[self.plan.root] = 0  # whatever the unit is
                maps["displacement_std"] = std
            if self.options.covariance:
                maps["displacement_cov"] = self._covariance(self.factor, unit)
        if self.triplet_rows is not None:
            maps |= closure.measure(observations, self.triplet_rows)._asdict()
        if solution.dem is not None:
            range_sine: Tensor | float = self.scene.range_sine
            if raw.range_sine is not None:
                range_sine = raw.range_sine[0].to(self.phase.dtype)
            maps |= {
                "dem_error": solution.dem.error * range_sine,
                "dem_error_std": solution.dem.std * range_sine,
            }
        return maps

    def _covariance(self, factor: uncertainty.Factor, unit: Tensor) -> Tensor:
        n_date = self.plan.network.n_date
        result = self.phase.new_empty((n_date, n_date, self.n_pixel))
        for pixels in pieces(torch.arange(self.n_pixel, device=self.device), 16 * n_date**2):
            result[..., pixels] = uncertainty.covariance(factor, pixels).to(result.dtype)
        result.mul_(unit)[self.plan.root, self.plan.root] = 0  # whatever the unit is
        return result

    def _variance_of_unit_weight(self, solution: Solution) -> Float[Tensor, "pixel"] | Float[Tensor, ""]:
        """1 where weights are inverse variances, else what the residuals show."""
        if self.options.is_formal:
            return self.phase.new_ones(())
        observations = self.workspace.observations
        return uncertainty.variance_factor(observations, solution.pair_count, solution.n_components)

    def _sum_pairs(self, blank: Tensor, n_done: int) -> NDArray[np.float64]:
        if not self.options.diagnose:
            return np.zeros((len(PAIR_SUMS), self.plan.network.n_pair))
        keep = (~blank).to(self.phase.dtype)
        keep[:n_done] = 0
        sums = diagnosis.sum_pairs(self.workspace.observations, keep)
        return np.stack([getattr(sums, name).double().cpu().numpy() for name in PAIR_SUMS])


def _method(scene: Scene, options: Options) -> Method:
    columns = None
    if options.dem_error:
        baseline = np.array(scene.baseline)
        columns = torch.from_numpy(
            temporal_columns(scene.network, baseline, scene.wavelength, options.temporal_model)
        )
    return Method(
        min_norm=options.min_norm,
        min_redundancy=options.min_redundancy,
        bridge=options.bridge,
        norm=options.norm,
        huber_threshold=options.huber_threshold,
        max_iterations=options.max_iterations,
        unweighted=options.weight_func == "no",
        columns=columns,
        atmosphere_std=options.atmosphere_std,
    )
