"""The elimination of :mod:`fringefleet.solver.elimination` in one GPU kernel instead of thousands.

Same rules and results; the eager form is the reference that this one is tested against. It needs Triton,
which comes with torch's builds for CUDA. On a CPU only Triton's interpreter runs it (``TRITON_INTERPRET=1``
before the first workspace), which is slow and there for tests.

The kernel follows the plan as tables. :func:`solve_raw` takes observations as stored in the file, so that
phases and weights are never written to memory; :func:`solve` takes phases and weights. The rare pixels for
which float32 is not accurate enough are solved again in float64 by the same kernel.
"""

from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from fringefleet.errors import DeviceError
from fringefleet.network.elimination_order import EliminationPlan, plan_elimination
from fringefleet.network.network import Network
from fringefleet.solver.config import Method
from fringefleet.solver.raw import Prepare, Raw, Rules
from fringefleet.solver.raw_solver import KernelWorkspace, as_given
from fringefleet.solver.solution import Solution
from fringefleet.solver.tables import rows_between, tables_of

THREADS_PER_WARP, WARPS_PER_PROGRAM = 32, 4
_OLDEST_GPU = (7, 0)  # compute capability


class Workspace(KernelWorkspace):
    """Buffers for batches of one shape, dtype and device, and the plan's tables on that device.

    Parameters
    ----------
    plan
        Elimination plan of the network.
    n_pixel
        Number of pixels per batch.
    dtype, device
        Dtype and device of the values.

    Raises
    ------
    DeviceError
        Triton is not installed, or the device is a CPU and Triton's interpreter is not enabled.
    """

    def __init__(self, plan: EliminationPlan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        self.kernel = find_kernel(device)
        super().__init__(plan, n_pixel, dtype, device)
        n_date = plan.network.n_date
        self.exact = self.buffer(n_date, torch.float64)  # right-hand sides over d; in order of position
        self.series = self.buffer(n_date)  # before it is refined; likewise
        self.change = self.buffer(n_date)  # by the refinement; likewise
        self.tables = [torch.from_numpy(table).to(device) for table in tables_of(plan)]

    @cached_property
    def covariance(self) -> Float[Tensor, "slot_and_date pixel"]:
        """Covariances of the dates at the ends of each edge, then variances of all dates."""
        return self.buffer(self.plan.n_slot + len(self.plan.order))

    @cached_property
    def between(self) -> Int[Tensor, "date date"]:
        """Row of the covariance of any two positions."""
        return torch.from_numpy(rows_between(self.plan)).to(self.device)

    @property
    def weight(self) -> Float[Tensor, "pair pixel"]:
        """Weights in the rows of the plan, if they are kept."""
        return self.observations.weight

    @property
    def residual(self) -> Float[Tensor, "pair pixel"]:
        """Residual phases [rad], if they are kept."""
        return self.observations.residual

    @cached_property
    def deviation(self) -> Float[Tensor, "pair pixel"]:
        """Square roots of the initial weights of a robust norm, if requested."""
        return torch.zeros_like(self.weight)


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
    method: Method = Method(),  # noqa: B008
) -> Solution:
    """Invert a batch of pixels whose observations are as stored in the file.

    Parameters
    ----------
    workspace
        Buffers for this network and batch shape. Its contents are overwritten.
    raw
        Observations, in the order of the network.
    rules
        Rules by which they become phases and weights.
    prepare
        Function that returns phase [rad] and weight [rad^-2] of the given pixels, by the same rules.
    method
        Method, and the outputs besides the series.

    Returns
    -------
    Solution
        A new set of tensors.
    """
    work = workspace
    is_robust = method.norm != "l2"
    keeps_rows = work.keeps_rows or is_robust or method.columns is not None
    series = _run_kernel(work, raw, rules, keeps_rows, work.keeps_factor and not is_robust)
    converged = _reweigh(work, series, method) if is_robust else None
    return work.make_solution(series, converged, solve, prepare, method)


def standard_deviations(workspace: Workspace, unit: Float[Tensor, "pixel"]) -> Float[Tensor, "date pixel"]:
    """Compute the standard deviation of every date relative to the root, for the last batch.

    Parameters
    ----------
    workspace
        Workspace with the factor of that batch.
    unit
        Variance of an observation of weight 1, in the square of the desired unit.

    Returns
    -------
    Tensor
        A new tensor, dates in the order of the network. Zero at the root; NaN where no valid pairs connect
        a date to the root, as for :func:`fringefleet.solver.uncertainty.selected_variances`.
    """
    from fringefleet.solver.fused import variances as fused_variances  # noqa: PLC0415 - Triton is not everywhere

    work = workspace
    result = torch.empty_like(work.series)
    firsts, order, slots = work.tables[:3]
    launch(
        fused_variances.deviate,
        work,
        *(work.edge, work.inverse, work.covariance, unit.contiguous(), result),
        *(firsts, order, slots, work.between),
        len(work.plan.turns),
        work.plan.n_slot,
        work.n_pixel,
        IS_FACTOR=work.keeps_factor,
    )
    return result


def source_of(raw: Raw, rules: Rules, reference: Tensor) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
    """Return the arguments by which a kernel reads observations: arrays, and the strides of their rows.

    Arrays that the rules do not need are replaced by others of the same type, which are not read.
    """
    arrays = [
        raw.observed if values is None else values if values.stride(1) == 1 else values.contiguous()
        for values in (raw.observed, raw.beside, raw.mask)
    ]
    land = raw.observed if raw.land is None else raw.land.view(torch.uint8)
    numbers = rules.reference, rules.medians, rules.table, rules.limits
    given = [reference if values is None else values for values in numbers]
    return (*arrays, land, *given), tuple(values.stride(0) for values in arrays)


def _run_kernel(
    work: Workspace, raw: Raw, rules: Rules, keeps_rows: bool, keeps_factor: bool
) -> Float[Tensor, "date pixel"]:
    """Solve, refine and measure in one launch; return the series, in the order of the network."""
    kernel, plan = work.kernel, work.plan
    series = torch.empty_like(work.series)
    arrays, strides = source_of(raw, rules, work.inverse)
    rows = (work.residual, work.weight) if keeps_rows else (work.edge, work.edge)
    launch(
        kernel.invert_pixels,
        work,
        *arrays,
        *rows,
        *(work.edge, work.inverse, work.exact, work.change, work.series, series, work.sums, work.counts),
        *work.tables,
        *strides,
        len(plan.turns),
        plan.network.n_pair,
        plan.order.index(plan.network.anchor),
        work.n_pixel,
        WEIGHT=rules.weight,
        MASK=rules.mask,
        IS_OFFSET=rules.is_offset,
        HAS_LAND=raw.land is not None,
        KEEP_ROWS=keeps_rows,
        KEEP_FACTOR=keeps_factor,
    )
    return series


def _reweigh(work: Workspace, series: Float[Tensor, "date pixel"], method: Method) -> Bool[Tensor, "pixel"]:
    """Continue from least squares to a robust norm, in place; as the eager :func:`robust.reweight` does."""
    from fringefleet.solver.fused import irls as fused_irls  # noqa: PLC0415 - Triton is not everywhere

    info = torch.finfo(work.dtype)
    limits = torch.tensor([method.huber_threshold, info.tiny, info.eps], dtype=work.dtype, device=work.device)
    converged = torch.empty_like(work.counts[0])
    launch(
        fused_irls.reweigh_pixels,
        work,
        *(work.residual, work.weight, work.deviation, work.edge, work.inverse, work.exact, work.change),
        *(series, work.sums, converged, limits, *work.tables),
        len(work.plan.turns),
        work.plan.network.n_pair,
        method.max_iterations,
        work.n_pixel,
        warps=fused_irls.WARPS_PER_PROGRAM,
        NORM=method.norm,
        KEEP_FACTOR=work.keeps_factor,
    )
    return converged > 0


def launch(
    function: Any, work: Workspace, *arguments: Any, warps: int = WARPS_PER_PROGRAM, **constants: Any
) -> None:
    """Run a kernel over all pixels of a workspace, one per thread."""
    block = THREADS_PER_WARP * warps
    # No device for -1, a CPU, where Triton's interpreter hands on the warnings of NumPy; a GPU gives none.
    with torch.cuda.device(work.edge.get_device()), np.errstate(all="ignore"):
        function[-(-work.n_pixel // block),](
            *arguments,
            **constants,
            BLOCK=block,
            num_warps=warps,
            num_stages=1,  # loads stay in place: some read what was stored just before
            enable_fp_fusion=False,  # the same rounding everywhere; memory access dominates the time
        )


def try_out(device: torch.device) -> None:
    """Launch the kernel on a few pixels; raises any error that prevents its compilation here."""
    days = ("2018-01-06T00:00:00", "2018-01-18T00:00:00", "2018-01-30T00:00:00")
    plan = plan_elimination(Network(days, ((0, 1), (1, 2), (0, 2))))
    pixels = torch.ones((3, THREADS_PER_WARP), device=device)
    solve(Workspace(plan, THREADS_PER_WARP, torch.float32, device), pixels, pixels)


def check_ready(device: torch.device) -> None:
    """Reject a device on which the kernel does not run.

    Raises
    ------
    DeviceError
        Triton is not installed, or the device is too old, or a CPU and Triton's interpreter is not enabled.
    """
    find_kernel(device)


def find_kernel(device: torch.device) -> ModuleType:
    """Import the kernel, which needs Triton, and check that it runs on this device."""
    try:
        from fringefleet.solver.fused import kernel as fused_kernel  # noqa: PLC0415 - Triton is not everywhere
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"found no module {error.name}; the fused solver needs Triton, which comes with torch's builds "
            "for CUDA on Linux. Install one of these, or choose the elimination solver."
        ) from error
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < _OLDEST_GPU:
        raise DeviceError(
            f"found {torch.cuda.get_device_name(device)}; Triton needs a GPU of compute capability "
            f"{'.'.join(map(str, _OLDEST_GPU))} or later. Choose the elimination solver."
        )
    if device.type != "cuda" and not fused_kernel.INTERPRETED:
        raise DeviceError(
            f"found device {device}; the fused solver needs a CUDA device. Choose --device cuda, or the "
            "elimination solver. (Tests run it on a CPU by TRITON_INTERPRET=1.)"
        )
    return fused_kernel
