"""Inversion of one block of a scene: NumPy arrays in, batches of pixels through the solver, NumPy arrays out.

Pixels pass through the solver in batches of one shape: on a CPU as many as stay in cache, on a GPU as many as
fit. :mod:`fringefleet.engine.direct` is the path without torch, which most runs on a CPU take; otherwise
:mod:`fringefleet.engine.torch_block` moves pixels to the device and back, and
:mod:`fringefleet.engine.batch_solver` solves a batch.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.engine.context import Block, BlockResult, FlatBlock, InversionContext
from fringefleet.engine.footprint import (
    FUSED_BATCH,
    cpu_batch_size,
    eager_batch_size,
    fused_bytes_per_pixel,
    solver_bytes_per_pixel,
)
from fringefleet.engine.solver_choice import check_direct, choose_solver, is_direct
from fringefleet.engine.timing import Stopwatch
from fringefleet.engine.workspaces import BlockPlace
from fringefleet.network.elimination_order import EliminationPlan
from fringefleet.network.network import Network
from fringefleet.options import Options
from fringefleet.products.pair_sums import has_pair_sums
from fringefleet.products.registry import all_variables
from fringefleet.solver.working_set import CPU_BATCH


def invert_block(
    block: Block,
    scene: InversionContext,
    options: Options,
    watch: Stopwatch | None = None,
    place: BlockPlace | None = None,
) -> BlockResult:
    """Invert the pixels of one block.

    Parameters
    ----------
    block
        Observations. Needs ``coherence``, ``mask_values`` or ``observed_std`` if the options do.
    scene
        Context shared by all blocks.
    options
        Options of the inversion.
    watch
        Stopwatch for the time spent on solving and, on a GPU, on copies.
    place
        Place of the block among others solved in this process; None: there are no others.

    Returns
    -------
    BlockResult
        Displacement relative to the reference date and point, positive towards the satellite, and its
        quality. NaN where there is no estimate; ``status`` gives the reason. ``place`` provides its memory.

    Raises
    ------
    DeviceError
        The requested device is not available.
    """
    place, watch = place or BlockPlace(), watch or Stopwatch()
    n_pixel = place.workspaces.size(scene.network, options, batch_size)
    if is_direct(options):
        check_direct()
        from fringefleet.engine.direct import invert_directly as invert  # noqa: PLC0415 - numba
    else:
        from fringefleet.engine.torch_block import invert_in_torch as invert  # noqa: PLC0415 - torch
    found, pair_sums = invert(_flatten(block), scene, options, watch, place, n_pixel)
    if block.reference_point is not None:
        row, column = block.reference_point
        _set_reference_pixel(found, row * block.observed.shape[2] + column, scene.network)
    y, x = block.observed.shape[1:]
    shaped = {name: values.reshape(*values.shape[:-1], y, x) for name, values in found.items()}
    return BlockResult(shaped, pair_sums if has_pair_sums(options) else None)


def batch_size(plan: EliminationPlan, options: Options) -> int:
    """Return the number of pixels per batch on this process's device."""
    if options.device == "cpu":
        compiled = choose_solver(options) == "compiled"
        return cpu_batch_size(plan, options) if compiled else eager_batch_size(plan, options)
    if options.gpu_chunk_size:
        return options.gpu_chunk_size
    from fringefleet.engine import device as devices  # noqa: PLC0415 - torch

    is_fused = choose_solver(options) == "fused"
    needed = fused_bytes_per_pixel(plan, options) if is_fused else solver_bytes_per_pixel(plan, options)
    free = devices.free_bytes(devices.select(options.device))
    fits = max(CPU_BATCH, free // 2 // needed // CPU_BATCH * CPU_BATCH)
    # A launch per batch costs nothing; thousands of launches do.
    return min(fits, FUSED_BATCH) if is_fused else fits


def _flatten(block: Block) -> FlatBlock:
    """View the arrays of a block as (pair, pixel), its maps as (1, pixel)."""
    n_pixel = block.observed[0].size
    return FlatBlock._make(
        None if values is None else np.ascontiguousarray(values).reshape(-1, n_pixel) for values in block[:-1]
    )


def _set_reference_pixel(found: dict[str, NDArray[Any]], pixel: int, network: Network) -> None:
    """Set the reference point to its values by definition: no motion, no residual, every pair used."""
    known = all_variables()
    for name, values in found.items():
        values[..., pixel] = known[name].at_reference(network)
