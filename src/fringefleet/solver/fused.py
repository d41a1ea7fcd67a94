"""The elimination of :mod:`fringefleet.solver.elimination` in one GPU kernel instead of thousands.

Same workspace, arguments, results and rules; the eager form is the reference that this one is tested
against. It needs Triton, which comes with torch's builds for CUDA. On a CPU only Triton's interpreter
runs it (``TRITON_INTERPRET=1`` before the first workspace), which is slow and there for tests.

The kernel walks along the plan, which it finds in tables, and leaves in the workspace what the eager form
leaves: factors, inverses, series, rest and cleaned weights. The rare pixels for which float32 is not
enough are solved again in float64 by the same kernel.
"""

from collections.abc import Iterable
from functools import lru_cache, partial
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int32
from numpy.typing import NDArray
from torch import Tensor

from fringefleet.errors import DeviceError
from fringefleet.plan import Plan, Run
from fringefleet.solver import elimination, quality, robust, star_mesh
from fringefleet.solver.method import Method
from fringefleet.solver.solution import Facts, Solution, finish, measure
from fringefleet.solver.star_mesh import label_parts

OLDEST_GPU = (7, 0)  # compute capability


class Tables(NamedTuple):
    """The plan as numbers that a kernel can follow; slots, rows and updates in order of position."""

    first_slot: Int32[np.ndarray, "date"]  # of each position; for the root, how many there are
    first_row: Int32[np.ndarray, "date"]  # likewise
    first_update: Int32[np.ndarray, "date"]  # likewise
    neighbours: Int32[np.ndarray, "slot"]  # position of the later date
    rows: Int32[np.ndarray, "pair 4"]  # pair, sign, position of the later date, slot
    updates: Int32[np.ndarray, "update 4"]  # slots: factor, first other edge, first target; how many


class Workspace(star_mesh.Workspace):
    """Buffers for batches of one shape, dtype and device, and the plan's tables on that device.

    Parameters
    ----------
    plan
        The network's elimination.
    n_pixel
        Pixels in every batch.
    dtype, device
        Of the numbers.

    Raises
    ------
    DeviceError
        Triton is not installed, or the device is a CPU and Triton does not interpret.
    """

    def __init__(self, plan: Plan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        self.kernel = find_kernel(device)
        super().__init__(plan, n_pixel, dtype, device)
        self.tables = [torch.from_numpy(table).to(device) for table in tables_of(plan)]
        self.sums = torch.zeros((3, n_pixel), dtype=dtype, device=device)
        self.counts = torch.zeros((4, n_pixel), dtype=torch.int32, device=device)


@lru_cache(maxsize=16)
def tables_of(plan: Plan) -> Tables:
    """Write a plan as tables; made once per process and plan.

    Examples
    --------
    >>> from fringefleet.network import Network
    >>> from fringefleet.plan import plan_elimination
    >>> days = [f"2018-01-{day:02d}T00:00:00" for day in (1, 13, 25)]
    >>> plan = plan_elimination(Network(tuple(days), ((0, 1), (1, 2), (0, 2))))
    >>> for table in tables_of(plan):
    ...     print(table.tolist())
    [0, 2, 3]
    [0, 2, 3]
    [0, 1, 1]
    [1, 2, 2]
    [[1, 1, 1, 0], [2, 1, 2, 1], [0, 1, 2, 2]]
    [[0, 1, 2, 1]]
    """
    turns = plan.turns
    n_update = [len(turn.mesh) for turn in turns]
    neighbour, start, stop, target = np.concatenate([turn.mesh for turn in turns]).T
    slots = np.repeat([turn.slots.start for turn in turns], n_update)
    rows = [
        np.array(plan.pair_order),
        np.array(plan.pair_sign),
        _targets(run for turn in turns for run in turn.partners),
        _targets(run for turn in turns for run in turn.pair_slots),
    ]
    updates = [slots + neighbour, slots + start, target, stop - start]
    return Tables(
        first_slot=_firsts([turn.slots.stop - turn.slots.start for turn in turns]),
        first_row=_firsts([turn.rows.stop - turn.rows.start for turn in turns]),
        first_update=_firsts(n_update),
        neighbours=_targets(run for turn in turns for run in turn.neighbours),
        rows=np.stack(rows, axis=1).astype(np.int32),
        updates=np.stack(updates, axis=1).astype(np.int32),
    )


def _firsts(counts: list[int]) -> NDArray[np.int32]:
    """Number of the first member of each group, and of one after the last group."""
    return np.cumsum([0, *counts], dtype=np.int32)


def _targets(runs: Iterable[Run]) -> NDArray[np.int32]:
    """List what the members of some runs are in the other place."""
    return np.concatenate([np.arange(run.there.start, run.there.stop, dtype=np.int32) for run in runs])


def solve(
    workspace: Workspace,
    phase: Float[Tensor, "pair pixel"],
    weight: Float[Tensor, "pair pixel"],
    *,
    method: Method = Method(),  # noqa: B008 - frozen
) -> Solution:
    """Invert a batch of pixels; same arguments, results and rules as the elimination solver's."""
    work = workspace
    _run_kernel(work, phase, weight)
    n_components, pair_count, fewest, is_unsettled = work.counts.clone()
    converged = None if method.norm == "l2" else robust.reweight(work, method)
    if converged is None:
        measured = quality.of_sums(pair_count, *work.sums)
        facts = Facts(*measured, n_components, fewest < method.min_redundancy)
    else:
        facts = measure(work.observations, n_components, method.min_redundancy)
    series = work.phase.index_select(0, work.position)
    solution = finish(work.observations, series, facts, partial(label_parts, work), method)
    unsettled = torch.nonzero(is_unsettled)[:, 0]
    if len(unsettled) and work.phase.dtype != torch.float64:
        elimination.solve_again(solve, solution, work, unsettled, (phase, weight), method)
    return solution._replace(converged=converged)


def _run_kernel(
    work: Workspace, phase: Float[Tensor, "pair pixel"], weight: Float[Tensor, "pair pixel"]
) -> None:
    """Solve, refine and measure in the buffers of the workspace, by one launch."""
    kernel, plan = work.kernel, work.plan
    phase, weight = (values if values.stride(1) == 1 else values.contiguous() for values in (phase, weight))
    n_pair, n_pixel = phase.shape
    for buffer in (work.edge, work.exact, work.right):
        buffer.zero_()
    grid = (-(-n_pixel // kernel.PIXELS_PER_PROGRAM),)
    with torch.cuda.device(phase.get_device()):  # none for -1, a CPU
        kernel.invert[grid](
            phase,
            weight,
            work.residual,
            work.weight,
            work.edge,
            work.inverse,
            work.exact,
            work.right,
            work.phase,
            work.sums,
            work.counts,
            *work.tables,
            phase.stride(0),
            weight.stride(0),
            len(plan.turns),
            n_pair,
            plan.order.index(plan.network.anchor),
            n_pixel,
            BLOCK=kernel.PIXELS_PER_PROGRAM,
            num_warps=kernel.WARPS_PER_PROGRAM,
            num_stages=1,  # loads stay where they are: some read what was stored just before
            enable_fp_fusion=False,  # the same rounding everywhere; memory is what takes the time
        )


def find_kernel(device: torch.device) -> ModuleType:
    """Import the kernel, which needs Triton, and check that it runs on this device."""
    try:
        from fringefleet.solver import fused_kernel  # noqa: PLC0415 - Triton is not everywhere
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"found no module {error.name}; the fused solver needs Triton, which comes with torch's builds "
            "for CUDA on Linux. Install one of these, or choose the elimination solver."
        ) from error
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < OLDEST_GPU:
        raise DeviceError(
            f"found {torch.cuda.get_device_name(device)}; Triton needs a GPU of compute capability "
            f"{'.'.join(map(str, OLDEST_GPU))} or later. Choose the elimination solver."
        )
    if device.type != "cuda" and not fused_kernel.INTERPRETED:
        raise DeviceError(
            f"found device {device}; the fused solver needs a CUDA device. Choose --device cuda, or the "
            "elimination solver. (Tests run it on a CPU by TRITON_INTERPRET=1.)"
        )
    return fused_kernel
