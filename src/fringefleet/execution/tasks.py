"""Task of a tile: read it from a stack or a result, compute a function of its arrays, write the result.

The concurrency of tasks in a worker is in :mod:`fringefleet.execution.slots`;
:mod:`fringefleet.execution.graph` makes the tasks. Only workers import this module.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fringefleet.engine.cancellation import check_not_stopped
from fringefleet.engine.context import BlockResult
from fringefleet.engine.timing import Stopwatch
from fringefleet.execution.slots import TileSlot, slots_of
from fringefleet.execution.statistics import TileStatistics
from fringefleet.execution.tile import (
    BlockFunction,
    LazyVariable,
    Tile,
    TileReport,
    WorkerRules,
    Write,
    count_statuses,
)
from fringefleet.io.files.memory import bytes_to_lend
from fringefleet.io.files.threads import use_threads
from fringefleet.io.files.version import accepting_touched
from fringefleet.observation.oddities import Oddities
from fringefleet.processes.cores import share_of_cores
from fringefleet.processes.versions import software_versions
from fringefleet.processes.worker_info import (
    check_same_software,
    replaced_if_gpu_breaks,
    this_worker,
    worker_record,
)
from fringefleet.processes.worker_logging import working_on


def compute_tile(
    *pieces: NDArray[Any] | LazyVariable,
    names: Sequence[str],
    function: BlockFunction,
    rules: WorkerRules,
    write: Write,
    block_info: Mapping[Any, Any],
) -> NDArray[np.object_]:
    """Read, compute and write one tile; called by ``dask.array.map_blocks``.

    Parameters
    ----------
    pieces
        Arrays of the variables, read or still unread.
    names
        Names of the variables, in the same order.
    function
        Function of these arrays.
    rules
        Requirements of all tiles on a worker.
    write
        Function that writes the tile and its result.
    block_info
        Position of the tile, as supplied by Dask.

    Returns
    -------
    NDArray
        One :class:`TileReport`, (1, 1, 1).
    """
    tile = _tile_of(block_info[0])
    watch = Stopwatch()
    check_same_software(rules.software)
    n_thread = share_of_cores(rules.n_on_cores, this_worker())
    use_threads(n_thread)
    with (
        working_on(str(tile)),
        replaced_if_gpu_breaks(),
        accepting_touched(rules.accept_touched),
        slots_of(function.device).place(watch) as place,
    ):
        result, odd, n_read = _read_and_compute(dict(zip(names, pieces, strict=True)), function, tile, place)
        check_not_stopped()
        with watch.time("write"):
            write(tile, result)
        numbers = _numbers_of(tile, result, n_read, odd.n_infinite)
        del result  # its memory is reused by another tile from here on
    report = np.empty((1, 1, 1), dtype=object)
    report[0, 0, 0] = TileReport(
        tile=tile.number,
        numbers=replace(numbers, seconds=watch.seconds),
        odd=odd,
        rows=(tile.y.start, tile.y.stop),
        columns=(tile.x.start, tile.x.stop),
        worker={
            **worker_record(function.device),
            **function.describe(),
            "threads": n_thread,
            "versions": software_versions(),
        },
    )
    return report


def _read_and_compute(
    pieces: Mapping[str, NDArray[Any] | LazyVariable], function: BlockFunction, tile: Tile, place: TileSlot
) -> tuple[BlockResult, Oddities, int]:
    """Return the result of a tile, the oddities of its arrays, and their size [byte]."""
    watch = place.watch
    n_byte = bytes_to_lend(math.prod(piece.shape) * piece.dtype.itemsize for piece in pieces.values())
    with place.reading(n_byte), watch.time("read"):
        arrays = {
            name: piece.read() if isinstance(piece, LazyVariable) else piece for name, piece in pieces.items()
        }
    with watch.time("read"):
        odd = function.check(arrays, tile)
    n_byte = sum(values.nbytes for values in arrays.values())
    with place.solving():
        result = function.compute(arrays, tile, watch, place)
    return result, odd, n_byte


def _numbers_of(tile: Tile, result: BlockResult, bytes_read: int, n_infinite: int) -> TileStatistics:
    """Return the statistics of a tile."""
    variables = result.variables
    return TileStatistics(
        n_tile=1,
        n_pixel=(tile.y.stop - tile.y.start) * (tile.x.stop - tile.x.start),
        status_count=count_statuses(variables["status"]) if "status" in variables else (),
        n_infinite=n_infinite,
        bytes_read=bytes_read,
        bytes_written=sum(values.nbytes for values in variables.values()),
    )


def _tile_of(info: Mapping[str, Any]) -> Tile:
    (y_start, y_stop), (x_start, x_stop) = info["array-location"][1:]
    i, j = info["chunk-location"][1:]
    return Tile((i, j), slice(y_start, y_stop), slice(x_start, x_stop))
