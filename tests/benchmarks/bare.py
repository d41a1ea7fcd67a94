"""Reading and writing alone: all tiles of a run by its own workers, with its own reader and writer.

Imported by the workers, too, which have ``tests`` on their path.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from time import monotonic, process_time
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from distributed import Client
from numpy.typing import NDArray

from fringefleet.execution.check import Checked
from fringefleet.execution.graph import result_template
from fringefleet.execution.tile import LazyVariable
from fringefleet.io.files.memory import TileBuffer, bytes_to_lend, lending
from fringefleet.io.files.threads import use_threads
from fringefleet.io.store.result import ResultStore, create_result
from fringefleet.processes.cores import own_cores

Part = tuple[tuple[int, int], dict[str, slice]]  # number of a tile, and its pixels


class Took(NamedTuple):
    """What some work of the workers took."""

    wall_seconds: float
    cpu_seconds: float  # of all of them


def time_workers(client: Client, work: Callable[[], Any]) -> Took:
    """Time what is done by workers, and the CPU time of their processes."""
    before, start = sum(client.run(process_time).values()), monotonic()
    work()
    seconds = monotonic() - start
    return Took(round(seconds, 2), round(sum(client.run(process_time).values()) - before, 2))


def tiles_of(checked: Checked) -> Iterator[Part]:
    """Give all tiles of a run."""
    sizes = checked.prepared.stack.sizes
    rows, columns = checked.tile
    for i in range(math.ceil(sizes["y"] / rows)):
        for j in range(math.ceil(sizes["x"] / columns)):
            y, x = slice(i * rows, (i + 1) * rows), slice(j * columns, (j + 1) * columns)
            yield (i, j), {"y": y, "x": x}


def read_all(checked: Checked, client: Client) -> Took:
    """Time to read all tiles, each into memory that is used again."""
    stack = checked.prepared.stack
    variables = [variable.variable for variable in stack.data_vars.values() if "pair" in variable.dims]
    jobs = [[LazyVariable(variable.isel(where)) for variable in variables] for _, where in tiles_of(checked)]
    return _do_all(client, read_tile, jobs)


def write_all(checked: Checked, client: Client, output: Path) -> Took:
    """Time to write all tiles, each with the numbers of the first tile of a run's result.

    Parameters
    ----------
    checked
        The run, which has been done.
    client
        Its workers.
    output
        Where another result is made, whatever is there.
    """
    prepared, job = checked.prepared, checked.job
    template = result_template(prepared, job.options, checked.tile)
    store = create_result(template, output, checked.origin, overwrite=True)
    client.run(numbers_of, job.output, checked.tile)  # before the time is taken
    sizes = prepared.stack.sizes
    jobs = []
    for number, where in tiles_of(checked):
        y, x = (len(range(*where[dim].indices(sizes[dim]))) for dim in ("y", "x"))
        jobs.append((store, number, (y, x), job.output))
    return _do_all(client, write_tile, jobs)


def _do_all(client: Client, work: Any, jobs: Iterable[Any]) -> Took:
    n_core = max(1, own_cores().number // len(client.nthreads()))

    def do_all() -> None:
        client.gather([client.submit(work, job, n_core, pure=False) for job in jobs])

    return time_workers(client, do_all)


def read_tile(pieces: list[LazyVariable], n_core: int) -> int:
    """Read a tile; its bytes."""
    use_threads(n_core)
    n_byte = bytes_to_lend(math.prod(piece.shape) * piece.dtype.itemsize for piece in pieces)
    with lending(buffer_of_worker(), n_byte):
        return sum(piece.read().nbytes for piece in pieces)


def write_tile(job: tuple[ResultStore, tuple[int, int], tuple[int, int], Path], n_core: int) -> None:
    """Write a tile, its mark included."""
    store, number, shape, result = job
    use_threads(n_core)
    numbers = numbers_of(result, store.tile)
    store.write_tile(
        number,
        {name: np.ascontiguousarray(values[..., : shape[0], : shape[1]]) for name, values in numbers.items()},
    )


@cache
def buffer_of_worker() -> TileBuffer:
    """Memory of a worker, which reads one tile at a time."""
    return TileBuffer()


@cache
def numbers_of(result: Path, tile: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """Give what a run has written of its first tile."""
    opened = xr.open_zarr(result, chunks=None, consolidated=False, mask_and_scale=False)
    first = opened.isel(y=slice(tile[0]), x=slice(tile[1]))
    return {str(name): variable.values for name, variable in first.data_vars.items() if "y" in variable.dims}
