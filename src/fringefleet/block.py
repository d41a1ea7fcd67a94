"""One block of a scene: NumPy arrays in, batches of pixels through the solver, NumPy arrays out.

Pixels go through the solver in batches of one shape: on a CPU as many as stay in cache, on a GPU as many as
fit. :mod:`fringefleet.batch` says what happens to a batch.
"""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fringefleet import device as devices
from fringefleet.batch import Answer, Batches
from fringefleet.feed import feed
from fringefleet.network import Network
from fringefleet.options import Options
from fringefleet.plan import Plan, plan_elimination
from fringefleet.provenance import PAIR_SUMS
from fringefleet.scene import Block, FlatBlock, Scene, Series
from fringefleet.solver.closure import TRIPLETS_AT_ONCE
from fringefleet.solver.pieces import BYTES_AT_ONCE
from fringefleet.status import Status
from fringefleet.stopwatch import Stopwatch
from fringefleet.triplets import triplets
from fringefleet.variables import bytes_of_result, wanted_variables

logger = logging.getLogger(__name__)

CPU_BATCH = 8192  # pixels; a row of a batch is 32 kB in float32
SMALLEST_BATCH = 256
FUSED_BATCH = 2**17
CPU_BATCH_BYTES = 2**30  # fewer pixels where the network fills up or much is wanted


def invert_block(block: Block, scene: Scene, options: Options, watch: Stopwatch | None = None) -> Series:
    """Invert the pixels of one block.

    Parameters
    ----------
    block
        Observations. Needs ``coherence``, ``mask_values`` or ``observed_std`` where the options do.
    scene
        What all blocks share.
    options
        How to invert.
    watch
        Told how long it takes to solve and, on a GPU, to copy.

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
    n_pixel = block.observed[0].size
    series = _empty(scene.network, n_pixel, options)
    sums = np.zeros((len(PAIR_SUMS), scene.network.n_pair))
    device = devices.select(options.device)
    watch = watch or Stopwatch()
    with watch.time("solve"), devices.one_thread(device), torch.inference_mode():
        for pixels, answer in _answers(_flatten(block), scene, options, device, watch):
            for name, values in answer.variables.items():
                series[name][..., pixels] = values
            sums += answer.pair_sums
    if block.reference_point is not None:
        row, column = block.reference_point
        _set_reference_pixel(series, row * block.observed.shape[2] + column, scene.network)
    y, x = block.observed.shape[1:]
    shaped = {name: values.reshape(*values.shape[:-1], y, x) for name, values in series.items()}
    return Series(**shaped, pair_sums=sums if options.diagnose else None)


def _answers(
    block: FlatBlock, scene: Scene, options: Options, device: torch.device, watch: Stopwatch
) -> Iterator[tuple[slice, Answer]]:
    """Invert batch after batch; in smaller ones from where the device ran out of memory."""
    plan = plan_elimination(scene.network, scene.reference_date)
    n_block, n_done = block.observed.shape[1], 0
    n_pixel = min(n_block, batch_size(plan, options))
    while n_done < n_block:
        try:
            for pixels, answer in _batches_from(
                n_done, n_pixel, block, (plan, scene, options), device, watch
            ):
                yield pixels, answer
                n_done = pixels.stop
        except (MemoryError, RuntimeError) as error:
            if not devices.is_out_of_memory(error) or n_pixel <= SMALLEST_BATCH:
                raise
            logger.warning("out of memory with %d pixels at once; going on with half as many", n_pixel)
        else:
            return
        n_pixel = max(SMALLEST_BATCH, n_pixel // 2)
        devices.release_memory(device)


def _batches_from(
    n_done: int,
    n_pixel: int,
    block: FlatBlock,
    how: tuple[Plan, Scene, Options],
    device: torch.device,
    watch: Stopwatch,
) -> Iterator[tuple[slice, Answer]]:
    """Invert what is left of a block in batches of one shape; the last one overlaps the one before it."""
    n_block = block.observed.shape[1]
    firsts = [min(first, n_block - n_pixel) for first in range(n_done, n_block, n_pixel)]
    pieces = [slice(first, first + n_pixel) for first in firsts]
    batches = Batches(*how, n_pixel, device, watch)
    for pixels, raw in zip(pieces, feed(block, pieces, device, watch), strict=True):
        yield pixels, batches.invert(raw, n_done=n_done - pixels.start)
        n_done = pixels.stop


def batch_size(plan: Plan, options: Options) -> int:
    """Pixels that go through the solver at once on this process's device."""
    if options.device == "cpu":
        return max(1, min(CPU_BATCH, CPU_BATCH_BYTES // solver_bytes_per_pixel(plan, options)))
    if options.gpu_chunk_size:
        return options.gpu_chunk_size
    free = devices.free_bytes(devices.select(options.device))
    fits = max(CPU_BATCH, free // 2 // solver_bytes_per_pixel(plan, options) // CPU_BATCH * CPU_BATCH)
    # One launch a batch is no cost, and several of them overlap with the copies; thousands of launches are.
    return min(fits, FUSED_BATCH) if options.solver == "fused" else fits


def solver_bytes_per_pixel(plan: Plan, options: Options) -> int:
    """Memory of the solver for each pixel of a batch [byte]; see ``tests/unit/test_memory.py``."""
    size = 8 if options.dtype == "float64" else 4
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    rows, doubles = (_fused_rows if options.solver == "fused" else _eager_rows)(plan, options)
    rows += options.covariance * n_date**2
    rows += options.diagnose * (2 * min(TRIPLETS_AT_ONCE, len(triplets(plan.network))) + 3)
    if options.dem_error:  # for pixels that are worked on together; all of them in a small batch
        doubles += n_pair + plan.n_slot + (2 * options.polynomial_order + 3) * n_date
    in_pieces = options.covariance * min(16 * (n_date**2 + n_date), BYTES_AT_ONCE // CPU_BATCH)
    on_its_way = 0 if options.device == "cpu" else 2 * _bytes_of_input(n_pair, options)
    return rows * size + 8 * doubles + n_date + in_pieces + on_its_way


def _eager_rows(plan: Plan, options: Options) -> tuple[int, int]:
    """Numbers for each pixel of the workspaces and the answer: of the solver's precision, and float64."""
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    rows = 5 * n_pair + plan.n_slot + 5 * n_date + 2 * plan.n_neighbour + 40
    rows += (options.norm != "l2") * 2 * n_pair
    rows += options.std * (plan.n_slot + 4 * n_date + plan.n_neighbour)
    return rows, 2 * n_date + plan.n_neighbour


def _fused_rows(plan: Plan, options: Options) -> tuple[int, int]:
    """The same where observations stay as they are in the file; phases and weights for those who ask."""
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    rows = plan.n_slot + 5 * n_date + 40
    rows += (options.norm != "l2" or options.diagnose or options.dem_error) * 2 * n_pair
    rows += (options.norm != "l2") * n_pair
    rows += options.std * (plan.n_slot + 2 * n_date)
    return rows, n_date


def bytes_per_pixel(network: Network, options: Options) -> int:
    """Memory of a block for each of its pixels [byte]: what is read and what is written."""
    return _bytes_of_input(network.n_pair, options) + bytes_of_result(options, network.n_date)


def _bytes_of_input(n_pair: int, options: Options) -> int:
    n_dataset = 1 + options.needs_coherence + options.needs_std
    mask = 0
    if options.reads_mask:
        mask = 2 if options.mask_dataset == "connected_component" else 4
    return n_pair * (4 * n_dataset + mask) + 1 + 4 * options.dem_error


def _flatten(block: Block) -> FlatBlock:
    """View the arrays of a block as (pair, pixel), maps as (1, pixel)."""
    n_pixel = block.observed[0].size
    return FlatBlock._make(
        None if values is None else np.ascontiguousarray(values).reshape(-1, n_pixel) for values in block[:-1]
    )


def _empty(network: Network, n_pixel: int, options: Options) -> dict[str, NDArray[Any]]:
    return {
        name: np.empty((network.n_date,) * (len(variable.dims) - 2) + (n_pixel,), variable.dtype)
        for name, variable in wanted_variables(options).items()
    }


def _set_reference_pixel(series: dict[str, NDArray[Any]], pixel: int, network: Network) -> None:
    """Write what the reference point is by definition: no motion, no residual, every pair used."""
    for values in series.values():
        values[..., pixel] = 0
    if "temporal_coherence" in series:
        series["temporal_coherence"][pixel] = 1
    series["pair_count"][pixel] = network.n_pair
    series["n_components"][pixel] = 1
    series["status"][pixel] = Status.REFERENCE_POINT
    if "triplet_count" in series:
        series["triplet_count"][pixel] = len(triplets(network))
