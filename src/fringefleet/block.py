"""One block of a scene: NumPy arrays in, to the device, solved, NumPy arrays out.

This is the only module that moves data to a device and back, that chooses the dtype, and that turns
what a solver says into a status. Pixels go through the solver in batches of one shape: on a CPU as many
as stay in cache, on a GPU as many as fit.

What counts as an observation follows MintPy (``ifgram_inversion.mask_stack_obs``,
``ifgram_inversion.run_ifgram_inversion_patch``): a phase of exactly 0 is no data, before and after the
reference phase is subtracted; masked pairs are no data. Beyond MintPy, so is an infinite phase.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Integer
from numpy.typing import NDArray
from torch import Tensor

from fringefleet import device as devices
from fringefleet.device import DeviceName
from fringefleet.errors import OptionError
from fringefleet.network import Network
from fringefleet.plan import Plan, plan_elimination
from fringefleet.solver import dense, elimination
from fringefleet.solver.minimum_norm import MinimumNorm, Ties
from fringefleet.solver.observations import batches
from fringefleet.solver.solution import Solution
from fringefleet.status import Status
from fringefleet.units import metres_per_radian
from fringefleet.weights import WeightFunction, coherence_to_weight

MaskDataset = Literal["coherence", "connected_component"]
SolverName = Literal["elimination", "dense"]
DTypeName = Literal["float32", "float64"]

CPU_BATCH = 8192  # pixels; a row of a batch is 32 kB in float32
MOST_COMPONENTS = 255  # the largest number that the result's uint8 holds


@dataclass(frozen=True)
class Options:
    """How every pixel is inverted; names and defaults are those of the command line and of MintPy.

    ``weight_func``: weight from coherence (:mod:`fringefleet.weights`). ``mask_dataset``: leave out
    observations by coherence below ``mask_threshold``, or without connected component.
    ``min_redundancy``: pairs that every date must have. ``min_norm``: what ties the parts of a cut network
    together. ``solver``, ``dtype``, ``device``: with what, how precisely and where.
    """

    weight_func: WeightFunction = "var"
    mask_dataset: MaskDataset | None = None
    mask_threshold: float = 0.4
    min_redundancy: float = 1.0
    min_norm: MinimumNorm = "velocity"
    solver: SolverName = "elimination"
    dtype: DTypeName = "float32"
    device: DeviceName = "cpu"

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        _refuse_other("weight_func", self.weight_func, get_args(WeightFunction))
        _refuse_other("mask_dataset", self.mask_dataset, (None, *get_args(MaskDataset)))
        _refuse_other("min_norm", self.min_norm, get_args(MinimumNorm))
        _refuse_other("solver", self.solver, get_args(SolverName))
        _refuse_other("dtype", self.dtype, get_args(DTypeName))
        _refuse_other("device", self.device, get_args(DeviceName))
        if not np.isfinite(self.mask_threshold):
            raise OptionError(f"found mask_threshold = {self.mask_threshold}; give a finite number.")
        if not 0 <= self.min_redundancy < np.inf:
            raise OptionError(
                f"found min_redundancy = {self.min_redundancy}; give the number of pairs that every date "
                "of a pixel must have, 0 or more."
            )

    @property
    def needs_coherence(self) -> bool:
        """Whether the coherence is read at all."""
        return self.weight_func != "no" or self.mask_dataset == "coherence"


@dataclass(frozen=True)
class Scene:
    """What all blocks of a scene share; plain values, a few kilobytes.

    ``reference_date`` is an index into the dates of ``network``; ``reference_phase`` the phase of each pair
    at the reference point [rad]; ``wavelength`` [m]; ``looks`` 0 where the weights need none.
    """

    network: Network
    reference_date: int
    reference_phase: tuple[float, ...]
    wavelength: float
    looks: int


class Block(NamedTuple):
    """The observations of some pixels; what is not needed is None."""

    phase: Float32[np.ndarray, "pair y x"]  # [rad]
    coherence: Float[np.ndarray, "pair y x"] | None = None
    connected_component: Integer[np.ndarray, "pair y x"] | Float[np.ndarray, "pair y x"] | None = None
    water_mask: Bool[np.ndarray, "y x"] | None = None  # True: invert
    reference_point: tuple[int, int] | None = None  # row and column in the block, if it is inside


class _FlatBlock(NamedTuple):
    """The arrays of a block as (pair, pixel)."""

    phase: NDArray[np.float32]
    coherence: NDArray[Any] | None
    connected_component: NDArray[Any] | None
    water_mask: NDArray[np.bool_] | None


class Series(NamedTuple):
    """The answer for the pixels of a block; the names are those of the result's variables."""

    displacement: Float32[np.ndarray, "date y x"]  # [m]
    temporal_coherence: Float32[np.ndarray, "y x"]
    residual_rms: Float32[np.ndarray, "y x"]  # [rad]
    pair_count: NDArray[np.uint32]
    n_components: NDArray[np.uint8]
    status: NDArray[np.uint8]


def invert_block(block: Block, scene: Scene, options: Options) -> Series:
    """Invert the pixels of one block.

    Parameters
    ----------
    block
        Observations. Needs ``coherence`` or ``connected_component`` where the options do.
    scene
        What all blocks share.
    options
        How to invert.

    Returns
    -------
    Series
        Displacement relative to the reference date and point, positive towards the satellite, and its
        quality. NaN where there is no answer; ``status`` says why.

    Raises
    ------
    DeviceError
        The device asked for is not there.
    """
    plan = plan_elimination(scene.network, scene.reference_date)
    n_pixel = block.phase[0].size
    series = _empty(scene.network.n_date, n_pixel)
    flat = _flatten(block)
    device = devices.select(options.device)
    with devices.one_thread(device), torch.inference_mode():
        run = _Batches(plan, scene, options, min(n_pixel, batch_size(plan, options)), device)
        for start in range(0, n_pixel, run.n_pixel):
            first = min(start, n_pixel - run.n_pixel)  # batches have one shape; the last overlaps
            _store(series, slice(first, first + run.n_pixel), run.invert(flat, first))
    if block.reference_point is not None:
        row, column = block.reference_point
        _set_reference_pixel(series, row * block.phase.shape[2] + column, scene.network.n_pair)
    y, x = block.phase.shape[1:]
    return Series._make(values.reshape(*values.shape[:-1], y, x) for values in series)


def count_infinite(phase: Float32[np.ndarray, "pair y x"]) -> int:
    """Count infinite phases: masked observations that are reported, because they mean broken input."""
    return sum(int(np.count_nonzero(np.isinf(layer))) for layer in phase)


def batch_size(plan: Plan, options: Options) -> int:
    """Pixels that go through the solver at once on this process's device."""
    if options.device == "cpu":
        return CPU_BATCH
    free = devices.free_bytes(devices.select(options.device))
    return max(CPU_BATCH, free // 2 // solver_bytes_per_pixel(plan, options) // CPU_BATCH * CPU_BATCH)


def solver_bytes_per_pixel(plan: Plan, options: Options) -> int:
    """Memory of the solver for each pixel of a batch [byte]; see ``tests/unit/test_block.py``."""
    size = 8 if options.dtype == "float64" else 4
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    rows = 5 * n_pair + plan.n_slot + 5 * n_date + 2 * plan.n_neighbour + 32
    return rows * size + 8 * (2 * n_date + plan.n_neighbour)


def bytes_per_pixel(network: Network, options: Options) -> int:
    """Memory of a block for each of its pixels [byte]: what is read and what is written."""
    n_dataset = 1 + options.needs_coherence
    component = 2 * (options.mask_dataset == "connected_component")
    return network.n_pair * (4 * n_dataset + component) + 4 * network.n_date + 16


class _Batches:
    """The batches of one block: their options, buffers and device."""

    def __init__(
        self, plan: Plan, scene: Scene, options: Options, n_pixel: int, device: torch.device
    ) -> None:
        dtype = torch.float64 if options.dtype == "float64" else torch.float32
        solver = elimination if options.solver == "elimination" else dense
        shape = (plan.network.n_pair, n_pixel)
        self.n_pixel, self.device = n_pixel, device
        self.scene, self.options = scene, options
        self.ties = Ties(options.min_norm, options.min_redundancy)
        self.solve = solver.solve
        self.workspace = solver.Workspace(plan, n_pixel, dtype, device)
        self.phase = torch.empty(shape, dtype=dtype, device=device)
        self.weight = torch.empty(shape, dtype=dtype, device=device)
        self.reference = torch.tensor(scene.reference_phase, dtype=dtype, device=device)[:, None]

    def invert(self, block: _FlatBlock, first: int) -> Series:
        """Invert a batch of pixels of a flattened block."""
        pixels = slice(first, first + self.n_pixel)
        for rows in batches(len(self.phase)):
            self._prepare(block, rows, pixels)
        land = None if block.water_mask is None else self._to_device(block.water_mask[:, pixels])[0]
        if land is not None:
            self.weight.mul_(land)
        solution = self.solve(self.workspace, self.phase, self.weight, ties=self.ties)
        return self._to_series(solution, land)

    def _prepare(self, block: _FlatBlock, rows: slice, pixels: slice) -> None:
        """Reference the phase and weigh it; weight zero where there is no observation."""
        phase, weight = self.phase[rows], self.weight[rows]
        raw = self._to_device(block.phase[rows, pixels]).to(phase.dtype)
        torch.sub(raw, self.reference[rows], out=phase)
        torch.mul(raw, phase, out=weight)
        weight.sign_().abs_()  # 0 where the phase is exactly 0 before or after
        coherence = None
        if block.coherence is not None:
            coherence = self._to_device(block.coherence[rows, pixels])
        if self.options.mask_dataset == "coherence" and coherence is not None:
            # As MintPy: in the dtype of the file, and no coherence counts as 0.
            weight.mul_(torch.nan_to_num(coherence, nan=0) >= self.options.mask_threshold)
        if block.connected_component is not None:
            component = self._to_device(block.connected_component[rows, pixels])
            weight.mul_(torch.nan_to_num(component, nan=0) != 0)
        if self.options.weight_func != "no" and coherence is not None:
            looks = max(1, self.scene.looks)
            weight.mul_(coherence_to_weight(coherence.to(phase.dtype), self.options.weight_func, looks))

    def _to_device(self, values: NDArray[np.generic]) -> Tensor:
        return torch.as_tensor(values).to(self.device)

    def _to_series(self, solution: Solution, land: Tensor | None) -> Series:
        """Turn phase to displacement, decide the status, blank what has no answer."""
        status = torch.zeros_like(solution.pair_count)
        status.masked_fill_(solution.n_components > 1, Status.MINIMUM_NORM)
        too_few = solution.fewest_pairs < self.options.min_redundancy
        status.masked_fill_(too_few, Status.TOO_FEW_PAIRS)
        status.masked_fill_(solution.pair_count == 0, Status.NO_OBSERVATION)
        if land is not None:
            status.masked_fill_(~land, Status.MASKED)
        blank = status > Status.MINIMUM_NORM
        scale = metres_per_radian(self.scene.wavelength)
        components = solution.n_components.clamp(max=MOST_COMPONENTS)
        return Series(
            displacement=_to_host(solution.phase.mul_(scale).masked_fill_(blank, torch.nan), np.float32),
            temporal_coherence=_to_host(
                solution.temporal_coherence.masked_fill(blank, torch.nan), np.float32
            ),
            residual_rms=_to_host(solution.residual_rms.masked_fill(blank, torch.nan), np.float32),
            pair_count=_to_host(solution.pair_count.masked_fill(blank, 0), np.uint32),
            n_components=_to_host(components.masked_fill(status == Status.MASKED, 0), np.uint8),
            status=_to_host(status, np.uint8),
        )


def _to_host(values: Tensor, dtype: type[np.generic]) -> NDArray[Any]:
    return values.cpu().numpy().astype(dtype)


def _flatten(block: Block) -> _FlatBlock:
    """View the arrays of a block as (pair, pixel)."""
    n_pixel = block.phase[0].size
    arrays = (block.phase, block.coherence, block.connected_component, block.water_mask)
    return _FlatBlock._make(
        None if values is None else np.ascontiguousarray(values).reshape(-1, n_pixel) for values in arrays
    )


def _empty(n_date: int, n_pixel: int) -> Series:
    return Series(
        displacement=np.empty((n_date, n_pixel), np.float32),
        temporal_coherence=np.empty(n_pixel, np.float32),
        residual_rms=np.empty(n_pixel, np.float32),
        pair_count=np.empty(n_pixel, np.uint32),
        n_components=np.empty(n_pixel, np.uint8),
        status=np.empty(n_pixel, np.uint8),
    )


def _store(series: Series, pixels: slice, batch: Series) -> None:
    for name, values in series._asdict().items():
        values[..., pixels] = getattr(batch, name)


def _set_reference_pixel(series: Series, pixel: int, n_pair: int) -> None:
    """Write what the reference point is by definition: no motion, no residual, every pair used."""
    series.displacement[:, pixel] = 0
    series.temporal_coherence[pixel] = 1
    series.residual_rms[pixel] = 0
    series.pair_count[pixel] = n_pair
    series.n_components[pixel] = 1
    series.status[pixel] = Status.REFERENCE_POINT


def _refuse_other(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        names = ", ".join(str(item).lower() for item in allowed)
        raise OptionError(f"found {name} = {value!r}; use one of {names}.")
