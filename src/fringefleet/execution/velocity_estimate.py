"""Resource estimate of a fit of functions of time: bytes, which are exact, and memory, an upper bound."""

import math
from typing import NamedTuple

from dask.system import CPU_COUNT

from fringefleet.arguments.shapes import Shape
from fringefleet.execution.memory_model import ComputeResources, bytes_of_fit
from fringefleet.execution.velocity import PreparedFit
from fringefleet.io.stack import largest_chunk
from fringefleet.processes.cores import own_cores
from fringefleet.products.velocity import velocity_variables


class FitForecast(NamedTuple):
    """Resource estimate of a fit.

    Attributes
    ----------
    n_map
        Maps that it gives.
    memory_needed
        Maximum memory of each worker, or of this process where its threads compute [byte].
    """

    n_tile: int
    n_map: int
    bytes_read: int  # in memory, regardless of packing in the file
    bytes_written: int
    memory_needed: int


def forecast_fit(prepared: PreparedFit, tile: Shape, n_worker: int = 0) -> FitForecast:
    """Estimate the resources of a fit, without reading the series.

    Parameters
    ----------
    prepared
        A result that was checked.
    tile
        Rows and columns of a tile.
    n_worker
        Number of processes that compute it; 0 for threads of this one.
    """
    data, function = prepared.data, prepared.function
    n_pixel, of_tile = math.prod(prepared.shape), math.prod(tile)
    n_tile = math.prod(-(-side // step) for side, step in zip(prepared.shape, tile, strict=True))
    of_input = sum(variable.nbytes for variable in data.data_vars.values()) // n_pixel
    maps = velocity_variables(function.model.functions, function.errors)
    n_thread = min(CPU_COUNT, n_tile) if n_worker == 0 else 1
    n_core = max(n_thread, own_cores().number // max(1, n_worker))
    chunk = largest_chunk(data)
    n_chunk = math.ceil(n_pixel * of_input / chunk) if chunk else n_core
    means = ComputeResources(n_worker, n_thread, min(n_core, n_chunk), chunk_bytes=chunk)
    return FitForecast(
        n_tile,
        len(maps),
        n_pixel * of_input,
        4 * n_pixel * len(maps),
        bytes_of_fit((n_tile, of_tile), of_input, len(maps), means, is_large=function.is_compiled),
    )
