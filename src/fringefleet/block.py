"""One block of a scene: NumPy arrays in, batches of pixels through the solver, NumPy arrays out.

Pixels go through the solver in batches of one shape: on a CPU as many as stay in cache, on a GPU as many as
fit. :mod:`fringefleet.batch` says what happens to a batch.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray

from fringefleet import device as devices
from fringefleet.batch import Batches, FlatBlock
from fringefleet.network import Network
from fringefleet.options import Options
from fringefleet.plan import Plan, plan_elimination
from fringefleet.provenance import PAIR_SUMS
from fringefleet.scene import Block, Scene, Series
from fringefleet.status import Status
from fringefleet.triplets import triplets
from fringefleet.variables import bytes_of_result, wanted_variables

CPU_BATCH = 8192  # pixels; a row of a batch is 32 kB in float32
CPU_BATCH_BYTES = 2**30  # fewer pixels where the network fills up or much is wanted


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
    series = _empty(scene.network, n_pixel, options)
    sums = np.zeros((len(PAIR_SUMS), scene.network.n_pair))
    flat = _flatten(block)
    device = devices.select(options.device)
    with devices.one_thread(device), torch.inference_mode():
        run = Batches(plan, scene, options, min(n_pixel, batch_size(plan, options)), device)
        for start in range(0, n_pixel, run.n_pixel):
            first = min(start, n_pixel - run.n_pixel)  # batches have one shape; the last overlaps
            pixels = slice(first, first + run.n_pixel)
            answer = run.invert(flat, pixels, n_done=start - first)
            for name, values in answer.variables.items():
                series[name][..., pixels] = values
            sums += answer.pair_sums
    if block.reference_point is not None:
        row, column = block.reference_point
        _set_reference_pixel(series, row * block.phase.shape[2] + column, scene.network)
    y, x = block.phase.shape[1:]
    shaped = {name: values.reshape(*values.shape[:-1], y, x) for name, values in series.items()}
    return Series(**shaped, pair_sums=sums if options.diagnose else None)


def count_infinite(phase: Float32[np.ndarray, "pair y x"]) -> int:
    """Count infinite phases: masked observations that are reported, because they mean broken input."""
    return sum(int(np.count_nonzero(np.isinf(layer))) for layer in phase)


def batch_size(plan: Plan, options: Options) -> int:
    """Pixels that go through the solver at once on this process's device."""
    if options.device == "cpu":
        return max(1, min(CPU_BATCH, CPU_BATCH_BYTES // solver_bytes_per_pixel(plan, options)))
    free = devices.free_bytes(devices.select(options.device))
    return max(CPU_BATCH, free // 2 // solver_bytes_per_pixel(plan, options) // CPU_BATCH * CPU_BATCH)


def solver_bytes_per_pixel(plan: Plan, options: Options) -> int:
    """Memory of the solver for each pixel of a batch [byte]; see ``tests/unit/test_memory.py``."""
    size = 8 if options.dtype == "float64" else 4
    n_pair, n_date = plan.network.n_pair, plan.network.n_date
    rows = 5 * n_pair + plan.n_slot + 5 * n_date + 2 * plan.n_neighbour + 40
    rows += (options.norm != "l2") * 2 * n_pair
    rows += options.std * (plan.n_slot + 4 * n_date + plan.n_neighbour)
    rows += options.covariance * 2 * n_date**2
    rows += options.diagnose * 131  # of closures of triplets at once
    doubles = 2 * n_date + plan.n_neighbour + options.dem_error * 2 * n_date
    return rows * size + 8 * doubles + n_date


def bytes_per_pixel(network: Network, options: Options) -> int:
    """Memory of a block for each of its pixels [byte]: what is read and what is written."""
    n_dataset = 1 + options.needs_coherence
    component = 2 * (options.mask_dataset == "connected_component")
    maps = 1 + 4 * options.dem_error
    return network.n_pair * (4 * n_dataset + component) + maps + bytes_of_result(options, network.n_date)


def _flatten(block: Block) -> FlatBlock:
    """View the arrays of a block as (pair, pixel), maps as (1, pixel)."""
    n_pixel = block.phase[0].size
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
    series["temporal_coherence"][pixel] = 1
    series["pair_count"][pixel] = network.n_pair
    series["n_components"][pixel] = 1
    series["status"][pixel] = Status.REFERENCE_POINT
    if "triplet_count" in series:
        series["triplet_count"][pixel] = len(triplets(network))
