"""The elimination of :mod:`fringefleet.solver.elimination`, compiled for the CPU by numba.

Same rules and results; the eager form is the reference that this one is tested against. The kernel
(:mod:`fringefleet.solver.compiled_kernel`) takes observations as they are in the file and does everything
with some hundred pixels, which stay near a core, before it goes on. So memory, which is what an elimination
in torch waits for, hardly counts.

A pixel's answer has the same bits wherever it is in a batch and whatever is beside it. The rare pixels for
which float32 is not enough are solved again in float64, in torch.
"""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numba import config
from numpy.typing import NDArray
from torch import Tensor

from fringefleet.choices import DTypeName
from fringefleet.errors import DeviceError
from fringefleet.network import Network
from fringefleet.plan import Plan, plan_elimination
from fringefleet.solver import compiled_kernel, elimination
from fringefleet.solver.compiled_kernel import Answer, Memory
from fringefleet.solver.compiled_observe import Strip
from fringefleet.solver.compiled_robust import N_STATE, Rounds
from fringefleet.solver.compiled_source import numpy_source
from fringefleet.solver.compiled_tables import paths_of, walk_of
from fringefleet.solver.compiled_variances import Spread
from fringefleet.solver.lanes import LANES, choose_lanes
from fringefleet.solver.method import Method
from fringefleet.solver.pieces import pad
from fringefleet.solver.raw import Prepare, Raw, Rules
from fringefleet.solver.solution import Solution
from fringefleet.solver.swift import Swift, as_given

# Rounds of a norm for all pixels of a batch; those that need more begin anew together, with so many times as
# many, in parts of a batch, and so on
TOGETHER = {"l2": 0, "huber": 16, "l1": 16}
LONGER = 3
REST = 8


class Workspace(Swift):
    """Memory for vectors of pixels, and for the answers of batches of one shape, dtype and device.

    Parameters as of :class:`~fringefleet.solver.eliminated.Eliminated`; the device is a CPU.
    """

    def __init__(self, plan: Plan, n_pixel: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__(plan, n_pixel, dtype, device)
        self.real = np.dtype(str(dtype).removeprefix("torch."))
        self.walk = walk_of(plan)
        self.n_lane = choose_lanes(plan, self.real.itemsize)

    @cached_property
    def strip(self) -> Strip:
        """Memory for the observations of several vectors."""
        n_date, n_pair = self.plan.network.n_date, self.plan.network.n_pair
        n_vector = self.n_lane // LANES
        return Strip(
            residual=self._rows(n_vector, n_pair),
            weight=self._rows(n_vector, n_pair),
            right=self._rows(n_vector, n_date),
            sums=self._rows(n_vector, compiled_kernel.N_SUM),
        )

    @cached_property
    def memory(self) -> Memory:
        """Memory for solving a vector, in the dtype of the numbers but for the sums in float64."""
        n_date = self.plan.network.n_date
        return Memory(
            factor=self._rows(self.plan.n_slot),
            root=self._rows(n_date),
            exact=self._rows(n_date).astype(np.float64),
            series=self._rows(n_date),
            change=self._rows(n_date),
            scratch=self._rows(2),
        )

    @cached_property
    def deviation(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Memory for reweighing a vector, for who wants it."""
        return self._rows(self.plan.network.n_pair), self._rows(N_STATE)

    @cached_property
    def spread(self) -> Spread:
        """Memory for the variances of a vector, for who wants them."""
        n_date, n_slot = self.plan.network.n_date, self.plan.n_slot
        return Spread(self._rows(n_slot + n_date), self._rows(n_date), *paths_of(self.plan))

    @cached_property
    def variance(self) -> Float[Tensor, "date pixel"]:
        """Variances relative to the root where weights are inverse variances; for who wants them."""
        return self.buffer(self.plan.network.n_date)

    @cached_property
    def labels(self) -> Int[Tensor, "date pixel"]:
        """Numbers of the parts of the dates, of pixels that have several."""
        return self.buffer(self.plan.network.n_date, torch.int32)

    @cached_property
    def converged(self) -> Bool[Tensor, "pixel"]:
        """Whether reweighing came to rest; for who wants it."""
        return torch.zeros(self.n_pixel, dtype=torch.bool)

    @cached_property
    def part(self) -> "Workspace":
        """A workspace of the same kind for some of the pixels of a batch."""
        part = Workspace(self.plan, -(-self.n_pixel // REST), self.dtype, self.device)
        vars(part).update(memory=self.memory, deviation=self.deviation)  # vectors are used in turn
        return part

    def take(self, part: "Workspace", pixels: Int[Tensor, "chosen"]) -> None:
        """Take over what was found of some pixels, the first of a smaller workspace that keeps the same."""
        names = ["sums", "counts", "labels", "converged"]
        names += ["edge", "inverse"] * self.keeps_factor + ["variance"] * self.keeps_variances
        for name in names:
            getattr(self, name)[..., pixels] = getattr(part, name)[..., : len(pixels)]
        if self.keeps_rows:
            self.observations.phase[:, pixels] = part.observations.phase[:, : len(pixels)]
            self.observations.weight[:, pixels] = part.observations.weight[:, : len(pixels)]

    def label_parts(self, pixels: Int[Tensor, "chosen"]) -> Int[Tensor, "date chosen"]:
        """Number the connected parts of some pixels from 0, the root's; only where there are several."""
        return self.labels[:, pixels].long()

    def smaller(self, n_pixel: int, dtype: torch.dtype | None = None) -> Any:
        """Give a workspace of the eager form for some pixels of a batch, the same one each time."""
        key = n_pixel, dtype or self.dtype
        if key not in self._smaller:
            self._smaller[key] = elimination.Workspace(self.plan, *key, self.device)
        return self._smaller[key]

    def _rows(self, *shape: int) -> NDArray[Any]:
        return np.zeros((*shape, LANES), self.real)


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
    """Invert a batch of pixels whose observations are as they are in the file.

    Arguments and results as of :func:`fringefleet.solver.fused.solve_raw`.
    """
    work = workspace
    work.keeps_rows |= method.columns is not None  # the weights of all pairs are part of it
    series = _run_kernel(work, raw, rules, prepare, method, TOGETHER[method.norm])
    converged = None if method.norm == "l2" else work.converged.clone()
    return work.conclude(series, converged, elimination.solve, prepare, method)


def _run_kernel(
    work: Workspace, raw: Raw, rules: Rules, prepare: Prepare, method: Method, n_round: int
) -> Float[Tensor, "date pixel"]:
    """Invert all pixels; give the series. Those that need more rounds than most are taken together then."""
    n_round = min(n_round, method.max_iterations)
    series = torch.empty((work.plan.network.n_date, work.n_pixel), dtype=work.dtype)
    rounds, spread, answer = _arguments(work, series, method, n_round)
    source, counts_all = numpy_source(work, raw, rules), bool(method.min_redundancy > 1)
    with np.errstate(all="ignore"):
        compiled_kernel.invert(source, work.strip, work.memory, work.walk, rounds, spread, counts_all, answer)
    if rounds is None or n_round == method.max_iterations:
        return series
    left, part = torch.nonzero(~work.converged)[:, 0], work.part
    part.keep(rows=work.keeps_rows, factor=work.keeps_factor, variances=work.keeps_variances)
    if work.keeps_variances:
        vars(part)["spread"] = work.spread
    for pixels in torch.split(left, part.n_pixel) if len(left) else ():
        phase, weight = prepare(pad(pixels, part.n_pixel))
        found = _run_kernel(part, *as_given(phase, weight), method, LONGER * n_round)
        work.take(part, pixels)
        series[:, pixels] = found[:, : len(pixels)]
    return series


def standard_deviations(workspace: Workspace, unit: Float[Tensor, "pixel"]) -> Float[Tensor, "date pixel"]:
    """Standard deviation of every date relative to the root, for the batch that was inverted last.

    Parameters
    ----------
    workspace
        That kept the variances of that batch.
    unit
        Variance of an observation of weight 1, in the square of the unit that is wanted.

    Returns
    -------
    Tensor
        A new tensor, dates in the order of the network. Zero at the root; NaN where no valid pairs lead from
        a date to the root. As :func:`fringefleet.solver.uncertainty.selected_variances` has it.
    """
    std = (workspace.variance * unit).sqrt_()
    std[workspace.plan.root] = 0  # whatever the unit is
    return std


def check_ready(device: torch.device) -> None:
    """Refuse a device other than the CPU, and a numba that compiles nothing.

    Raises
    ------
    DeviceError
        It is another one, or numba was told so: then the kernel would be thousands of times as slow.
    """
    if getattr(config, "DISABLE_JIT", False):
        raise DeviceError(
            "found NUMBA_DISABLE_JIT, by which numba compiles nothing, as the compiled solver needs it to. "
            "Unset it, or choose the elimination solver."
        )
    if device.type != "cpu":
        raise DeviceError(
            f"found device {device}; the compiled solver runs on the CPU. Choose --device cpu, or the fused "
            "solver."
        )


def try_out(
    device: torch.device, dtype: DTypeName = "float32", is_robust: bool = False, std: bool = False
) -> None:
    """Solve a few pixels, and so compile what options need; raises whatever keeps it from that.

    Parameters
    ----------
    device
        A CPU.
    dtype
        Of the numbers.
    is_robust
        Whether the norm is another one than ``l2``.
    std
        Whether variances are wanted.
    """
    days = ("2018-01-06T00:00:00", "2018-01-18T00:00:00", "2018-01-30T00:00:00")
    plan = plan_elimination(Network(days, ((0, 1), (1, 2), (0, 2))))
    pixels = torch.ones((3, LANES), dtype=getattr(torch, dtype), device=device)
    workspace = Workspace(plan, LANES, pixels.dtype, device)
    workspace.keep(rows=False, factor=False, variances=std)
    solve(workspace, pixels, pixels, method=Method(norm="huber" if is_robust else "l2"))


def _arguments(
    work: Workspace, series: Tensor, method: Method, n_round: int
) -> tuple[Rounds | None, Spread | None, Answer]:
    """Give the kernel what it writes, as NumPy arrays; what nobody wants is empty or None."""
    none = np.zeros((0, LANES), work.real)
    answer = Answer(
        series=series.numpy(),
        sums=work.sums.numpy(),
        counts=work.counts.numpy(),
        labels=work.labels.numpy(),
        residual=none,
        weight=none,
        factor=none,
        inverse=none,
        variance=none,
        converged=np.zeros(0, np.bool_),
    )
    rounds = spread = None
    if work.keeps_rows:
        seen = work.observations
        answer = answer._replace(residual=seen.phase.numpy(), weight=seen.weight.numpy())
    if work.keeps_factor:
        answer = answer._replace(factor=work.edge.numpy(), inverse=work.inverse.numpy())
    if method.norm != "l2":
        rounds = Rounds(*work.deviation, method.norm == "l1", method.huber_threshold, n_round)
        answer = answer._replace(converged=work.converged.numpy())
    if work.keeps_variances:
        spread = work.spread
        answer = answer._replace(variance=work.variance.numpy())
    return rounds, spread, answer
